"""Per-worker sets of the use cases, built into an empty root where one of the tasks runs again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbrepro
from nbrepro.dependencies import DependencySet, Need
from nbrepro.dependencies.closure import Closure
from nbrepro.dependencies.facts import Facts
from nbrepro.dependencies.places import find_places
from nbrepro.packaging.root import fill_root
from nbrepro.rows import TaskRow
from nbrepro.runs import Run

LIMIT_S = 900

FUNCTIONS: dict[str, tuple[str, Callable[[list[str]], str]]] = {
    "trends": ("analyse_to_file", lambda files: repr((files[0],))),
    "convolution": ("convolve", lambda files: repr((tile_of(files),))),
    "dimuon": ("fill", lambda files: repr((files[0], "sample", 0, 8))),
}
"""The function of each use case that runs again, and its arguments from the files it read."""


def tile_of(files: Iterable[str]) -> str:
    return next(Path(file).name for file in files if "tiles" in file)


@dataclass(frozen=True)
class Proof:
    """What became of a task in the root of its worker's set."""

    members: DependencySet
    bytes: int
    expected: str
    whole: str
    again: str
    without: dict[str, str]

    @property
    def idle(self) -> list[str]:
        """List the packages without which the task runs all the same."""
        return [name for name, said in self.without.items() if said == self.whole]


def prove(folder: Path, case: str, root: Path, ablate: Iterable[str] | None = None) -> Proof:
    """Build the exact set of a worker of the last run in `folder` into `root`, and run its task.

    Then run it without each of the packages named by `ablate`, or without each of all.
    """
    with nbrepro.open(folder) as provenance:
        run = provenance.run()
        task = task_of(run, FUNCTIONS[case][0])
        members = run.dependencies(worker=task.worker, closure=True).exact()
        source = recover(run, task)
        inputs = [row.path for row in run.data(task=task.task, mode="read", role="data")]
        for row in run.data(task=task.task, mode="write", role="all"):
            # The notebook may have tidied up since.
            Path(row.path).parent.mkdir(parents=True, exist_ok=True)
    places = find_places(members)
    assert not places.missing, places.missing
    root.mkdir()
    filled = fill_root(root, places.all())
    packages = {member.name: places.paths["package", member.name]
                for member in members.of(Need.PACKAGE)}  # fmt: skip
    chosen = packages if ablate is None else {name: packages[name] for name in ablate}
    spec = {
        "root": str(root), "python": sys.executable, "cwd": str(folder),
        "binds": [str(folder / "results")], "source": source, "function": FUNCTIONS[case][0],
        "arguments": FUNCTIONS[case][1](inputs),
        "packages": {name: in_root(root, files) for name, files in chosen.items()},
    }  # fmt: skip
    for bind in spec["binds"]:
        (root / bind.lstrip("/")).mkdir(parents=True, exist_ok=True)
    answer = start(spec)
    return Proof(members, filled.size_bytes, f"gave {answer['expected']}", answer["whole"],
                 answer["again"], answer["without"])  # fmt: skip


def task_of(run: Run, function: str) -> TaskRow:
    """Choose the first task of a function."""
    return next(row for row in run.tasks() if row.function == function)


def recover(run: Run, task: TaskRow) -> str:
    """Give the code that binds a task's function, as its worker was sent it."""
    facts = Facts(run._ask, run.row.host, run.row.notebook)
    needed = Closure(facts, {}).sent_to_tasks(task.execution, task.function)
    sources = (one.part(facts.executions[one.execution].source).source for one in needed)
    return "\n".join(sources)


def in_root(root: Path, files: Iterable[str]) -> list[str]:
    return [file for file in files if Path(f"{root}{file}").is_file()]


def start(spec: dict[str, Any]) -> dict[str, Any]:
    program = Path(__file__).with_name("worker_in_root.py")
    done = subprocess.run(
        [sys.executable, program], input=json.dumps(spec), capture_output=True, text=True,
        timeout=LIMIT_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
