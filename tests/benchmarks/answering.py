"""How long a question takes as a process of its own, and inside it, at 1 and at 200 runs.

python -m tests.benchmarks.answering [RUNS ...]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from nbrepro.queries import load_questions
from nbrepro.stores import open_store
from nbrepro.stores.interface import Store
from tests.graphs import plausible_run

TRIALS = 5
ASK = """
import sys
from nbrepro.queries import find_question
from nbrepro.stores import open_store
name, location, *given = sys.argv[1:]
values = dict(pair.split("=", 1) for pair in given)
print(len(open_store(location).ask(find_question(name), values)))
"""


def timed(act: Callable[[], object]) -> list[float]:
    """Give the milliseconds of each of some trials."""
    taken = []
    for _ in range(TRIALS):
        start = time.perf_counter()
        act()
        taken.append(1000 * (time.perf_counter() - start))
    return taken


def process(name: str, location: str, values: dict[str, str]) -> None:
    given = [f"{key}={value}" for key, value in values.items()]
    subprocess.run(
        [sys.executable, "-c", ASK, name, location, *given], check=True, stdout=subprocess.DEVNULL
    )


def questions(run: str) -> list[tuple[str, dict[str, str]]]:
    """List every question with the values it is asked with; the cell ones for one cell too."""
    asked = []
    for name, question in load_questions().items():
        known = {"run": run, "file": "/home/u/project/out/10/8.csv", "cell": "5"}
        required = [p.name for p in question.parameters if p.required]
        if not set(required) <= set(known):
            continue  # about tasks and workers, which these runs have none of
        values = {name: known[name] for name in required}
        asked.append((name, values))
        if any(p.name == "cell" and not p.required for p in question.parameters):
            asked.append((name, values | {"cell": "5"}))
    return asked


def report(store: Store, run: str) -> None:
    print(f"{'question':<20}{'cell':>5}{'rows':>7}{'call ms':>10}{'worst':>7}{'process ms':>12}"
          f"{'worst':>7}")  # fmt: skip
    for name, values in questions(run):
        question = load_questions()[name]
        rows = len(store.ask(question, values))
        inside = timed(lambda q=question, v=values: store.ask(q, v))  # type: ignore[misc]
        whole = timed(lambda n=name, v=values: process(n, store.location, v))  # type: ignore[misc]
        print(f"{name:<20}{values.get('cell', ''):>5}{rows:>7}"
              f"{statistics.median(inside):>10.0f}{max(inside):>7.0f}"
              f"{statistics.median(whole):>12.0f}{max(whole):>7.0f}")  # fmt: skip


def main(sizes: list[int]) -> None:
    shape = {"cells": 20, "data_files": 5, "software": 3000}
    with tempfile.TemporaryDirectory() as directory:
        store = open_store(Path(directory) / "store")
        loaded = 0
        for size in sizes:
            for number in range(loaded + 1, size + 1):
                maker = plausible_run(number, **shape)
                store.load(maker.run, maker.uuid, maker.statements)
            loaded = size
            print(f"{size} runs, load average {os.getloadavg()[0]:.1f}")
            report(store, maker.run)


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [1, 200])
