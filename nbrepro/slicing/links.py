"""Which earlier executions an execution needs through files, by version."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from nbrepro.lineage import GENERATED, INVALIDATED, USED
from nbrepro.model import Role
from nbrepro.rows import EdgeRow
from nbrepro.rundir import CellRecord
from nbrepro.variables import EXACT, POSSIBLE, Need

CARRIED = frozenset(
    {Role.DATA, Role.CONFIG, Role.CODE, Role.TEMPORARY, Role.DIRECTORY, Role.UNRESOLVED}
)
"""Roles of files through which one execution may depend on another."""

_LOOKS = re.compile(
    r"\b(exists|isfile|is_file|isdir|is_dir|getsize|getmtime|stat|lstat|samefile)\b|\[ -[a-z] "
)
"""Code that asks about files without opening them: that leaves no trace."""


class FileLinks:
    """Walks through a run's edges in order of execution; `sizes` in bytes are by sha256."""

    def __init__(self, records: Sequence[CellRecord], sizes: Mapping[str, int]) -> None:
        self._sizes = sizes
        self._contents: dict[str, str] = {}
        self._sources = {record.execution: record.source for record in records}
        self._makers: dict[str, int] = {}
        self._of_path: dict[str, int] = {}
        self._within: dict[str, dict[int, str]] = defaultdict(dict)
        self._changed: dict[int, str] = {}

    def needs(self, edges: Iterable[EdgeRow]) -> dict[int, tuple[Need, ...]]:
        """Give what each execution needs through files; `edges` in order of execution."""
        carried = [e for e in edges if e.execution and e.role in CARRIED]
        carried.sort(key=lambda edge: edge.execution or 0)
        by_execution = {n: list(group) for n, group in groupby(carried, lambda e: e.execution or 0)}
        found: dict[int, tuple[Need, ...]] = {}
        for execution in sorted({*self._sources, *by_execution}):
            own = by_execution.get(execution, [])
            needs = [need for need in self._of(execution, own) if need.execution != execution]
            found[execution] = tuple(dict.fromkeys(needs))
            self._note(execution, own)
        return found

    def _of(self, execution: int, edges: list[EdgeRow]) -> Iterator[Need]:
        for edge in edges:
            maker = self._makers.get(edge.version)
            name = posixpath.basename(edge.path)
            if maker is not None and edge.mode != GENERATED:
                yield _need(maker, edge.path, EXACT, f"wrote {name}")
            if edge.mode == GENERATED and self._may_append(edge):
                yield _need(self._of_path[edge.path], edge.path, POSSIBLE, f"wrote {name} before")
            if edge.mode == USED and edge.role == Role.DIRECTORY:
                for other, what in self._within[edge.path].items():
                    yield _need(other, edge.path, EXACT, f"{what}, which is listed")
            yield from self._above(edge.path)
        if _LOOKS.search(self._sources.get(execution, "")):
            for other, path in self._changed.items():
                name = posixpath.basename(path)
                yield _need(other, path, POSSIBLE, f"wrote or removed {name}, if that is asked")

    def _may_append(self, edge: EdgeRow) -> bool:
        """Tell whether a file may hold what it held before: the graph does not tell that."""
        before = self._sizes.get(self._contents.get(edge.path, ""), 0)
        now = self._sizes.get(edge.sha256 or "", before)
        return edge.path in self._of_path and now >= before

    def _above(self, path: str) -> Iterator[Need]:
        """Need what made the directories that a path lies in."""
        parent = posixpath.dirname(path)
        while parent not in ("", "/"):
            if parent in self._of_path:
                name = posixpath.basename(parent)
                yield _need(self._of_path[parent], parent, EXACT, f"made the directory {name}")
            parent = posixpath.dirname(parent)

    def _note(self, execution: int, edges: list[EdgeRow]) -> None:
        for edge in edges:
            if edge.mode == USED:
                continue
            word = "made" if edge.mode == GENERATED else "removed"
            name = posixpath.basename(edge.path)
            self._within[posixpath.dirname(edge.path)][execution] = f"{word} {name}"
            self._changed[execution] = edge.path
            if edge.mode == INVALIDATED:
                self._of_path.pop(edge.path, None)
        for edge in edges:
            if edge.mode == GENERATED:
                self._makers[edge.version] = execution
                self._of_path[edge.path] = execution
                self._contents[edge.path] = edge.sha256 or ""


def _need(execution: int, path: str, certainty: str, reason: str) -> Need:
    return Need(execution, (path,), certainty, reason, "file")
