"""Directories that hosts see on top of the root: nbrepro as the working tree has it now."""

from __future__ import annotations

import configparser
import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path

from make_root import SITE

PROJECT = Path(__file__).resolve().parents[3]
LAUNCHER = """#!/usr/bin/python3
import sys

from {module} import {function}

sys.exit({function}())
"""
# The layer's modules are compiled where they will be, by the Python that will import them, so
# that hosts do not write that into their overlays.
_COMPILE = """set -e
mount --bind "$1/$3" "$2/mnt"
exec chroot "$2" /usr/bin/python3 -m compileall -q -s /mnt -p "/$3" /mnt
"""


def make_nbrepro_layer(root: Path, base: Path) -> Path:
    """Make a layer with the wheel of the working tree, and its command; give its directory."""
    layer = base / "nbrepro-layer"
    (layer / SITE).mkdir(parents=True)
    with zipfile.ZipFile(_make_wheel(base)) as wheel:
        wheel.extractall(layer / SITE)
    (metadata,) = (layer / SITE).glob("nbrepro-*.dist-info")
    points = configparser.ConfigParser()
    points.read(metadata / "entry_points.txt")
    for name, target in points["console_scripts"].items():
        module, _, function = target.partition(":")
        command = layer / "usr/local/bin" / name
        command.parent.mkdir(parents=True, exist_ok=True)
        command.write_text(LAUNCHER.format(module=module, function=function))
        command.chmod(0o755)
    words = ["unshare", "--mount", "sh", "-c", _COMPILE, "sh", str(layer), str(root), SITE]
    subprocess.run(words, check=True, timeout=120)
    return layer


def _make_wheel(base: Path) -> Path:
    """Build the project's wheel, with the build backend at hand or one that pip fetches."""
    at_hand = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    words = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-input"]
    subprocess.run(
        [*words, *at_hand, "--wheel-dir", str(base), str(PROJECT)], check=True, timeout=300
    )
    (wheel,) = base.glob("nbrepro-*.whl")
    return wheel
