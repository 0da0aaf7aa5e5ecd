"""What observing the distributed use cases costs, and how well it sees what their tasks touched.

    python tests/benchmarks/distributed.py [--engine dask] [--case trends] [--rounds 3] [--markdown]

Each notebook (notebooks/CASE-ENGINE.ipynb, five workers) runs plain and under `nbrepro run`, in
turns; ratios are within a round. CPU is user and system time of every process that existed,
workers and tracers among them: this program is the subreaper of what it starts. Trace bytes are
those in the run directory, compressed, with what workers sent home. *after* is the time from the
notebook's end to the command's end: bringing home what workers know, and ingesting it. Recall and
precision are of (cell, mode, path) of tasks, against what the notebooks' sources say.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import use_cases
from overhead import PLAIN, adopt_orphans, read_times, reaped

# The module distributed would be this file.
ENGINES = {"dask": "dask", "taskvine": "ndcctools"}
LIMIT_S = 600


@dataclass(frozen=True)
class Cost:
    """Seconds of a command and bytes of its trace; `after` is what followed the notebook's end."""

    wall: float
    cpu: float
    after: float = 0.0
    trace_bytes: int = 0


def measure(command: list[str], folder: Path) -> tuple[float, float, int]:
    """Run a command in `folder`; give wall and CPU seconds, and the time of its end, ns.

    The processes that it leaves behind are waited for, and counted.
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
    return wall, cpu, ended_ns


def run_plain(notebook: str, folder: Path) -> Cost:
    wall, cpu, _ = measure([sys.executable, "-c", PLAIN, notebook, "python3"], folder)
    return Cost(wall, cpu)


def run_observed(notebook: str, folder: Path) -> Cost:
    shutil.rmtree(folder / ".nbrepro", ignore_errors=True)
    command = [sys.executable, "-m", "nbrepro", "run", notebook, "--no-progress"]
    wall, cpu, ended_ns = measure(command, folder)
    _, after = read_times(folder, ended_ns)
    traces = folder.glob(".nbrepro/runs/*/**/*.strace*")
    return Cost(wall, cpu, after, sum(path.stat().st_size for path in traces))


def compare(
    case: str, engine: str, rounds: int, base: Path
) -> tuple[list[tuple[Cost, Cost]], use_cases.Sight]:
    """Run a use case plain and observed, in turns; the first round warms up unseen."""
    folder = use_cases.copy_notebooks(base)
    notebook, costs = f"{case}-{engine}.ipynb", []
    for number in range(rounds + 1):
        plain, observed = run_plain(notebook, folder), run_observed(notebook, folder)
        if number:
            costs.append((plain, observed))
    return costs, use_cases.look(case, engine, use_cases.here(folder))


def ratio(values: Iterable[float]) -> str:
    """Give the median, and the range where there are several."""
    found = sorted(values)
    range_of_all = f" ({found[0]:.2f}-{found[-1]:.2f})" if len(found) > 1 else ""
    return f"{statistics.median(found):.2f}{range_of_all}"


def line(
    case: str, engine: str, costs: list[tuple[Cost, Cost]], sight: use_cases.Sight
) -> list[str]:
    return [
        case,
        engine,
        f"{sight.tasks} on {sight.workers}",
        f"{sight.recall:.3f}",
        f"{sight.precision:.3f}",
        f"{statistics.median(plain.cpu for plain, _ in costs):.1f}",
        ratio(observed.cpu / plain.cpu for plain, observed in costs),
        ratio(observed.wall / plain.wall for plain, observed in costs),
        f"{statistics.median(observed.trace_bytes for _, observed in costs) / 1000:.0f}",
        f"{statistics.median(observed.after for _, observed in costs):.1f}",
    ]


HEAD = [
    "use case", "engine", "tasks on workers", "recall", "precision", "plain CPU, s",
    "CPU ratio", "wall ratio", "trace, kB", "after, s",
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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--engine", choices=sorted(ENGINES), action="append")
    parser.add_argument("--case", choices=use_cases.CASES, action="append")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--problems", action="store_true", help="name each miss and invention")
    arguments = parser.parse_args()
    adopt_orphans()
    rows = []
    for engine in arguments.engine or sorted(ENGINES):
        if importlib.util.find_spec(ENGINES[engine]) is None:
            print(f"{engine}: {ENGINES[engine]} is not installed here", file=sys.stderr)
            continue
        for case in arguments.case or use_cases.CASES:
            with tempfile.TemporaryDirectory() as base, contextlib.chdir("/"):
                costs, sight = compare(case, engine, arguments.rounds, Path(base))
                rows.append(line(case, engine, costs, sight))
            if arguments.problems:
                for touch in sight.wrong:
                    print(case, *touch, file=sys.stderr)
    print_table(rows, arguments.markdown)


if __name__ == "__main__":
    main()
