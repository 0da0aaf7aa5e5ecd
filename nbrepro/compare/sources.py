"""Find the runs that are to be compared: in stores, in run directories, in archives."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from nbrepro.answers import Provenance, open_provenance
from nbrepro.compare.causes import compare
from nbrepro.compare.portraits import read_portrait
from nbrepro.compare.values import Comparison, Portrait
from nbrepro.rundir import MANIFEST, RunDirectory
from nbrepro.runs import Run


class Sources:
    """Reads portraits by reference: a run of the store, `STORE:RUN`, an archive, a run directory.

    `store` is the store of plain references; stores are opened once and closed at the end.
    """

    def __init__(self, store: str | None = None) -> None:
        self._store = store
        self._opened: dict[str | None, Provenance] = {}

    def read(self, reference: str) -> Portrait:
        """Read the portrait of a run. Raises NotFoundError, StoreError and what reading raises."""
        path = Path(reference)
        if (path / MANIFEST).is_file():
            from nbrepro.ingest import stage

            statements = stage(RunDirectory(path), "statements")
            return replace(read_portrait(statements), name=reference)  # type: ignore[arg-type]
        if path.is_file():
            return replace(portrait_of(self._provenance(reference).run()), name=path.name)
        store, colon, run = reference.rpartition(":")
        if colon and "/" not in run:
            found = self._provenance(store).run(run)
            return replace(portrait_of(found), name=f"{store}:{found.id}")
        return portrait_of(self._provenance(self._store).run(reference))

    def _provenance(self, store: str | None) -> Provenance:
        if store not in self._opened:
            self._opened[store] = open_provenance(store=store)
        return self._opened[store]

    def close(self) -> None:
        """Let go of the stores."""
        for provenance in self._opened.values():
            provenance.close()


@contextmanager
def open_sources(store: str | os.PathLike[str] | None = None) -> Iterator[Sources]:
    """Give the sources for the time of a `with` statement."""
    sources = Sources(None if store is None else os.fspath(store))
    try:
        yield sources
    finally:
        sources.close()


def diff(
    run: Run | str, other: Run | str, store: str | os.PathLike[str] | None = None
) -> Comparison:
    """Compare two runs, each given as a Run or as the command line has it; see `Sources`."""
    with open_sources(store) as sources:
        first, second = (
            portrait_of(one) if isinstance(one, Run) else sources.read(one) for one in (run, other)
        )
    return compare(first, second)


def portrait_of(run: Run) -> Portrait:
    """Read the portrait of a recorded run."""
    return read_portrait(run.statements())
