"""Whose dependencies are asked for: a notebook, cell, task, function, worker or host."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nbrepro.dependencies.facts import KERNEL, Facts, Step
from nbrepro.errors import NotFoundError, UsageError
from nbrepro.references import choose_name, nearest


@dataclass(frozen=True, slots=True)
class Scope:
    """The steps that are asked about. `kind` is `notebook`, `cell`, `task`, ...; `name` which."""

    kind: str
    name: str
    steps: tuple[Step, ...]

    @property
    def title(self) -> str:
        """Name the scope for people."""
        return f"{self.kind} {self.name}".strip()

    @property
    def executions(self) -> list[int]:
        """List the executions that are asked about, not those of tasks alone."""
        return sorted({s.execution for s in self.steps if s.execution and not s.task})


def choose_scope(
    facts: Facts,
    cell: int | None = None,
    task: str | None = None,
    function: str | None = None,
    worker: str | None = None,
    host: str | None = None,
) -> Scope:
    """Choose the steps of what is named; of nothing named, those of the notebook.

    Names are those that the graph has. Raises UsageError where several are named.
    """
    given = {
        name: value
        for name, value in (("cell", cell), ("task", task), ("function", function),
                            ("worker", worker), ("host", host))
        if value is not None
    }  # fmt: skip
    if len(given) > 1:
        raise UsageError(f"give one of {', '.join('--' + name for name in given)}")
    if cell is not None:
        executions = [e.execution for e in facts.executions.values() if e.cell == cell]
        return Scope("cell", str(cell), (*map(Step, executions), *facts.tasks_of(executions)))
    if task is not None:
        return Scope("task", task, _tasks(facts, [r.task for r in facts.tasks if r.task == task]))
    if function is not None:
        return _of_function(facts, function)
    if worker is not None:
        return Scope("worker", worker, _on_workers(facts, [worker]))
    return _of_host(facts, host) if host is not None else Scope("notebook", "", tuple(facts.steps))


def _tasks(facts: Facts, names: Iterable[str]) -> tuple[Step, ...]:
    wanted = set(names)
    return tuple(step for step in facts.steps if step.task in wanted)


def _of_function(facts: Facts, function: str) -> Scope:
    known = {row.function for row in facts.tasks if row.function}
    by_end = {name.rpartition(".")[2]: name for name in known}
    chosen = by_end.get(function) or choose_name("function", known, function)
    if chosen not in known:
        near = ", ".join(nearest(function, known)) or "none"
        raise NotFoundError(f"no task ran a function {function!r}; there are {near}")
    names = [row.task for row in facts.tasks if row.function == chosen]
    return Scope("function", chosen, _tasks(facts, names))


def _on_workers(facts: Facts, workers: Iterable[str]) -> tuple[Step, ...]:
    wanted = set(workers)
    own = [Step(0, "", worker) for worker in sorted(wanted)]
    tasks = [row.task for row in facts.tasks if row.worker in wanted]
    return (*own, *_tasks(facts, tasks))


def _of_host(facts: Facts, host: str) -> Scope:
    workers = [row.worker for row in facts.workers if row.host == host]
    steps = _on_workers(facts, workers)
    if host == facts.host:
        steps = (KERNEL, *map(Step, facts.executions), *steps)
    return Scope("host", host, steps)
