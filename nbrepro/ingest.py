"""From a run directory's evidence to the statements in a store. Read this first.

    trace lines ─▶ events ─▶ steps (accesses, marks, births, exits) ─▶ owned ─▶ touches
    touches + sightings ─▶ versions;  touches + owners of packages ─▶ roles;  all ─▶ statements

`walk` goes through one trace, the run's own or a worker's; `graph` puts them together. The same
evidence gives the same statements, whenever and wherever it is ingested.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbrepro import graph
from nbrepro.engines import read_tasks, read_workers
from nbrepro.errors import UsageError
from nbrepro.model import Ownership, Statement
from nbrepro.owners import Window
from nbrepro.provenance import RunFacts
from nbrepro.rundir import Manifest, RunDirectory, WorkerDirectory, WorkerManifest
from nbrepro.tasks import OWN_ENGINE
from nbrepro.touches import fold_handles
from nbrepro.walk import (
    Observed,
    Source,
    observe_all,
    read_events,
    read_owned,
    read_steps,
    touches_of,
)

if TYPE_CHECKING:
    from nbrepro.stores.interface import Store

_ONE_TRACE: dict[str, Callable[[Source], Iterator[object]]] = {
    "events": read_events,
    "accesses": read_steps,
    "owners": read_owned,
}
STAGES = (*_ONE_TRACE, "statements")


@dataclass(slots=True)
class IngestSummary:
    """What was read (lines of the traces, accesses of unknown owner) and made of it."""

    run: str
    statements: int
    lines: int
    unparsed: int
    unattributed: int


class Evidence:
    """Everything that a run directory holds, ready to be walked."""

    def __init__(self, directory: RunDirectory) -> None:
        self.directory = directory
        self.manifest: Manifest = directory.read_manifest()
        self.cells = directory.read_cells()
        self.tasks = tuple(read_tasks(directory))
        self.told = read_workers(directory)
        self.workers = [(w, w.read_manifest()) for w in directory.worker_directories()]

    def sources(self) -> list[Source]:
        """List the traces: the manager's own, then each observed worker's."""
        manifest = self.manifest
        windows = tuple(Window(c.execution, c.started_ns, c.ended_ns) for c in self.cells)
        own = [
            Source(
                trace=trace,
                token=manifest.token,
                cwd=manifest.cwd,
                host=manifest.host.name,
                root=manifest.kernel.pid,
                names={r.named: r.path for r in self.directory.read_names()},
                tasks=self.tasks,
                windows=windows,
                marked=manifest.kernel.probed,
                children=self._children(),
            )
            for trace in self.directory.trace_paths()
        ]
        return own + [source for pair in self.workers for source in self._of_worker(*pair)]

    def _children(self) -> dict[int, str]:
        """Give by pid the workers that the manager's own trace shows."""
        apart = {worker.worker for _, worker in self.workers}
        known = (0, self.manifest.kernel.pid)
        told = (w for w in self.told if w.observed and w.worker not in apart)
        return {worker.pid: worker.worker for worker in told if worker.pid not in known}

    def _of_worker(self, directory: WorkerDirectory, worker: WorkerManifest) -> Iterator[Source]:
        trace = directory.find_trace()
        if trace is not None:
            yield Source(
                trace=trace,
                token=self.manifest.token,
                cwd=worker.cwd,
                host=worker.host.name,
                root=worker.pid,
                names={r.named: r.path for r in directory.read_names()},
                worker=worker.worker,
                tasks=self.tasks,
                offset_ns=worker.clock_offset_ns,
            )

    def files(self) -> list[graph.HostFiles]:
        """List what files were on each host."""
        own = graph.HostFiles(self.manifest.host.name, list(self.directory.read_sightings()))
        return [own] + [
            graph.HostFiles(worker.host.name, list(directory.read_sightings()))
            for directory, worker in self.workers
        ]

    def software(self) -> list[graph.HostSoftware]:
        """List which packages own the software on each host."""
        own: list[Ownership] = list(self.directory.read_software())
        return [graph.HostSoftware(self.manifest.host.name, self.manifest.roots, own)] + [
            graph.HostSoftware(worker.host.name, worker.roots, list(directory.read_software()))
            for directory, worker in self.workers
        ]

    def statements(self, observed: list[Observed]) -> Iterator[Statement]:
        """Describe the whole run."""
        cells = {cell.execution: cell for cell in self.cells}
        uses, host = self.directory.read_handles(), self.manifest.host.name
        if observed:
            fold_handles(observed[0].touches, uses, cells, host)
        own = {task.task for task in self.tasks if task.engine == OWN_ENGINE}
        touches = [t for t in touches_of(observed) if t.owner.task not in own]
        workers = [worker for _, worker in self.workers]
        tasks = graph.all_tasks([t for t in self.tasks if t.task not in own], touches, workers)
        facts = RunFacts(
            self.manifest,
            self.cells,
            [p for one in observed for p in one.processes if p.owner.task not in own],
            _counts(observed),
            tasks,
            graph.all_workers(self.manifest, workers, tasks, self.told),
        )
        opened = [touch for one in observed for touch in one.opened.touches()]
        yield from graph.statements(facts, touches, self.files(), self.software(), opened)


def _counts(observed: Iterable[Observed]) -> dict[str, int]:
    """Count what the walk read, for the run's node."""
    counts = dict.fromkeys(("lines", "events", "ignored", "unparsed", "unattributed"), 0)
    for one in observed:
        for name in ("lines", "events", "ignored", "unparsed"):
            counts[name] += getattr(one.trace, name)
        counts["unattributed"] += one.unattributed
    return counts


def ingest(directory: RunDirectory, store: Store) -> IngestSummary:
    """Load a run's evidence into a store, replacing what the store had of that run."""
    evidence = Evidence(directory)
    observed = observe_all(evidence.sources())
    run, uuid = evidence.manifest.run, evidence.manifest.uuid
    statements = store.load(run, uuid, evidence.statements(observed))
    counts = _counts(observed)
    return IngestSummary(
        run, statements, counts["lines"], counts["unparsed"], counts["unattributed"]
    )


def stage(directory: RunDirectory, name: str) -> Iterator[object]:
    """Yield the values of one stage (`STAGES`) for people to look at."""
    evidence = Evidence(directory)
    if name == "statements":
        yield from evidence.statements(observe_all(evidence.sources()))
        return
    read = _ONE_TRACE.get(name)
    if read is None:
        raise UsageError(f"{name}: no such stage; choose one of {', '.join(STAGES)}")
    for source in evidence.sources():
        yield from read(source)
