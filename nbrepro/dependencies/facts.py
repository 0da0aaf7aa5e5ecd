"""What a run's graph holds that dependencies follow from, asked for once and indexed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import NamedTuple

from nbrepro.model import Table
from nbrepro.rows import Rows, TaskRow, WorkerRow, from_table


class Step(NamedTuple):
    """What used and made things: an execution, a task of it, or (0, "", worker) itself.

    The kernel itself is all empty. A task is known by its name alone.
    """

    execution: int = 0
    task: str = ""
    worker: str = ""

    @property
    def words(self) -> str:
        """Name it for people, all but the number of its cell."""
        if self.task:
            return f"task {self.task}"
        if self.worker:
            return f"worker {self.worker} itself"
        return f"execution {self.execution}" if self.execution else "the kernel itself"


KERNEL = Step()


class Execution(NamedTuple):
    """One execution of a cell, with the code that ran."""

    execution: int
    cell: int
    cell_id: str | None
    status: str | None
    source: str | None


class SoftwareMember(NamedTuple):
    """A file of a footprint; `package` is a key of `Facts.packages`, None where nobody owns it."""

    path: str
    role: str
    rule: str
    package: str | None


class FileUse(NamedTuple):
    """A version of a file that a step took in (`mode` is `used`) or made (`generated`)."""

    mode: str
    path: str
    version: str
    sha256: str | None
    role: str


class PackageRecord(NamedTuple):
    """An installed package; `package` is its IRI in the graph."""

    package: str
    name: str
    version: str
    manager: str
    purl: str
    digest: str | None
    source: str | None


class Endpoint(NamedTuple):
    """A network address that a step connected to."""

    step: Step
    address: str
    port: int | None


class Setting(NamedTuple):
    """A variable of the environment that a step read, its value where that is known."""

    step: Step
    name: str
    state: str
    value: str | None


class Facts:
    """The facts of one run; `ask` answers a named question about it."""

    def __init__(self, ask: Callable[..., Table], host: str | None, notebook: str) -> None:
        self._ask = ask
        self.host = host or ""
        self.notebook = notebook

    @cached_property
    def executions(self) -> dict[int, Execution]:
        """Give the executions by number, in order."""
        rows = (Execution(*row) for row in self._ask("executions-of-run").rows)  # type: ignore[arg-type]
        return {row.execution: row for row in rows}

    @cached_property
    def tasks(self) -> Rows[TaskRow]:
        """List the attempts at tasks."""
        return from_table(TaskRow, self._ask("tasks-of-run"))

    @cached_property
    def workers(self) -> Rows[WorkerRow]:
        """List the workers."""
        return from_table(WorkerRow, self._ask("workers-of-run"))

    @cached_property
    def packages(self) -> dict[str, PackageRecord]:
        """Give the packages by their IRIs."""
        rows = (PackageRecord(*row) for row in self._ask("package-records").rows)  # type: ignore[arg-type]
        return {row.package: row for row in rows}

    @cached_property
    def edges(self) -> dict[Step, list[FileUse]]:
        """Give which versions of files each step took in and made."""
        found: dict[Step, list[FileUse]] = defaultdict(list)
        for execution, task, worker, *use in self._ask("files-of-steps").rows:
            found[step_of(execution, task, worker)].append(FileUse(*use))  # type: ignore[arg-type]
        return dict(found)

    @cached_property
    def makers(self) -> dict[str, Step]:
        """Give who made each version of a file."""
        return {
            edge.version: step
            for step, edges in self.edges.items()
            for edge in edges
            if edge.mode == "generated"
        }

    @cached_property
    def _footprints(self) -> dict[Step, list[str]]:
        found: dict[Step, list[str]] = defaultdict(list)
        for row in self._ask("footprints-of-run").records():
            step = step_of(row["execution"], row["task"], row["worker"])
            if row["footprint"] not in found[step]:
                found[step].append(str(row["footprint"]))
        return dict(found)

    @cached_property
    def _members(self) -> dict[str, list[SoftwareMember]]:
        found: dict[str, list[SoftwareMember]] = defaultdict(list)
        for footprint, *member in self._ask("members-of-footprints").rows:
            found[str(footprint)].append(SoftwareMember(*member))  # type: ignore[arg-type]
        return dict(found)

    def software(self, step: Step) -> Iterator[SoftwareMember]:
        """Yield the software that a step opened."""
        for footprint in self._footprints.get(step, ()):
            yield from self._members.get(footprint, ())

    @cached_property
    def endpoints(self) -> list[Endpoint]:
        """List the addresses that steps connected to."""
        return [
            Endpoint(step_of(r["execution"], r["task"], r["worker"]), str(r["address"]), r["port"])  # type: ignore[arg-type]
            for r in self._ask("network-endpoints").records()
        ]

    @cached_property
    def settings(self) -> list[Setting]:
        """List the variables of the environment that steps read, not those that were unset."""
        return [
            Setting(step_of(execution, None, None), str(name), str(state), value)  # type: ignore[arg-type]
            for execution, _, name, state, value in self._ask("settings-of-run").rows
            if state != "unset"
        ]

    @cached_property
    def steps(self) -> list[Step]:
        """List every step that used or made anything, or ran."""
        found = dict.fromkeys([KERNEL, *map(Step, self.executions), *self.edges, *self._footprints])
        found |= dict.fromkeys(Step(t.execution or 0, t.task) for t in self.tasks)
        return list(found)

    def tasks_of(self, executions: Iterable[int]) -> list[Step]:
        """List the tasks that these executions submitted."""
        return [step for number in executions for step in self._tasks_by_execution.get(number, ())]

    @cached_property
    def _tasks_by_execution(self) -> dict[int, list[Step]]:
        found: dict[int, list[Step]] = defaultdict(list)
        for step in self.steps:
            if step.task:
                found[step.execution].append(step)
        return dict(found)

    def footprints_of(self, steps: Iterable[Step]) -> frozenset[str]:
        """Give the footprints of steps: equal ones have opened the same software."""
        return frozenset(f for step in steps for f in self._footprints.get(step, ()))

    @cached_property
    def _task_rows(self) -> dict[str, TaskRow]:
        return {row.task: row for row in self.tasks}

    def tasks_on(self, worker: str) -> list[Step]:
        """List the tasks that ran on a worker."""
        return self._tasks_by_worker.get(worker, [])

    @cached_property
    def _tasks_by_worker(self) -> dict[str, list[Step]]:
        found: dict[str, list[Step]] = defaultdict(list)
        for step in self.steps:
            row = self._task_rows.get(step.task) if step.task else None
            if row is not None:
                found[row.worker or ""].append(step)
        return dict(found)

    def words(self, step: Step) -> str:
        """Name a step for people, by its cell."""
        execution = self.executions.get(step.execution)
        if execution is None:
            return step.words
        cell = f"cell {execution.cell}"
        return f"{step.words} of {cell}" if step.task else cell


def step_of(execution: object, task: object, worker: object) -> Step:
    """Make a step from an answer's columns."""
    number = int(execution) if isinstance(execution, int) else 0
    if task:
        return Step(number, str(task))
    return Step(number) if number else Step(0, "", str(worker or ""))
