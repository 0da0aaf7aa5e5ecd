"""Scenarios: notebooks that send work to TaskVine's workers, and whose tasks tell what they did.

A scenario is `notebooks/NAME.py`, in the percent format of the corpus, its first cell being
`notebooks/_prelude.py`. For each task it prints the task's own truth, as JSON after `@task`:

    number, kind, cell   as the manager knows it; `cell` is the execution that submitted it
    host, sandbox        where it says it ran: hostname and working directory
    reads, writes        [path on the worker, path on the manager or null], the first absolute
    undeclared, unused   paths read though never declared, and declared though never read

`@library {"cell": ..., "name": ...}` names a library, `@cell {...}` what a cell says of itself.
"""

from __future__ import annotations

import collections
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import corpus
import nbformat
from hosts import Host, Hosts, Program
from nbformat import NotebookNode

NOTEBOOKS = Path(__file__).parent / "notebooks"
FOLDER = "/work"
PORT = 9123
PLAIN = ("jupyter", "execute")
OBSERVED = ("nbrepro", "run", "--no-progress")
WORKER = ("vine_worker",)
OBSERVED_WORKER = ("nbrepro", "worker", "--", "vine_worker")
WORKER_OPTIONS = (
    "--cores=1", "--memory=1000", "--disk=2000", "--idle-timeout=300", "--connect-timeout=120",
    "--max-backoff=1",
)  # fmt: skip


@dataclass(frozen=True)
class Play:
    """A scenario that was executed: its notebook with outputs, and what its tasks told."""

    notebook: NotebookNode
    tasks: tuple[dict[str, Any], ...]

    def task_hosts(self) -> dict[str, int]:
        """Count the tasks by the host that they say they ran on."""
        names = [task["host"] for task in self.tasks]
        return {name: names.count(name) for name in sorted(set(names))}


def scenario_names() -> list[str]:
    """List the scenarios in order of name."""
    return sorted(path.stem for path in NOTEBOOKS.glob("[!_]*.py"))


def load_scenario(*names: str) -> corpus.Case:
    """Load a scenario with the prelude as its first cell; of several, one after another."""
    cases = [corpus.load_case(str(NOTEBOOKS / name)) for name in names]
    prelude = (NOTEBOOKS / "_prelude.py").read_text().strip()
    cells = [cell for case in cases for cell in case.cells]
    return replace(cases[0], name=names[0], cells=(("code", prelude), *cells))


def start_workers(
    hosts: Hosts, command: Sequence[str] = WORKER, *, user: str = "root", port: int = PORT
) -> list[Program]:
    """Start one worker of one core on each host; they wait for the manager."""
    cwd = FOLDER if user == "root" else f"/home/{user}"
    words = [*command, *WORKER_OPTIONS, hosts.manager.name, str(port)]
    return [host.start(words, user=user, cwd=cwd) for host in hosts.workers]


def start_notebook(manager: Host, case: corpus.Case, command: Sequence[str] = PLAIN) -> Program:
    """Start a scenario's notebook on the manager's host."""
    path = f"{FOLDER}/{case.name}.ipynb"
    manager.put(path, nbformat.writes(corpus.to_notebook(case)))
    saved = ["--output", f"{FOLDER}/executed.ipynb"] if tuple(command) == PLAIN else []
    return manager.start([*command, path, *saved])


def finish(hosts: Hosts, program: Program, timeout_s: float) -> Play:
    """Wait for a notebook that was started; AssertionError with all outputs where it failed."""
    code = program.wait(timeout_s)
    assert code == 0, f"{program.words} exited {code}: {program.output}{_worker_outputs(hosts)}"
    manager = hosts.manager
    runs = sorted(manager.path_inside(f"{FOLDER}/.nbrepro/runs").glob("*/executed.ipynb"))
    executed = runs[-1] if runs else manager.path_inside(f"{FOLDER}/executed.ipynb")
    notebook = nbformat.read(executed, as_version=4)
    return Play(notebook, tuple(told(notebook, "@task")))


def _worker_outputs(hosts: Hosts) -> str:
    programs = [program for host in hosts.workers for program in host.programs]
    return "".join(f"\n{each.host}: {each.output[-500:]}" for each in programs)


def play(
    hosts: Hosts, names: str | Sequence[str], command: Sequence[str] = PLAIN, timeout_s: float = 240
) -> Play:
    """Execute a scenario, or several in one notebook, whose workers were started."""
    case = load_scenario(*([names] if isinstance(names, str) else names))
    return finish(hosts, start_notebook(hosts.manager, case, command), timeout_s)


def told(notebook: NotebookNode, word: str) -> list[dict[str, Any]]:
    """Collect what the cells printed after `word`."""
    texts = [
        output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", ())
    ]
    lines = "".join(texts).splitlines()
    return [json.loads(line[len(word) :]) for line in lines if line.startswith(f"{word} ")]


def check_truths(play: Play, kinds: dict[str, int]) -> None:
    """Check that each task told its truth once, from a worker, and from the sandbox of its kind."""
    assert collections.Counter(task["kind"] for task in play.tasks) == kinds
    assert len({task["number"] for task in play.tasks}) == len(play.tasks)
    for task in play.tasks:
        assert task["host"] in {"w1", "w2", "w3"}
        stem = "func" if task["kind"] == "FunctionCall" else "task"
        assert task["sandbox"].endswith(f"/{stem}.{task['number']}")


def check_outputs(play: Play, hosts: Hosts) -> None:
    """Check that all outputs that came home, and only inputs besides, are the manager's writes."""
    told = {outside for task in play.tasks for _, outside in task["writes"] if outside}
    written = {path for path, kind in hosts.manager.written().items() if kind == "file"}
    assert {path for path in written if path.startswith("/work/results/")} == told
    inputs = {outside for task in play.tasks for _, outside in task["reads"] if outside}
    assert inputs <= written
