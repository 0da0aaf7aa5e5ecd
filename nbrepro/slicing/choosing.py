"""Choose what the slice of one cell holds: executions, and the input files that they read."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from nbrepro.errors import NotFoundError
from nbrepro.lineage import GENERATED, USED
from nbrepro.model import Role
from nbrepro.rows import EdgeRow
from nbrepro.rundir import CellRecord
from nbrepro.slicing.history import History, read_history
from nbrepro.slicing.links import FileLinks
from nbrepro.variables import Need, Needed, close_needs, find_needs, join_needs

if TYPE_CHECKING:
    from nbrepro.runs import Run

_INPUTS = frozenset({Role.DATA, Role.CONFIG, Role.CODE, Role.TEMPORARY, Role.UNRESOLVED})
_LISTED_AT_MOST = 1000


@dataclass(frozen=True, slots=True)
class Input:
    """A file that the slice reads and does not make. `sha256` is the content the run saw, empty
    where nobody looked; `reason` is `read`, `listed` or `imported`."""

    path: str
    role: str
    sha256: str
    reason: str


@dataclass(frozen=True, slots=True)
class Slice:
    """The executions that re-create the last one of `kept`, in the order in which they ran.

    `numbered` says that its code counts executions (`_3`, `Out`): those that are left out must be
    counted all the same.
    """

    run: str
    notebook: str
    kept: tuple[Needed, ...]
    records: tuple[CellRecord, ...]
    inputs: tuple[Input, ...]
    directories: tuple[str, ...] = ()
    numbered: bool = False
    notes: tuple[str, ...] = ()

    @property
    def goal(self) -> CellRecord:
        """Give the execution that is re-created."""
        return self.records[-1]


@dataclass(slots=True)
class Slicer:
    """Knows the needs of all executions of a run, and so the slice of any."""

    run: str
    notebook: str
    history: History
    edges: Sequence[EdgeRow]
    needs: dict[int, tuple[Need, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        records = self.history.records
        variables = find_needs(records, self.history.views)
        self.needs = join_needs(variables, FileLinks(records, self.history.sizes).needs(self.edges))

    def slice_of(self, execution: int) -> Slice:
        """Give the slice of one execution."""
        return self.with_kept(close_needs(self.needs, [execution]))

    def with_kept(self, kept: Iterable[Needed]) -> Slice:
        """Give the slice that holds just these executions."""
        chosen = tuple(kept)
        numbers = {one.execution for one in chosen}
        records = tuple(r for r in self.history.records if r.execution in numbers)
        counted = any(n.kind == "history" for one in numbers for n in self.needs.get(one, ()))
        inputs, directories = Inputs(self.edges, numbers).find()
        return Slice(self.run, self.notebook, chosen, records, inputs, directories, counted,
                     tuple(self.history.notes))  # fmt: skip

    def without(self, whole: Slice, dropped: Iterable[int]) -> Slice:
        """Give a slice without some of its executions."""
        left_out = frozenset(dropped)
        return self.with_kept(one for one in whole.kept if one.execution not in left_out)


def make_slicer(run: Run) -> Slicer:
    """Read what is needed to slice a run."""
    return Slicer(run.id, run.row.notebook, read_history(run), run.edges())


def choose_execution(run: Run, cell: int | str, execution: int | None = None) -> int:
    """Give the number of an execution of a cell, the last one unless another is asked for."""
    numbers = [row.execution for row in run.cell(cell).executions()]
    if execution is None:
        return numbers[-1]
    if execution not in numbers:
        told = ", ".join(map(str, numbers))
        raise NotFoundError(f"execution {execution}: cell {cell} has the executions {told}")
    return execution


class Inputs:
    """Finds the files that some executions of a run read and none of them makes."""

    def __init__(self, edges: Sequence[EdgeRow], executions: set[int]) -> None:
        self._edges = edges
        self._own = [edge for edge in edges if edge.execution in executions]
        self._made = {edge.version for edge in edges if edge.mode == GENERATED}
        self._paths = {edge.path for edge in edges if edge.mode == GENERATED}
        self._found: dict[str, Input] = {}

    def find(self) -> tuple[tuple[Input, ...], tuple[str, ...]]:
        """Give the files in order of path, and the directories that are listed."""
        listed = []
        for edge in self._own:
            if edge.version in self._made or edge.mode == GENERATED:
                continue
            if edge.role == Role.DIRECTORY and edge.mode == USED:
                listed.append(edge.path)
            elif edge.role in _INPUTS:
                self._add(Input(edge.path, edge.role, edge.sha256 or "", "read"))
        # A module is read when it is first imported, whoever imports it later.
        for edge in self._edges:
            if edge.mode == USED and edge.role == Role.CODE and edge.version not in self._made:
                self._add(Input(edge.path, edge.role, edge.sha256 or "", "imported"))
        for directory in listed:
            for path in self._entries(directory):
                self._add(Input(path, str(Role.DATA), "", "listed"))
        found = tuple(self._found[path] for path in sorted(self._found))
        return found, tuple(sorted(dict.fromkeys(listed)))

    def _entries(self, directory: str) -> Iterator[str]:
        """List the files that were in a directory before the run, as far as that can be told."""
        try:
            entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
        except OSError:
            return
        for entry in entries[:_LISTED_AT_MOST]:
            path = posixpath.join(directory, entry.name)
            if entry.is_file() and path not in self._paths:
                yield path

    def _add(self, one: Input) -> None:
        known = self._found.get(one.path)
        if known is None:
            self._found[one.path] = one
        elif one.sha256 and not known.sha256:
            self._found[one.path] = replace(known, sha256=one.sha256)
