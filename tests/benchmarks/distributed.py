"""What observing the distributed use cases costs, and how well it sees what their tasks touched.

    python tests/benchmarks/distributed.py [--engine dask] [--case trends] [--rounds 3] [--markdown]
    python tests/benchmarks/distributed.py --tasks 1000      # TaskVine tasks that import numpy

Each notebook (notebooks/CASE-ENGINE.ipynb, five workers) runs plain and under `nbrepro run`, in
turns; ratios are within a round. Dask's workers are the notebook's own; TaskVine's are on five
separate hosts (tests/live/taskvine), plain or started by `nbrepro worker`. CPU is user and system
time of every process that existed, workers and tracers among them. *trace* is what the run
directory has of traces, compressed. *home* is the time from the notebook's last cell to the
kernel's end, in which the workers' traces come home, *ingest* from there to the command's end.
Recall and precision are of (cell, mode, path) of tasks, against what the notebooks' sources say.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import use_cases
import vine_hosts
from accounts import Bill, read_bill
from overhead import PLAIN, adopt_orphans, reaped

ENGINES = ("dask", "taskvine")
WORKERS = 5
LIMIT_S = 900

Round = tuple[Bill, Bill]  # plain and observed
Sighted = list[use_cases.Sight]


def measure(command: list[str], folder: Path) -> tuple[Bill, int]:
    """Run a command in `folder` and wait for all that it leaves behind; give the time of its end.

    This program is the subreaper of what it starts.
    """
    os.chdir(folder)
    log = folder / "log"
    with log.open("wb") as file:
        begin = time.monotonic()
        actions = [(os.POSIX_SPAWN_DUP2, file.fileno(), 1), (os.POSIX_SPAWN_DUP2, file.fileno(), 2)]
        environment = os.environ | {"MPLBACKEND": "agg", "OPENBLAS_NUM_THREADS": "1"}
        leader = os.posix_spawn(command[0], command, environment, file_actions=actions)
    signal.alarm(LIMIT_S)
    wall = cpu = 0.0
    ended_ns = 0
    for pid, _, status, seconds in reaped():
        cpu += seconds
        if pid == leader:
            wall, ended_ns = time.monotonic() - begin, time.time_ns()
            if status:
                raise SystemExit(f"{log.read_text(errors='replace')[-3000:]}\nended with {status}")
    signal.alarm(0)
    return Bill(wall, cpu), ended_ns


def run_dask(case: str, rounds: int, base: Path) -> tuple[list[Round], Sighted]:
    """Run a use case in its Dask form on this machine."""
    adopt_orphans()
    folder = use_cases.copy_notebooks(base)
    notebook = f"{case}-dask.ipynb"
    observe = [sys.executable, "-m", "nbrepro", "run", notebook, "--no-progress"]

    def run(observed: bool) -> Bill:
        if not observed:
            return measure([sys.executable, "-c", PLAIN, notebook, "python3"], folder)[0]
        shutil.rmtree(folder / ".nbrepro", ignore_errors=True)
        return read_bill(*measure(observe, folder), folder)

    with contextlib.chdir("/"):
        costs = list(in_turns(run, rounds))
        return costs, [use_cases.look(case, "dask", use_cases.here(folder))]


def run_taskvine(case: str, rounds: int, base: Path) -> tuple[list[Round], Sighted]:
    """Run a use case in its TaskVine form on separate hosts."""
    stage, sights = vine_hosts.Stage(base), Sighted()
    put = vine_hosts.put_use_case(case)

    def ask(opened: vine_hosts.Hosts) -> None:
        sights[:] = [use_cases.look(case, "taskvine", vine_hosts.place_on(opened))]

    def run(observed: bool) -> Bill:
        return stage.run(put, observed, WORKERS, vine_hosts.ENVIRONMENT, ask)

    return list(in_turns(run, rounds)), sights


def run_numpy(tasks: int, rounds: int, base: Path) -> list[Round]:
    """Run that many tasks that each start Python and import numpy, on separate hosts."""
    stage = vine_hosts.Stage(base)
    put = vine_hosts.put_scenario("numpy-tasks")
    environment = vine_hosts.ENVIRONMENT | {"NUMPY_TASKS": str(tasks)}

    def run(observed: bool) -> Bill:
        return stage.run(put, observed, 3, environment, lambda _: None)

    return list(in_turns(run, rounds, warm=False))


def in_turns(run: Callable[[bool], Bill], rounds: int, warm: bool = True) -> Iterator[Round]:
    """Yield plain and observed costs; a first round warms up unseen."""
    for number in range(-1 if warm else 0, rounds):
        plain, observed = run(False), run(True)
        if number >= 0:
            yield plain, observed


def ratio(values: Iterable[float]) -> str:
    """Give the median, and the range where there are several."""
    found = sorted(values)
    range_of_all = f" ({found[0]:.2f}-{found[-1]:.2f})" if len(found) > 1 else ""
    return f"{statistics.median(found):.2f}{range_of_all}"


def median(values: Iterable[float], digits: int = 1) -> str:
    return f"{statistics.median(values):.{digits}f}"


def line(name: str, engine: str, costs: list[Round], sights: Sighted, tasks: str) -> list[str]:
    """Give a row of the table."""
    seen = [f"{sights[0].recall:.3f}", f"{sights[0].precision:.3f}"] if sights else ["", ""]
    return [
        name,
        engine,
        f"{sights[0].tasks} on {sights[0].workers}" if sights else tasks,
        *seen,
        median(plain.cpu_s for plain, _ in costs),
        ratio(observed.cpu_s / plain.cpu_s for plain, observed in costs),
        ratio(observed.wall_s / plain.wall_s for plain, observed in costs),
        median((observed.trace_bytes / 1000 for _, observed in costs), 0),
        median(observed.home_s for _, observed in costs),
        median(observed.after_s for _, observed in costs),
    ]


HEAD = [
    "use case", "engine", "tasks on workers", "recall", "precision", "plain CPU, s",
    "CPU ratio", "wall ratio", "trace, kB", "home, s", "ingest, s",
]  # fmt: skip


def print_table(rows: list[list[str]], markdown: bool) -> None:
    if markdown:
        print("| " + " | ".join(HEAD) + " |\n|" + "---|" * len(HEAD))
        for row in rows:
            print("| " + " | ".join(row) + " |")
        return
    widths = [max(map(len, column)) for column in zip(HEAD, *rows, strict=True)]
    for row in [HEAD, *rows]:
        print(
            "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip()
        )


def run_cases(engines: list[str], cases: list[str], rounds: int) -> Iterator[list[str]]:
    """Yield a row for each use case and engine."""
    for engine in engines:
        lack = vine_hosts.lack() if engine == "taskvine" else ""
        if lack:
            print(f"{engine}: {lack}", file=sys.stderr)
            continue
        for case in cases:
            with tempfile.TemporaryDirectory() as base:
                run = run_dask if engine == "dask" else run_taskvine
                costs, sights = run(case, rounds, Path(base))
            row = line(case, engine, costs, sights, "")
            print(*row, file=sys.stderr)
            for touch in sights[0].wrong:
                print(case, *touch, file=sys.stderr)
            yield row


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--engine", choices=ENGINES, action="append")
    parser.add_argument("--case", choices=use_cases.CASES, action="append")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=0, help="so many tasks that import numpy")
    parser.add_argument("--markdown", action="store_true")
    given = parser.parse_args()
    if given.tasks:
        with tempfile.TemporaryDirectory() as base:
            costs = run_numpy(given.tasks, given.rounds, Path(base))
        rows = [line("import numpy", "taskvine", costs, [], f"{given.tasks} on 3")]
    else:
        cases = given.case or list(use_cases.CASES)
        rows = list(run_cases(given.engine or list(ENGINES), cases, given.rounds))
    print_table(rows, given.markdown)


if __name__ == "__main__":
    main()
