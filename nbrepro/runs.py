"""One recorded run: its cells, what they touched, and where its files came from."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from nbrepro.distributed import Distribution
from nbrepro.errors import NotFoundError
from nbrepro.lineage import Flow, Tree
from nbrepro.model import SOFTWARE_ROLES, RunId, Statement, Table
from nbrepro.references import (
    check_execution,
    choose_cell,
    choose_modes,
    choose_path,
    choose_roles,
)
from nbrepro.rows import (
    CellRow,
    DataRow,
    DriftRow,
    EdgeRow,
    InputRow,
    OwnerRow,
    PackageRow,
    Rows,
    RunRow,
    SoftwareRow,
    TaskRow,
    UnobservedRow,
    WorkerRow,
    from_table,
    software_touch,
)

if TYPE_CHECKING:
    import networkx
    from prov.model import ProvDocument

    from nbrepro.answers import Provenance
    from nbrepro.compare import Comparison
    from nbrepro.dependencies import DependencySet
    from nbrepro.queries import Question
    from nbrepro.rundir import NamesView
    from nbrepro.validity import Report

OWNERS = ("task", "worker", "host")
"""What else than a cell an answer may be about."""

_BLIND = {
    "audit": "tracer audit: what C libraries opened and what child processes did is not seen",
}


class Run:
    """One recorded run and what it touched."""

    def __init__(self, provenance: Provenance, row: RunRow) -> None:
        self.provenance = provenance
        self.row = row

    def __repr__(self) -> str:
        return f"Run({self.id!r})"

    @property
    def id(self) -> str:
        """Give the run's id."""
        return self.row.run

    def cells(self) -> Rows[CellRow]:
        """List the executions of cells, in order."""
        return self._cells

    @cached_property
    def _cells(self) -> Rows[CellRow]:
        return from_table(CellRow, self._ask("cells-of-run"))

    @cached_property
    def _executions(self) -> Rows[CellRow]:
        # Enough to know which cells there are, and far cheaper than counting what they touched.
        return from_table(CellRow, self._ask("slowest-cells"))

    def cell(self, reference: int | str) -> Cell:
        """Find a cell by its number among code cells (from 1) or by its id."""
        return Cell(self, choose_cell(self._executions, reference))

    def tasks(self, cell: int | str | None = None) -> Rows[TaskRow]:
        """List the attempts at tasks that the run, or one cell, sent to a distributed engine."""
        return self.distribution.tasks(self._position(cell))

    def task(self, reference: str) -> TaskRow:
        """Find an attempt at a task by its id or a unique prefix."""
        return self.distribution.find_task(reference)

    def workers(self) -> Rows[WorkerRow]:
        """List the workers of distributed engines, also those that were not observed."""
        return self.distribution.workers

    def drift(self) -> Rows[DriftRow]:
        """List which files, packages and interpreters differ between the workers and hosts."""
        return self.distribution.drift()

    def undeclared(self, cell: int | str | None = None) -> Rows[InputRow]:
        """List the inputs that tasks took undeclared, and those declared that they never used."""
        return self.distribution.undeclared(self._position(cell))

    def unobserved(self) -> Rows[UnobservedRow]:
        """List the workers and tasks that no trace covers, and why."""
        return self.distribution.unobserved()

    def data(
        self,
        cell: int | str | None = None,
        *,
        execution: int | None = None,
        role: str | Collection[str] | None = None,
        mode: str | None = None,
        task: str | None = None,
        worker: str | None = None,
        host: str | None = None,
    ) -> Rows[DataRow]:
        """List what was done to files, by default to those that a person calls data.

        A cell's rows include those of its tasks. `role` is a role, several, or `all`; `mode` a
        mode, where `read` and `write` include `read-write`; `execution` the number of an execution
        in the run; `task`, `worker` and `host` an id or a unique prefix of it.
        """
        position = self._position(cell)
        if execution is not None:
            check_execution(self._executions, execution, position)
        owner = self.resolve_owner(task, worker, host)
        roles, modes = choose_roles(role), choose_modes(mode)
        rows = self._touches(position, execution, owner)
        if roles is None or roles & set(SOFTWARE_ROLES):
            rows = rows + self._software_rows(position, execution)
        asked = [
            row
            for row in rows
            if (modes is None or row.mode in modes)
            and position in (None, row.cell)
            and execution in (None, row.execution)
            and all(getattr(row, name) == value for name, value in owner.items())
        ]
        shown = [row for row in asked if roles is None or row.role in roles]
        return Rows(DataRow, shown, self._notes(asked, shown))

    def _touches(
        self, cell: int | None, execution: int | None, owner: Mapping[str, str]
    ) -> list[DataRow]:
        # A task's or a worker's own question reads much less than that of a whole run.
        for name in ("task", "worker"):
            if name in owner:
                return from_table(DataRow, self._ask(f"data-of-{name}", **{name: owner[name]}))
        return from_table(DataRow, self._ask("data-of-cell", cell=cell, execution=execution))

    def packages(
        self,
        cell: int | str | None = None,
        *,
        task: str | None = None,
        worker: str | None = None,
        host: str | None = None,
    ) -> Rows[PackageRow]:
        """List the distributions whose files were touched, by the run or by one cell.

        Or by one task, worker or host, each given by its id or a unique prefix of it.
        """
        position = self._position(cell)
        owner = self.resolve_owner(task, worker, host)
        table = self._ask("packages-of-cell", cell=position, **owner)
        rows = from_table(PackageRow, table)
        files = self._unresolved(position, owner)
        notes = [
            f"{_count(len(files), 'file')} of no known package: nbrepro data --role unresolved"
        ]
        return Rows(PackageRow, rows, [*(notes if files else []), *self._blind()])

    def _unresolved(self, cell: int | None, owner: Mapping[str, str]) -> set[str]:
        rows = from_table(SoftwareRow, self._ask("unresolved-files", **owner))
        return {row.path for row in rows if cell in (None, row.cell)}

    def resolve_owner(
        self, task: str | None = None, worker: str | None = None, host: str | None = None
    ) -> dict[str, str]:
        """Turn what people call a task, a worker or a host into its id. Raises NotFoundError."""
        found = {}
        if task is not None:
            found["task"] = self.task(task).task
        if worker is not None:
            found["worker"] = self.distribution.find_worker(worker)
        if host is not None:
            found["host"] = self.distribution.find_host(host)
        return found

    def _position(self, cell: int | str | None) -> int | None:
        return None if cell is None else self.cell(cell).position

    @cached_property
    def distribution(self) -> Distribution:
        """Give the tasks and workers of the run."""
        return Distribution(self._ask, self.row.host)

    def why(self, path: str | os.PathLike[str]) -> Why:
        """Say for one file which rule gave its role, who owns it, and every access."""
        file = self.find_path(path)
        touches = from_table(DataRow, self._ask("data-of-cell"))
        owners = from_table(OwnerRow, self._ask("package-of-file", file=file))
        software = [row for row in self._software if row.path == file]
        return Why(
            file,
            Rows(DataRow, (row for row in touches if file in (row.path, row.target))),
            Rows(SoftwareRow, software),
            owners,
        )

    def lineage(self, path: str | os.PathLike[str]) -> Tree:
        """Build the tree of the cells and inputs behind a file."""
        file = self._known(self._flow.paths, path)
        return Tree(self._flow.behind(file), "generated_by", "used")

    def impact(self, path: str | os.PathLike[str]) -> Tree:
        """Build the tree of the cells and files that depend on a file."""
        file = self._known(self._flow.paths, path)
        return Tree(self._flow.after(file), "used_by", "generated")

    def dependencies(
        self,
        cell: int | str | None = None,
        *,
        task: str | None = None,
        function: str | None = None,
        worker: str | None = None,
        host: str | None = None,
        closure: bool = False,
    ) -> DependencySet:
        """Give what a cell, task, function, worker or host needs; of none named, the whole run.

        Without `closure` what it opened itself, with the tasks it submitted; with it the least
        that re-creates its result. Names are ids or unique prefixes of them.
        """
        from nbrepro.dependencies import ask_dependencies

        owner = self.resolve_owner(task, worker, host)
        scope = {"cell": self._position(cell), "function": function, **owner}
        return ask_dependencies(
            self._ask, self.row.host, self.row.notebook, closure=closure, views=self._views, **scope
        )

    def _views(self) -> Iterator[NamesView]:
        """Read what the kernel's names were, where the run's directory is in this project."""
        from nbrepro.rundir import RunDirectory

        project = self.provenance.project
        return RunDirectory(project.runs / self.id).read_views() if project else iter(())

    def statements(self) -> Iterator[Statement]:
        """Yield the nodes and edges of the run's graph, and the shared ones they lead to."""
        return self.provenance.store.statements(RunId(self.id))

    @overload
    def graph(self, multi: Literal[True] = True) -> networkx.MultiDiGraph[str]: ...

    @overload
    def graph(self, multi: Literal[False]) -> networkx.DiGraph[str]: ...

    def graph(self, multi: bool = True) -> networkx.DiGraph[str]:
        """Give the run's graph to networkx; see `nbrepro.export.make_network`.

        Without `multi` there is one edge between two nodes, for algorithms that want no parallel
        ones; see `nbrepro.export.make_simple_network`.
        """
        from nbrepro.export.networks import make_network, make_simple_network

        return (make_network if multi else make_simple_network)(self.statements())

    def to_prov(self) -> ProvDocument:
        """Give the run's graph as a document of the library `prov`; see
        `nbrepro.export.make_document`."""
        from nbrepro.export.documents import make_document

        return make_document(self.statements())

    def diff(self, other: Run) -> Comparison:
        """Compare this run with another, of this store or another one: what differs first and
        why, and what follows from it; see `nbrepro.compare`."""
        from nbrepro.compare import compare, read_portrait

        return compare(read_portrait(self.statements()), read_portrait(other.statements()))

    def check(self, tell: Callable[[str], None] | None = None) -> Report:
        """Check whether the run's graph is valid; `tell` hears what is being done."""
        from nbrepro.validity import check_statements

        return check_statements(self.statements(), self.id, tell)

    def find_path(self, path: str | os.PathLike[str]) -> str:
        """Find a file that the run touched: absolute, relative, or by a unique end of its path."""
        try:
            return self._known(self._flow.paths, path)
        except NotFoundError:
            # Software is asked for last: thousands of files for every task.
            software = {row.path for row in self._software}
        return self._known({*self._flow.paths, *software}, path)

    def paths(self) -> list[str]:
        """List the files that carry results: data, settings and code, in order of path."""
        return sorted(self._flow.carriers)

    def edges(self) -> Rows[EdgeRow]:
        """List every edge between an execution, or its task, and a file version."""
        return from_table(EdgeRow, self._ask("edges-of-run"))

    @cached_property
    def _flow(self) -> Flow:
        return Flow(self.edges())

    def software(self) -> Rows[SoftwareRow]:
        """List the software files of every execution's footprint."""
        return self._software

    @cached_property
    def _software(self) -> Rows[SoftwareRow]:
        return from_table(SoftwareRow, self._ask("software-of-cell"))

    def _software_rows(self, cell: int | None, execution: int | None) -> list[DataRow]:
        # Footprints keep which software files were opened, not each access to them.
        executions = {row.execution: row for row in self._cells}
        return [
            software_touch(self.row, row, executions.get(row.execution or 0))
            for row in from_table(SoftwareRow, self._ask("software-of-cell", cell=cell))
            if execution in (None, row.execution)
        ]

    def _known(self, known: Collection[str], path: str | os.PathLike[str]) -> str:
        project = self.provenance.project
        roots = [project.root] if project else []
        return choose_path(known, path, [Path.cwd(), *roots, Path(self.row.notebook).parent])

    def _ask(self, question: str, **parameters: Any) -> Table:
        given = {name: value for name, value in parameters.items() if value is not None}
        store = self.provenance.store
        return store.ask(_find_our_question(question), {"run": self.id, **given})

    def _notes(self, asked: Iterable[DataRow], shown: list[DataRow]) -> list[str]:
        left = {(row.path, row.role) for row in asked} - {(row.path, row.role) for row in shown}
        notes = []
        if left:
            counts = sorted(Counter(role for _, role in left).items(), key=lambda c: (-c[1], c[0]))
            roles = ", ".join(f"{role} {count}" for role, count in counts)
            notes.append(f"{_count(len(left), 'path')} of other roles ({roles}): --role all")
        inferred = sum(row.certainty not in (None, "exact") for row in shown)
        if inferred:
            notes.append(f"{_count(inferred, 'row')} inferred, not proven: see evidence")
        return notes + self._blind()

    def _blind(self) -> list[str]:
        note = _BLIND.get(self.row.tracer or "")
        return [note] if note else []


class Cell:
    """One cell of a run, in all its executions; `position` counts code cells from 1."""

    def __init__(self, run: Run, position: int) -> None:
        self.run = run
        self.position = position

    def __repr__(self) -> str:
        return f"Cell({self.run.id!r}, {self.position})"

    def executions(self) -> Rows[CellRow]:
        """List the executions of this cell."""
        return Rows(CellRow, (row for row in self.run.cells() if row.cell == self.position))

    def data(
        self,
        *,
        execution: int | None = None,
        role: str | Collection[str] | None = None,
        mode: str | None = None,
    ) -> Rows[DataRow]:
        """List what this cell did to files; see `Run.data`."""
        return self.run.data(self.position, execution=execution, role=role, mode=mode)

    def packages(self) -> Rows[PackageRow]:
        """List the distributions whose files this cell touched."""
        return self.run.packages(self.position)

    def dependencies(self, *, closure: bool = False) -> DependencySet:
        """Give what this cell needs; see `Run.dependencies`."""
        return self.run.dependencies(self.position, closure=closure)


@dataclass(frozen=True, slots=True)
class Why:
    """Everything known of one file in a run."""

    path: str
    accesses: Rows[DataRow]
    software: Rows[SoftwareRow]
    owners: Rows[OwnerRow]


def _find_our_question(name: str) -> Question:
    from nbrepro.queries import find_question

    return find_question(name)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
