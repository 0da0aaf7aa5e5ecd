"""Fold owned accesses into touches: one for each owner, path and mode."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from nbrepro.footprints import FootprintFold
from nbrepro.model import (
    Access,
    Certainty,
    Evidence,
    Mode,
    OwnedAccess,
    Owner,
    Process,
    Touch,
)
from nbrepro.rundir import CellRecord, HandleUse

_EVIDENCE_ORDER = {evidence: rank for rank, evidence in enumerate(Evidence)}
_CERTAINTY_ORDER = {certainty: rank for rank, certainty in enumerate(Certainty)}

_Key = tuple[Owner, Mode, str, str]


class TouchFold:
    """Collects touches; holds one entry for each distinct owner, path and mode, not each access.

    `names` resolves paths whose parents are symbolic links; `offset_ns` is added to every time.
    What `footprints` takes is told there, and is no touch of its owner.
    """

    def __init__(
        self,
        names: Mapping[str, str] | None = None,
        offset_ns: int = 0,
        footprints: FootprintFold | None = None,
    ) -> None:
        self._names = names or {}
        self._offset_ns = offset_ns
        self._footprints = footprints
        self._touches: dict[_Key, Touch] = {}

    def add(self, owned: OwnedAccess, host: str) -> None:
        """Count one access."""
        access = self._resolve(owned.access)
        if self._offset_ns:
            access = access._replace(at_ns=access.at_ns + self._offset_ns)
        if self._footprints is not None and self._footprints.take(access, owned.owner):
            return
        key = (owned.owner, access.mode, access.path, access.target)
        known = self._touches.get(key)
        self._touches[key] = (
            _first(owned, access, host) if known is None else _again(known, owned, access)
        )

    def add_handle(self, use: HandleUse, cell: CellRecord, host: str) -> None:
        """Count a use of a handle from an earlier cell, unless the cell touched the file itself."""
        mode, owner = Mode(use.mode), Owner(use.execution)
        known = {m for m in (mode, Mode.READ_WRITE) if (owner, m, use.path, "") in self._touches}
        if known:
            return
        self._touches[owner, mode, use.path, ""] = Touch(
            owner=owner, mode=mode, path=use.path, named=use.path, target="", kind="file",
            process="", host=host, evidence=Evidence(use.evidence), certainty=Certainty.INFERRED,
            accesses=0, at_ns=cell.started_ns, last_ns=cell.ended_ns, line=0, created=False,
        )  # fmt: skip

    def touches(self) -> list[Touch]:
        """Give all touches in order of time."""
        return sorted(self._touches.values(), key=order)

    def _resolve(self, access: Access) -> Access:
        path = self._names.get(access.path, access.path)
        target = access.target
        if access.mode is Mode.RENAME or (access.kind == "file" and target):
            target = self._names.get(target, target)
        if path == access.path and target == access.target:
            return access
        return access._replace(path=path, target=target)


def _first(owned: OwnedAccess, access: Access, host: str) -> Touch:
    return Touch(
        owner=owned.owner, mode=access.mode, path=access.path, named=access.named,
        target=access.target, kind=access.kind, process=process_label(access.process), host=host,
        evidence=owned.evidence, certainty=owned.certainty, accesses=1,
        at_ns=access.at_ns, last_ns=access.at_ns, line=access.line, created=access.created,
    )  # fmt: skip


def _again(known: Touch, owned: OwnedAccess, access: Access) -> Touch:
    return known._replace(
        accesses=known.accesses + 1,
        last_ns=max(known.last_ns, access.at_ns),
        kind=known.kind or access.kind,
        evidence=min(known.evidence, owned.evidence, key=_EVIDENCE_ORDER.__getitem__),
        certainty=min(known.certainty, owned.certainty, key=_CERTAINTY_ORDER.__getitem__),
    )


def order(touch: Touch) -> tuple[int, str, int, str, Mode]:
    """Give what touches are sorted by: their time, and where it is the same, what tells them."""
    return (touch.at_ns, touch.owner.worker, touch.line, touch.path, touch.mode)


@lru_cache(maxsize=1024)
def process_label(process: Process) -> str:
    """Name a process for people: its pid and executable."""
    return f"{process.pid} {process.executable}".strip()


def fold_handles(
    fold: TouchFold, uses: Iterable[HandleUse], cells: Mapping[int, CellRecord], host: str
) -> None:
    """Add every use of an earlier cell's handle whose cell is known."""
    for use in uses:
        cell = cells.get(use.execution)
        if cell is not None:
            fold.add_handle(use, cell, host)
