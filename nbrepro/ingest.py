"""From a run directory's evidence to the statements in a store. Read this first.

    trace lines ─▶ events ─▶ steps (accesses, marks, births, exits) ─▶ owned ─▶ touches
    touches + sightings ─▶ versions;  touches + owners of packages ─▶ roles;  all ─▶ statements

`walk` goes through one trace, the run's own or a worker's; `graph` puts them together. The same
evidence gives the same statements, whenever and wherever it is ingested.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from nbrepro.classifier import File, HostFiles, HostSoftware, judge_of
from nbrepro.engines import read_engines
from nbrepro.errors import UsageError
from nbrepro.footprints import Judge
from nbrepro.graph import Graph, all_tasks, all_workers
from nbrepro.model import Ownership
from nbrepro.owners import Window
from nbrepro.produced import read_outputs
from nbrepro.provenance import RunFacts
from nbrepro.rundir import Manifest, RunDirectory, WorkerDirectory, WorkerManifest
from nbrepro.tasks import OWN_ENGINE, TaskRecord
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
        self.engines = read_engines(directory)
        self.workers = [(w, w.read_manifest()) for w in directory.worker_directories()]

    def sources(self, apart: Collection[File] = ()) -> list[Source]:
        """List the traces: the manager's own, then each observed worker's.

        `apart` are files that must not be taken for software before all is known.
        """
        manifest = self.manifest
        sandboxed = tuple(task for task in self.engines.tasks if task.sandbox)
        own = [
            Source(
                trace=trace,
                token=manifest.token,
                cwd=manifest.cwd,
                host=manifest.host.name,
                root=manifest.kernel.pid,
                names={r.named: r.path for r in self.directory.read_names()},
                sandboxed=sandboxed,
                distributed=bool(self.engines.tasks),
                unseen=self._own_tasks,
                windows=tuple(Window(c.execution, c.started_ns, c.ended_ns) for c in self.cells),
                marked=manifest.kernel.probed,
                handles=() if number else tuple(self.directory.read_handles()),
                cells=tuple(self.cells),
                judge=judge_of(manifest, self.software[0], apart),
                children=self._children(),
            )
            for number, trace in enumerate(self.directory.trace_paths())
        ]
        of_workers = zip(self.workers, self.software[1:], strict=True)
        return own + [
            self._of_worker(trace, *pair, sandboxed, judge_of(manifest, software, apart))
            for pair, software in of_workers
            if (trace := pair[0].find_trace()) is not None
        ]

    def _children(self) -> dict[int, str]:
        """Give by pid the workers that the manager's own trace shows."""
        apart = {worker.worker for _, worker in self.workers}
        known = (0, self.manifest.kernel.pid)
        told = (w for w in self.engines.workers if w.observed and w.worker not in apart)
        return {worker.pid: worker.worker for worker in told if worker.pid not in known}

    def _of_worker(
        self,
        trace: Path,
        directory: WorkerDirectory,
        worker: WorkerManifest,
        sandboxed: Iterable[TaskRecord],
        judge: Judge,
    ) -> Source:
        return Source(
            trace=trace,
            token=self.manifest.token,
            cwd=worker.cwd,
            host=worker.host.name,
            root=worker.pid,
            names={r.named: r.path for r in directory.read_names()},
            worker=worker.worker,
            sandboxed=tuple(task for task in sandboxed if task.worker in (worker.worker, "")),
            distributed=True,
            unseen=self._own_tasks,
            offset_ns=worker.clock_offset_ns,
            judge=judge,
        )

    def files(self) -> list[HostFiles]:
        """List what files were on each host."""
        own = HostFiles(self.manifest.host.name, list(self.directory.read_sightings()))
        return [own] + [
            HostFiles(worker.host.name, list(directory.read_sightings()))
            for directory, worker in self.workers
        ]

    @cached_property
    def software(self) -> list[HostSoftware]:
        """List which packages own the software on each host, in the order of the workers."""
        own: list[Ownership] = list(self.directory.read_software())
        return [HostSoftware(self.manifest.host.name, self.manifest.roots, own)] + [
            HostSoftware(worker.host.name, worker.roots, list(directory.read_software()))
            for directory, worker in self.workers
        ]

    def graph(self) -> Graph:
        """Walk every trace, and once more where something was taken for software that is none."""
        graph = self._put_together(observe_all(self.sources()))
        if misjudged := graph.misjudged():
            graph = self._put_together(observe_all(self.sources(misjudged)))
        return graph

    def _put_together(self, observed: Sequence[Observed]) -> Graph:
        touches, taken = touches_of(observed), [t for one in observed for t in one.taken]
        workers = [worker for _, worker in self.workers]
        tasks = all_tasks(
            [task for task in self.engines.tasks if task.task not in self._own_tasks],
            chain(touches, taken),
            workers,
        )
        facts = RunFacts(
            self.manifest,
            self.cells,
            [p for one in observed for p in one.processes if p.owner.task not in self._own_tasks],
            _counts(observed),
            tasks,
            all_workers(self.manifest, workers, tasks, self.engines.workers),
            list(self.directory.read_environment()),
            read_outputs(self.directory, self.cells, self.manifest.roots),
        )
        opened = [touch for one in observed for touch in one.opened]
        return Graph(facts, touches, self.files(), self.software, taken, opened)

    @cached_property
    def _own_tasks(self) -> frozenset[str]:
        return frozenset(task.task for task in self.engines.tasks if task.engine == OWN_ENGINE)


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
    graph = evidence.graph()
    run, uuid = evidence.manifest.run, evidence.manifest.uuid
    statements = store.load(run, uuid, graph.statements())
    counts = graph.facts.counts
    return IngestSummary(
        run, statements, counts["lines"], counts["unparsed"], counts["unattributed"]
    )


def stage(directory: RunDirectory, name: str) -> Iterator[object]:
    """Yield the values of one stage (`STAGES`) for people to look at."""
    evidence = Evidence(directory)
    if name == "statements":
        yield from evidence.graph().statements()
        return
    read = _ONE_TRACE.get(name)
    if read is None:
        raise UsageError(f"{name}: no such stage; choose one of {', '.join(STAGES)}")
    for source in evidence.sources():
        yield from read(source)
