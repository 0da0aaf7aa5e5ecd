"""Answers about the tasks and workers that a run had on a distributed engine."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property

from nbrepro.model import Table
from nbrepro.references import choose_name
from nbrepro.rows import (
    DriftRow,
    InputRow,
    Rows,
    TaskRow,
    UnobservedRow,
    WorkerRow,
    from_any_table,
    from_table,
)

UNDECLARED, UNUSED = "undeclared", "unused"
"""What a task's declaration can be wrong about."""


class Distribution:
    """The tasks and workers of one run; `ask` answers a named question about that run."""

    def __init__(self, ask: Callable[..., Table], host: str | None) -> None:
        self._ask = ask
        self._host = host

    def tasks(self, cell: int | None = None) -> Rows[TaskRow]:
        """List the attempts at tasks, of all cells or of the cell at a position."""
        if cell is None:
            return self._tasks
        return _noted(from_table(TaskRow, self._ask("tasks-of-cell", cell=cell)))

    @cached_property
    def _tasks(self) -> Rows[TaskRow]:
        return _noted(from_table(TaskRow, self._ask("tasks-of-run")))

    @cached_property
    def workers(self) -> Rows[WorkerRow]:
        """List the workers, also those of which no evidence came home."""
        rows = from_table(WorkerRow, self._ask("workers-of-run"))
        blind = sum(row.status == "unobserved" or row.tracer == "none" for row in rows)
        notes = _blind(blind, "worker", "not observed: what was touched there is not known")
        return Rows(WorkerRow, rows, notes)

    @cached_property
    def hosts(self) -> list[str]:
        """List the names of the hosts, the manager's first."""
        names = [self._host, *(row.host for row in self.workers), *(t.host for t in self._tasks)]
        return list(dict.fromkeys(name for name in names if name))

    def unobserved(self) -> Rows[UnobservedRow]:
        """List the workers and tasks that no trace covers, and why."""
        return from_table(UnobservedRow, self._ask("unobserved"))

    def drift(self) -> Rows[DriftRow]:
        """List what is not the same everywhere, every value with where it was met."""
        found = from_table(DriftRow, self._ask("drift-between-workers"))
        rows = Rows(DriftRow, (row for group in _by_subject(found) for row in _differing(group)))
        blind = sum(row.status == "unobserved" or row.tracer == "none" for row in self.workers)
        return Rows(DriftRow, rows, _blind(blind, "worker", "not observed, and so not compared"))

    def undeclared(self, cell: int | None = None) -> Rows[InputRow]:
        """List the inputs that tasks took undeclared, and those declared that they never used."""
        found = [*self._undeclared(), *self._unused()]
        rows = [row for row in found if cell is None or row.cell == cell]
        rows.sort(key=lambda row: (row.cell or 0, row.task, row.finding, row.path))
        blind = sum(row.observed is False for row in self.tasks(cell))
        return Rows(InputRow, rows, _blind(blind, "task", "not observed, and so not checked"))

    def _undeclared(self) -> Iterator[InputRow]:
        seen = set()
        for record in self._ask("undeclared-inputs").records():
            row = InputRow(UNDECLARED, **record)  # type: ignore[arg-type]
            if row not in seen:
                seen.add(row)
                yield row

    def _unused(self) -> Iterator[InputRow]:
        for row in from_any_table(self._ask("unused-inputs")):
            for path in json.loads(row.paths):
                yield InputRow(UNUSED, row.task, row.function, row.cell, row.worker, row.host, path)

    def find_task(self, reference: str) -> TaskRow:
        """Find an attempt by its id or a unique prefix; the id means the first attempt."""
        by_id = {row.task: row for row in self._tasks}
        return by_id[choose_name("task", by_id, reference)]

    def find_worker(self, reference: str) -> str:
        """Find a worker by its id, its address, or a unique prefix of its id; give the id."""
        by_address = {row.address: row.worker for row in self.workers if row.address}
        if reference in by_address:
            return by_address[reference]
        return choose_name("worker", (row.worker for row in self.workers), reference)

    def find_host(self, reference: str) -> str:
        """Find a host by its name or a unique prefix of it."""
        return choose_name("host", self.hosts, reference)


def _by_subject(rows: Iterable[DriftRow]) -> Iterable[list[DriftRow]]:
    groups: dict[tuple[str, str], list[DriftRow]] = defaultdict(list)
    for row in rows:
        groups[row.kind, row.subject].append(row)
    return groups.values()


def _differing(rows: list[DriftRow]) -> list[DriftRow]:
    """Keep the rows of a subject unless every place met the same values."""
    values: dict[tuple[str | None, str | None], set[str]] = defaultdict(set)
    for row in rows:
        values[row.host, row.worker].add(row.value)
    return rows if len({frozenset(found) for found in values.values()}) > 1 else []


def _noted(rows: Rows[TaskRow]) -> Rows[TaskRow]:
    blind = sum(row.observed is False for row in rows)
    return Rows(TaskRow, rows, _blind(blind, "task", "not observed: see nbrepro workers"))


def _blind(number: int, noun: str, what: str) -> list[str]:
    if not number:
        return []
    return [f"1 {noun} was {what}" if number == 1 else f"{number} {noun}s were {what}"]
