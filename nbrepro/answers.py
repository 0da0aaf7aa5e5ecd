"""Answers about recorded runs: the Python API, of which the command line is a twin.

import nbrepro
with nbrepro.open() as provenance:
    run = provenance.run("last")
    for row in run.cell(5).data():
        print(row.mode, row.path, row.sha256)
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbrepro.config import DIRECTORY, Project, find_project
from nbrepro.errors import NotFoundError, UsageError
from nbrepro.lineage import Flow, Tree
from nbrepro.model import SOFTWARE_ROLES, Mode, Table
from nbrepro.references import (
    LAST,
    check_execution,
    choose_cell,
    choose_modes,
    choose_path,
    choose_roles,
    choose_run,
    nearest,
)
from nbrepro.rows import (
    CellRow,
    DataRow,
    EdgeRow,
    OwnerRow,
    PackageRow,
    Rows,
    RunRow,
    SoftwareRow,
    from_any_table,
    from_table,
)

if TYPE_CHECKING:
    from types import TracebackType

    from nbrepro.queries import Question
    from nbrepro.stores import Store

_BLIND = {
    "audit": "tracer audit: what C libraries opened and what child processes did is not seen",
}


def open_provenance(
    path: str | os.PathLike[str] | None = None, store: str | os.PathLike[str] | None = None
) -> Provenance:
    """Open what was recorded: the store of the project around `path` (default: here), or `store`.

    Raises NotFoundError where there is none, StoreError where it cannot be opened.
    """
    from nbrepro.stores import open_store

    start = Path(path) if path is not None else Path.cwd()
    project = find_recorded(start)
    location = os.fspath(store) if store is not None else _store_of(project, start)
    if "://" not in location and not Path(location).exists():
        raise NotFoundError(f"{location}: no store here; run: nbrepro run NOTEBOOK")
    return Provenance(open_store(location), project, location)


def find_recorded(start: Path) -> Project | None:
    """Find the project upwards from `start`, else the only one directly below it.

    Raises UsageError where several lie below.
    """
    project = find_project(start)
    if project is not None or not start.is_dir():
        return project
    below = sorted(found.parent for found in start.glob(f"*/{DIRECTORY}") if found.is_dir())
    if len(below) > 1:
        names = ", ".join(str(directory) for directory in below[:6])
        raise UsageError(f"{start}: several projects lie below ({names}); go into one of them")
    return Project(below[0].resolve()) if below else None


def _store_of(project: Project | None, start: Path) -> str:
    if project is None:
        raise NotFoundError(
            f"{start}: no {DIRECTORY}/ here or above, so nothing is recorded; "
            "run: nbrepro run NOTEBOOK (or give --store)"
        )
    return str(project.store)


class Provenance:
    """The recorded runs of one store. Close it, or use it in a `with` statement."""

    def __init__(self, store: Store, project: Project | None = None, location: str = "") -> None:
        self.store = store
        self.project = project
        self.location = location

    def __enter__(self) -> Provenance:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Provenance({self.location!r})"

    def close(self) -> None:
        """Let go of the store."""
        self.store.close()

    def runs(self) -> Rows[RunRow]:
        """List the runs, newest first."""
        return from_table(RunRow, self.store.runs())

    def run(self, reference: str = LAST) -> Run:
        """Find a run: `last`, an id, a unique prefix, `~1` for the one before the last."""
        return Run(self, choose_run(self.runs(), reference))

    def questions(self) -> dict[str, Question]:
        """Give every named question: our own and those of the project's `.nbrepro/queries`."""
        from nbrepro.queries import load_questions

        return load_questions(self._own_questions)

    def question(self, name: str) -> Question:
        """Find a question by name. Raises NotFoundError with the nearest names."""
        from nbrepro.queries import find_question

        try:
            return find_question(name, self._own_questions)
        except NotFoundError:
            near = nearest(name, self.questions())
        raise NotFoundError(
            f"no question is called {name!r}; perhaps {', '.join(near)} (all: nbrepro query --list)"
        )

    @property
    def _own_questions(self) -> list[Path]:
        return [self.project.home / "queries"] if self.project else []

    def ask(self, question: str, **parameters: Any) -> Rows[Any]:
        """Ask a named question; `run`, `cell` and `file` may be written as people write them."""
        return from_any_table(self.answer(question, parameters))

    def answer(self, question: str, parameters: Mapping[str, Any]) -> Table:
        """Ask a named question and give its plain table. Raises NotFoundError, UsageError."""
        asked = self.question(question)
        return self.store.ask(asked, self.resolve(asked, parameters))

    def resolve(self, question: Question, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Turn what people call a run, a cell or a file into the parameters of a question."""
        resolved = {name: value for name, value in parameters.items() if value is not None}
        if not question.of_run:
            return resolved
        run = self.run(str(resolved.get("run", LAST)))
        resolved["run"] = run.id
        if "cell" in resolved:
            resolved["cell"] = run.cell(resolved["cell"]).position
        if "file" in resolved:
            resolved["file"] = run.find_path(str(resolved["file"]))
        return resolved

    def select(self, text: str, limit: int | None = 1000, timeout_s: float | None = 30.0) -> Table:
        """Ask a SPARQL SELECT of the store. Raises QueryError for one that writes or is wrong."""
        return self.store.select(text, limit, timeout_s)


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

    def data(
        self,
        cell: int | str | None = None,
        *,
        execution: int | None = None,
        role: str | Collection[str] | None = None,
        mode: str | None = None,
    ) -> Rows[DataRow]:
        """List what was done to files, by default to those that a person calls data.

        `role` is a role, several, or `all`; `mode` a mode, where `read` and `write` include
        `read-write`; `execution` the number of an execution in the run.
        """
        position = None if cell is None else self.cell(cell).position
        if execution is not None:
            check_execution(self._executions, execution, position)
        table = self._ask("data-of-cell", cell=position, execution=execution)
        roles, modes = choose_roles(role), choose_modes(mode)
        rows: list[DataRow] = from_table(DataRow, table)
        if roles is None or roles & set(SOFTWARE_ROLES):
            rows = rows + self._software_rows(position, execution)
        asked = [row for row in rows if modes is None or row.mode in modes]
        shown = [row for row in asked if roles is None or row.role in roles]
        return Rows(DataRow, shown, self._notes(asked, shown))

    def packages(self, cell: int | str | None = None) -> Rows[PackageRow]:
        """List the distributions whose files were touched, by the run or by one cell."""
        position = None if cell is None else self.cell(cell).position
        table = self._ask("packages-of-cell", cell=position)
        rows = from_table(PackageRow, table)
        unresolved = from_table(SoftwareRow, self._ask("unresolved-files"))
        files = {row.path for row in unresolved if position is None or row.cell == position}
        notes = [
            f"{_count(len(files), 'file')} of no known package: nbrepro data --role unresolved"
        ]
        return Rows(PackageRow, rows, [*(notes if files else []), *self._blind()])

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

    def find_path(self, path: str | os.PathLike[str]) -> str:
        """Find a file that the run touched: absolute, relative, or by a unique end of its path."""
        return self._known({*self._flow.paths, *(row.path for row in self._software)}, path)

    def paths(self) -> list[str]:
        """List the files that carry results: data, settings and code, in order of path."""
        return sorted(self._flow.carriers)

    @cached_property
    def _flow(self) -> Flow:
        return Flow(from_table(EdgeRow, self._ask("edges-of-run")))

    @cached_property
    def _software(self) -> Rows[SoftwareRow]:
        return from_table(SoftwareRow, self._ask("software-of-cell"))

    def _software_rows(self, cell: int | None, execution: int | None) -> list[DataRow]:
        # Footprints keep which software files were opened, not each access to them.
        executions = {row.execution: row for row in self._cells}
        return [
            _software_touch(self.row, row, executions.get(row.execution or 0))
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


def _software_touch(run: RunRow, row: SoftwareRow, cell: CellRow | None) -> DataRow:
    return DataRow(
        run=run.run, cell=row.cell, cell_id=cell.cell_id if cell else None,
        execution_count=cell.execution_count if cell else None, mode=Mode.READ, path=row.path,
        named=None, role=row.role, rule=row.rule, sha256=None, size=None, host=run.host,
        process=None, task=None, worker=None, evidence=None, certainty=None,
        execution=row.execution, undigested="software, known by its package",
    )  # fmt: skip


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
