"""Facts about this machine and the kernel's environment that a manifest records."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from nbrepro.rundir import Host


def read_host() -> Host:
    """Describe this machine."""
    return Host(
        name=platform.node() or "localhost",
        system=platform.system(),
        release=platform.release(),
        distribution=_distribution(),
        machine=platform.machine(),
        cpus=len(os.sched_getaffinity(0)),
    )


def find_roots(project: Path, run: Path, interpreter: str) -> dict[str, str]:
    """Give the directories that paths are named relative to, symbolic links resolved."""
    roots = {
        "project": project,
        "prefix": find_prefix(interpreter),
        "home": Path.home(),
        "temporary": Path(tempfile.gettempdir()),
        "run": run,
    }
    return {name: os.path.realpath(path) for name, path in roots.items()}


def find_prefix(interpreter: str) -> Path:
    """Give the environment that a kernel's program belongs to.

    A virtual environment's `bin/python` is a link out of it, so the link itself is asked first,
    and what it points to (the base installation) only where there is no environment around it.
    """
    found = Path(os.path.abspath(shutil.which(interpreter) or interpreter))  # noqa: PTH100 (keeps links)
    prefix = found.parent.parent
    if (prefix / "pyvenv.cfg").exists() or (prefix / "conda-meta").is_dir():
        return prefix
    return found.resolve().parent.parent


def find_interpreter(argv: Sequence[str]) -> str:
    """Give the program that Jupyter starts for a kernelspec: `python` means our own."""
    program = str(argv[0])
    return sys.executable if re.fullmatch(r"python(3(\.\d+)?)?", program) else program


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        return ""
