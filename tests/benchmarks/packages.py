"""How large a package is and what it costs, beside the whole environment and other packagers.

    python tests/benchmarks/packages.py [--python /env/bin/python] [--notebook climate]

`--python` is an interpreter in whose environment nbrepro and what the notebook needs are installed
(default: this one). Compared with (a) the whole environment as a plain image: its site-packages and
the interpreter's own library, without that library's tests and static libraries; (b) an archive of
the environment alone, as conda-pack and venv-pack make it; (c) Sciunit and ReproZip, where they
run. All are compressed as layers are. CPU is user + system time of every process that was waited
for; sizes are those of the compressed files.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from nbrepro.packaging.layers import Entry, entry_of, write_layer

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
LEFT_OUT = ("test", "tests", "idlelib", "turtledemo", "__pycache__")
LIMIT_S = 900
TRIALS = {
    "sciunit": [["create", "trial"], ["exec", "true"]],
    "reprozip": [["trace", "--dont-identify-packages", "true"]],
}
EMPTY = {"cells": [{"cell_type": "code", "id": "a", "source": "print(1)", "metadata": {},
                    "execution_count": None, "outputs": []}],
         "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3",
                                     "language": "python"}},
         "nbformat": 4, "nbformat_minor": 5}  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--notebook", default="climate")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nbrepro-") as folder:
        work = Path(folder)
        shutil.copytree(NOTEBOOKS, work / "notebooks", ignore=shutil.ignore_patterns(".nbrepro"))
        compare(given.python, work, given.notebook)
        compare_start(given.python, work)


def compare(python: str, work: Path, notebook: str) -> None:
    """Make the package and what it is compared with."""
    nbrepro = [python, "-m", "nbrepro"]
    command([*nbrepro, "run", f"{notebook}.ipynb", "--no-progress"], work / "notebooks")
    image = work / "image.tar"
    words = [*nbrepro, "package", "-o", str(image), "--no-progress", "--json"]
    said, wall_s, cpu_s = timed(lambda: command(words, work / "notebooks"))
    _, bare_s, bare_cpu_s = timed(lambda: command([*words, "--no-proof"], work / "notebooks"))
    prefix, base = json.loads(
        command([python, "-c", "import json,sys;print(json.dumps([sys.prefix,sys.base_prefix]))"],
                work)
    )  # fmt: skip
    command([*words], work / "notebooks")
    whole = size_of(work, [*files_of(Path(prefix)), *library_of(Path(base))])
    alone = size_of(work, list(files_of(Path(prefix))))
    size = image.stat().st_size
    record = json.loads(said)
    print(f"| {notebook} | MB | ratio to (a) | wall s | CPU s |\n|---|---|---|---|---|")
    print(f"| nbrepro package | {mb(size)} | {size / whole:.2f} | {wall_s:.1f} | {cpu_s:.1f} |")
    print(f"| - without its proof | {mb(size)} | | {bare_s:.1f} | {bare_cpu_s:.1f} |")
    print(f"| (a) whole environment | {mb(whole)} | 1 | | |")
    print(f"| (b) archive of the environment | {mb(alone)} | {alone / whole:.2f} | | |")
    for name in ("sciunit", "reprozip"):
        print(f"| (c) {name} | {other(name)} | | | |")
    print(
        f"\nproof: {record['rounds']} replays, {record['equal']} of {record['cells']} cells equal"
    )


def compare_start(python: str, work: Path) -> None:
    """Print what a replay adds to the plain run of a notebook that does nothing."""
    nbrepro = [python, "-m", "nbrepro"]
    small = work / "small"
    (small / ".nbrepro").mkdir(parents=True)
    (small / "small.ipynb").write_text(json.dumps(EMPTY))
    command([*nbrepro, "run", "small.ipynb", "--no-progress"], small)
    command([*nbrepro, "package", "-o", "small.tar", "--no-progress"], small)
    replay = [*nbrepro, "replay", "small.tar", "--no-progress", "-o"]
    command([*replay, "first"], small)
    plain = (
        "import nbformat, nbclient\nnotebook = nbformat.read('small.ipynb', 4)\n"
        "nbclient.NotebookClient(notebook).execute()"
    )
    ways: dict[str, list[list[str]]] = {
        "plain": [[python, "-c", plain]] * 5,
        "replay": [[*replay, f"again{number}"] for number in range(5)],
    }
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for number in range(5):
        for name, commands in ways.items():
            _, wall_s, cpu_s = timed(lambda words=commands[number]: command(words, small))
            took[name].append((wall_s, cpu_s))
    for name, found in took.items():
        wall, cpu = (min(one) for one in zip(*found, strict=True))
        print(f"{name}: {wall:.2f} s wall, {cpu:.2f} s CPU (least of 5)")


def timed(act: Callable[[], str]) -> tuple[str, float, float]:
    """Give what `act` gives, and the wall and CPU seconds that it took."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    said = act()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return said, time.monotonic() - began, cpu_s


def command(words: list[str], cwd: Path) -> str:
    """Run a command and give its output."""
    environment = os.environ | {"PATH": f"{Path(words[0]).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=LIMIT_S
    )
    if done.returncode != 0:
        sys.exit(f"{words} failed: {done.stderr}")
    return done.stdout


def files_of(folder: Path) -> Iterator[Entry]:
    """Yield everything in a directory."""
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or path.is_dir() or path.is_file():
            yield entry_of(Path("/"), str(path))


def library_of(base: Path) -> Iterator[Entry]:
    """Yield an interpreter's program and library."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    places = [base / "bin" / version, *base.glob("lib/libpython*.so*")]
    yield from (entry_of(Path("/"), str(path)) for path in places if path.is_file())
    for entry in files_of(base / "lib" / version):
        parts = entry.path.split("/")
        if not entry.path.endswith(".a") and not set(parts) & {*LEFT_OUT, "site-packages"}:
            yield entry


def size_of(work: Path, entries: list[Entry]) -> int:
    """Give the compressed size of these files."""
    target = work / "whole.layer"
    size = write_layer("environment", entries, target, "gzip").size_bytes
    target.unlink()
    return size


def other(name: str) -> str:
    """Say whether another packager runs here."""
    program = shutil.which(name)
    if program is None:
        return "not installed"
    with tempfile.TemporaryDirectory() as home:
        environment = os.environ | {"HOME": home}
        for words in TRIALS[name]:
            tried = subprocess.run(
                [program, *words], cwd=home, env=environment, capture_output=True, text=True,
                timeout=60, check=False,
            )  # fmt: skip
    first = tried.stderr.strip().split("\n")[0]
    return "runs" if tried.returncode == 0 else f"does not run ({first})"


def mb(size: int) -> str:
    """Give bytes as millions."""
    return f"{size / 1e6:.1f}"


if __name__ == "__main__":
    main()
