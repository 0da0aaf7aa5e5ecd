"""The walk itself: from a run directory's evidence to the statements in a store. Read this first.

    trace lines ─▶ events ─▶ steps (accesses, marks, births, exits) ─▶ owned ─▶ touches
    touches + sightings ─▶ versions;  touches + owners of packages ─▶ roles;  all ─▶ statements

Every stage streams but the fold to touches, which holds one entry for each distinct owner, path
and mode. The same evidence gives the same statements, whenever and wherever it is ingested.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nbrepro import graph
from nbrepro.errors import UsageError
from nbrepro.model import Event, OwnedAccess, OwnedExit, Statement, Step, Unparsed
from nbrepro.owners import Attribution, Window, owned
from nbrepro.processes import Skipped, steps
from nbrepro.provenance import RunFacts
from nbrepro.rundir import CellRecord, Manifest, RunDirectory, open_trace
from nbrepro.touches import TouchFold, fold_handles
from nbrepro.trace import Summary, births, events, read_lines

if TYPE_CHECKING:
    from nbrepro.stores.interface import Store

STAGES = ("events", "accesses", "owners", "statements")


@dataclass(slots=True)
class IngestSummary:
    """What was read and what was made of it."""

    run: str = ""
    statements: int = 0
    trace: Summary = field(default_factory=Summary)
    skipped: Skipped = field(default_factory=Skipped)
    unattributed: int = 0


class Walk:
    """The walk through one run directory, stage by stage."""

    def __init__(self, directory: RunDirectory) -> None:
        self.directory = directory
        self.manifest: Manifest = directory.read_manifest()
        self.cells: list[CellRecord] = directory.read_cells()
        self.summary = IngestSummary(run=self.manifest.run)

    def events(self, trace: Path) -> Iterator[Event | Unparsed]:
        """Read one trace."""
        with open_trace(trace) as stream:
            yield from events(read_lines(stream), self.summary.trace)

    def steps(self, trace: Path) -> Iterator[Step]:
        """Tell what the traced threads did (the first pass finds who created whom)."""
        with open_trace(trace) as stream:
            created = births(read_lines(stream))
        yield from steps(self.events(trace), created, self.manifest.token, self.summary.skipped)

    def owned(self, trace: Path) -> Iterator[OwnedAccess | OwnedExit]:
        """Tell for whom they did it."""
        windows = [Window(c.execution, c.started_ns, c.ended_ns) for c in self.cells]
        attribution = Attribution(windows, marked=self.manifest.kernel.probed)
        yield from owned(self.steps(trace), attribution)
        self.summary.unattributed += attribution.unattributed

    def statements(self) -> Iterator[Statement]:
        """Describe the whole run."""
        names = {r.named: r.path for r in self.directory.read_names()}
        fold, processes = TouchFold(names), graph.ProcessFold(self.manifest.kernel.pid)
        host = self.manifest.host.name
        for trace in self.directory.trace_paths():
            for item in self.owned(trace):
                processes.add(item)
                if isinstance(item, OwnedAccess):
                    fold.add(item, host)
        fold_handles(
            fold, self.directory.read_handles(), {c.execution: c for c in self.cells}, host
        )
        facts = RunFacts(self.manifest, self.cells, processes.records(), self.counts())
        yield from graph.statements(
            facts,
            fold.touches(),
            list(self.directory.read_sightings()),
            list(self.directory.read_software()),
        )

    def counts(self) -> dict[str, int]:
        """Count what the walk read, for the run's node."""
        trace = self.summary.trace
        return {
            "lines": trace.lines,
            "events": trace.events,
            "ignored": trace.ignored,
            "unparsed": trace.unparsed,
            "unattributed": self.summary.unattributed,
        }


def ingest(directory: RunDirectory, store: Store) -> IngestSummary:
    """Load a run's evidence into a store, replacing what the store had of that run."""
    walk = Walk(directory)
    walk.summary.statements = store.load(walk.manifest.run, walk.manifest.uuid, walk.statements())
    return walk.summary


def stage(directory: RunDirectory, name: str) -> Iterator[object]:
    """Yield the values of one stage (`STAGES`) for people to look at."""
    walk = Walk(directory)
    if name == "statements":
        yield from walk.statements()
        return
    one_trace = {"events": walk.events, "accesses": walk.steps, "owners": walk.owned}.get(name)
    if one_trace is None:
        raise UsageError(f"{name}: no such stage; choose one of {', '.join(STAGES)}")
    for trace in directory.trace_paths():
        yield from _closing(one_trace(trace))


def _closing(values: Iterable[object]) -> Iterator[object]:
    """Close the stage's files even when its reader stops early (`| head`)."""
    with contextlib.closing(iter(values)) as stream:  # type: ignore[type-var]
        yield from stream
