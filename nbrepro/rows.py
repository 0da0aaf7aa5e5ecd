"""The rows of the answers: one frozen type for each, and the list that holds them.

Fields are the columns of the named questions, in the order of the JSON keys. What is absent is
None, whichever store answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, make_dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from nbrepro.errors import MachineError
from nbrepro.model import Mode, Table

if TYPE_CHECKING:
    import pandas as pd

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run. `started` is an RFC 3339 time, `seconds` its duration."""

    run: str
    notebook: str
    status: str
    started: str
    seconds: float | None
    host: str | None
    tracer: str | None
    cells: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class CellRow:
    """One execution of a cell: the `execution`-th of the run; counts of distinct things it used."""

    cell: int
    cell_id: str | None
    execution: int
    execution_count: int | None
    source: str | None
    status: str
    error: str | None
    started: str | None
    seconds: float | None
    data: int
    packages: int
    processes: int


@dataclass(frozen=True, slots=True)
class DataRow:
    """What one cell execution did to one file, and how that is known.

    `cell` is None for the kernel itself. `sha256` is the content read, or as the cell left it, and
    None where `undigested` says why. `target` is the new path of a rename. `at` is the first time.
    """

    run: str
    cell: int | None
    cell_id: str | None
    execution_count: int | None
    mode: str
    path: str
    named: str | None
    role: str
    rule: str | None
    sha256: str | None
    size: int | None
    host: str | None
    process: str | None
    task: str | None
    worker: str | None
    evidence: str | None
    certainty: str | None
    execution: int | None = None
    undigested: str | None = None
    target: str | None = None
    accesses: int | None = None
    at: str | None = None


@dataclass(frozen=True, slots=True)
class PackageRow:
    """One installed distribution; `files` counts its distinct files that were touched."""

    name: str
    version: str | None
    manager: str
    purl: str | None
    files: int
    location: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class SoftwareRow:
    """One software file in a cell execution's footprint; `package` is its purl."""

    cell: int | None
    execution: int | None
    path: str
    role: str
    rule: str | None
    package: str | None
    task: str | None = None
    worker: str | None = None
    host: str | None = None


@dataclass(frozen=True, slots=True)
class OwnerRow:
    """The package that owns a file, with the rule that gave the file its role."""

    path: str
    role: str
    rule: str | None
    name: str | None
    version: str | None
    manager: str | None
    purl: str | None


@dataclass(frozen=True, slots=True)
class EdgeRow:
    """One edge between a cell execution, or its task, and a file version: what was done to it.

    `mode` is `used`, `generated` or `invalidated`.
    """

    execution: int | None
    cell: int | None
    mode: str
    path: str
    version: str
    sha256: str | None
    role: str
    at: str | None
    task: str | None = None
    worker: str | None = None


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One attempt at a task; `cell` submitted it, `files` counts the data files it touched.

    `observed` says that a trace covers it: the files of one that is not observed are not known.
    """

    task: str
    engine: str | None
    function: str | None
    cell: int | None
    execution: int | None
    attempt: int | None
    worker: str | None
    host: str | None
    status: str | None
    started: str | None
    seconds: float | None
    observed: bool | None
    files: int


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """One worker of a distributed engine; `tasks` and `packages` count what it ran and used.

    `clock_offset_ns` is the manager's clock minus the worker's, `clock_error_ns` how far that may
    be wrong (-1: not measured). `error` says why its evidence is missing or ends early, `unseen`
    what its tracer could not see.
    """

    worker: str
    engine: str | None
    address: str | None
    host: str | None
    status: str | None
    error: str | None
    tasks: int
    packages: int
    tracer: str | None
    clock_offset_ns: int | None
    clock_error_ns: int | None
    started: str | None
    pid: int | None
    executable: str | None
    version: str | None
    distribution: str | None
    unseen: str | None


@dataclass(frozen=True, slots=True)
class DriftRow:
    """One value of something that is not the same on all workers and hosts of a run.

    `kind` is `data` (a file by its path, with its sha256), `package` (its version), `package files`
    (one version whose installed files differ), `software file` (its owner), `interpreter` or
    `system`. `worker` is None for the manager.
    """

    kind: str
    subject: str
    worker: str | None
    host: str | None
    value: str


@dataclass(frozen=True, slots=True)
class InputRow:
    """One input on which a task and its declaration disagree.

    `finding` is `undeclared`: the task read a file that it had not declared; or `unused`: it
    declared one that it never touched. `sha256` is what it read.
    """

    finding: str
    task: str
    function: str | None
    cell: int | None
    worker: str | None
    host: str | None
    path: str
    mode: str | None = None
    role: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class UnobservedRow:
    """A worker, or a task of it, that no trace covers, and why."""

    worker: str | None
    task: str | None
    cell: int | None
    host: str | None
    reason: str


class Rows(list[R], Generic[R]):
    """A list of rows of one type.

    `notes` are sentences on what the rows do not show: other roles, inferred attributions, what
    the tracer could not see.
    """

    def __init__(self, kind: type[R], rows: Iterable[R] = (), notes: Iterable[str] = ()) -> None:
        super().__init__(rows)
        self.kind = kind
        self.notes = tuple(notes)

    @property
    def columns(self) -> tuple[str, ...]:
        """Give the names of the fields, in order."""
        return tuple(field.name for field in fields(self.kind))  # type: ignore[arg-type]

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield each row as a dictionary, columns in order."""
        columns = self.columns
        for row in self:
            yield {name: getattr(row, name) for name in columns}

    def frame(self) -> pd.DataFrame:
        """Give the rows as a pandas frame. Raises MachineError where pandas is not installed."""
        try:
            import pandas as pd
        except ModuleNotFoundError:
            raise MachineError(
                "frame() needs pandas, which is not installed here; run: "
                "pip install 'nbrepro[frames]'"
            ) from None
        return pd.DataFrame(list(self.records()), columns=list(self.columns))


def from_table(kind: type[R], table: Table) -> Rows[R]:
    """Turn an answer's table into rows of `kind`; columns it lacks, and empty text, are None."""
    at = {name: index for index, name in enumerate(table.columns)}
    places = [at.get(field.name) for field in fields(kind)]  # type: ignore[arg-type]
    return Rows(kind, (kind(*(_cell(row, place) for place in places)) for row in table.rows))


def from_any_table(table: Table) -> Rows[Any]:
    """Turn the table of any question into rows of a type made for its columns."""
    kind = make_dataclass("AnswerRow", table.columns, frozen=True, slots=True)
    notes = ["more rows exist than were asked for"] if table.truncated else []
    return Rows(kind, (kind(*row) for row in table.rows), notes)


def _cell(row: tuple[Any, ...], place: int | None) -> Any:
    value = None if place is None else row[place]
    return None if value == "" else value


def software_touch(run: RunRow, row: SoftwareRow, cell: CellRow | None) -> DataRow:
    """Turn a member of a footprint into a row of accesses: which were made is not kept."""
    return DataRow(
        run=run.run, cell=row.cell, cell_id=cell.cell_id if cell else None,
        execution_count=cell.execution_count if cell else None, mode=Mode.READ, path=row.path,
        named=None, role=row.role, rule=row.rule, sha256=None, size=None,
        host=row.host or run.host, process=None, task=row.task, worker=row.worker, evidence=None,
        certainty=None, execution=row.execution, undigested="software, known by its package",
    )  # fmt: skip
