"""What reading a trace costs: lines a second, and the peak of memory as traces grow.

    python tests/benchmarks/parsing.py [--lines 1000000]

The traces are real: strace records one program that imports and one whose threads interrupt each
other and that runs commands; each is then repeated up to the wanted length. Memory is the peak of a
process of its own for each length.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import textwrap
import time
from collections import deque
from pathlib import Path

from nbrepro.processes import Skipped, steps
from nbrepro.trace import TRACED, Summary, births, events, read_lines

PROGRAMS = {
    "imports": """
        import concurrent.futures, email.mime.text, json, sqlite3, unittest.mock, xml.dom.minidom
        import numpy, pandas, matplotlib.pyplot, netCDF4
    """,
    "threads and commands": """
        import concurrent.futures, os, subprocess, tempfile
        os.chdir(tempfile.mkdtemp())
        def work(n):
            with open(f"file {n}", "w") as f: f.write("x")
            os.rename(f"file {n}", f"renamed {n}")
            return open(f"renamed {n}").read()
        with concurrent.futures.ThreadPoolExecutor(4) as pool: list(pool.map(work, range(40)))
        for n in range(5): subprocess.run(["cat", f"renamed {n}"], stdout=subprocess.DEVNULL)
    """,
}


def record(directory: Path, program: str) -> bytes:
    """Trace the program, as a run does."""
    trace = directory / "one.strace"
    calls = ",".join(f"?{call}" for call in TRACED)
    subprocess.run(
        ["strace", "-f", "--seccomp-bpf", "-y", "-s", "4096", "--timestamps=unix,ns", "-a", "1",
         "-e", f"trace={calls}", "-o", trace, sys.executable, "-c", textwrap.dedent(program)],
        check=True, timeout=120,
    )  # fmt: skip
    return trace.read_bytes()


def repeat(one: bytes, lines: int, path: Path) -> Path:
    """Write the trace over and over until it has about so many lines."""
    with path.open("wb") as sink:
        for _ in range(max(1, round(lines / one.count(b"\n")))):
            sink.write(one)
    return path


def read(path: Path) -> int:
    """Take lines to events."""
    summary = Summary()
    deque(events(read_lines(path), summary), maxlen=0)
    assert summary.lines == (
        summary.events + summary.continuations + summary.ignored + summary.unparsed
    )
    return summary.lines


def look_ahead(path: Path) -> None:
    """Take pass 1."""
    births(read_lines(path))


def walk(path: Path) -> None:
    """Take lines to steps, both passes."""
    deque(steps(events(read_lines(path)), births(read_lines(path)), "", Skipped()), maxlen=0)


STAGES = {"lines -> events": read, "pass 1 (births)": look_ahead, "lines -> steps": walk}


def child(stage: str, path: Path) -> None:
    """Run one stage once and print CPU seconds and the peak of memory in MiB."""
    before = time.process_time()
    STAGES[stage](path)
    spent = time.process_time() - before
    print(spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def measure(stage: str, path: Path) -> tuple[float, float]:
    """Run one stage in a process of its own."""
    command = [sys.executable, __file__, "--stage", stage, "--trace", str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    seconds, mebibytes = map(float, done.stdout.split())
    return seconds, mebibytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--stage", choices=STAGES)
    parser.add_argument("--trace", type=Path)
    options = parser.parse_args()
    if options.stage:
        child(options.stage, options.trace)
        return
    for kind, program in PROGRAMS.items():
        with tempfile.TemporaryDirectory() as name:
            compare(kind, record(Path(name), program), options.lines, Path(name) / "many.strace")


def compare(kind: str, one: bytes, lines: int, path: Path) -> None:
    """Print what each stage costs on a tenth of the lines and on all."""
    recorded = one.splitlines()
    joined = sum(b" resumed>" in line for line in recorded) / len(recorded)
    width = len(one) / len(recorded)
    print(f"\n{kind}: {len(recorded):,} lines of {width:.0f} bytes, {joined:.0%} resumed; repeated")
    print(f"{'stage':16} {'lines':>10} {'CPU s':>7} {'lines/s':>10} {'peak MiB':>9}")
    for length in (lines // 10, lines):
        count = read(repeat(one, length, path))
        for stage in STAGES:
            seconds, peak = measure(stage, path)
            print(f"{stage:16} {count:10,} {seconds:7.2f} {count / seconds:10,.0f} {peak:9.1f}")


if __name__ == "__main__":
    main()
