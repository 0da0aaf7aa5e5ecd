"""How fast runs are loaded into the embedded store, and what a first and a repeated run cost.

python -m tests.benchmarks.loading [RUNS]
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from nbrepro.stores import open_store
from nbrepro.stores.rdf import RunWriter
from tests.graphs import GraphMaker, plausible_run


def size_bytes(directory: Path) -> int:
    """Give what the files of a store take on disk, whatever of them nobody holds any more."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def triples(maker: GraphMaker) -> int:
    writer = RunWriter(maker.uuid)
    return sum(len(writer.lines(statement)[1]) for statement in maker.statements)


def load(store: Path, maker: GraphMaker) -> tuple[float, float, int]:
    """Load one run; give the seconds and the CPU seconds it took, and the bytes the store grew."""
    before = size_bytes(store)
    start, began = time.perf_counter(), time.process_time()
    with open_store(store) as opened:
        opened.load(maker.run, maker.uuid, maker.statements)
    used = time.process_time() - began
    return time.perf_counter() - start, used, size_bytes(store) - before


def main(runs: int) -> None:
    shapes = {
        "few files, much software": {"cells": 20, "data_files": 4, "software": 8000},
        "many files, little software": {"cells": 100, "data_files": 60, "software": 200},
    }
    for name, shape in shapes.items():
        with tempfile.TemporaryDirectory() as directory:
            store = Path(directory) / "store"
            print(name)
            print(f"{'run':>6}{'statements':>12}{'triples':>10}{'seconds':>9}"
                  f"{'statements/s':>14}{'a CPU s':>10}{'triples/s':>11}{'kB':>9}")  # fmt: skip
            for number in range(1, runs + 1):
                maker = plausible_run(number, **shape)
                seconds, used, grown = load(store, maker)
                if number in (1, 2, 3) or number == runs:
                    count, written = len(maker.statements), triples(maker)
                    print(f"{number:>6}{count:>12}{written:>10}{seconds:>9.2f}"
                          f"{count / seconds:>14.0f}{count / used:>10.0f}"
                          f"{written / seconds:>11.0f}"
                          f"{grown / 1000:>9.0f}")  # fmt: skip
            first = plausible_run(1, **shape)
            seconds, *_ = load(store, first)
            print(
                f"the first again: {seconds:.2f} s; {runs} runs: {size_bytes(store) / 1e6:.1f} MB"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
