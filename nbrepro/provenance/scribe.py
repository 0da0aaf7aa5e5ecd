"""Names and makes the nodes and edges of one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from nbrepro.model import Edge, Node, Owner, Value
from nbrepro.provenance.identity import segment
from nbrepro.rundir import CellRecord, EnvironmentRead, Manifest, WorkerManifest
from nbrepro.tasks import TaskRecord
from nbrepro.vocabulary import run_iri


class ProcessRecord(NamedTuple):
    """A child process of the kernel: who started it, what it ran and how it ended."""

    pid: int
    generation: int
    owner: Owner
    executable: str
    started_ns: int
    ended_ns: int
    status: str


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What the graph of one run is made of, besides its files.

    `outputs` holds, by execution, the digest of the normalised outputs that it left.
    """

    manifest: Manifest
    cells: Sequence[CellRecord]
    processes: Sequence[ProcessRecord]
    counts: Mapping[str, int] = field(default_factory=dict)
    tasks: Sequence[TaskRecord] = ()
    workers: Sequence[WorkerManifest] = ()
    environment: Sequence[EnvironmentRead] = ()
    outputs: Mapping[int, str] = field(default_factory=dict)


class Scribe:
    """Makes the nodes and edges of one run: its IRI and a counter name them all."""

    def __init__(self, facts: RunFacts) -> None:
        self.facts = facts
        self.base = run_iri(facts.manifest.uuid)
        self._tasks = {task.task: f"task/{n}" for n, task in enumerate(facts.tasks, 1)}
        self._edges = 0

    def node(self, kind: str, name: str, /, **properties: Value) -> Node:
        """Make a node of the run, called `name` below the run's IRI."""
        return Node(self.base + name, kind, {"run": self.facts.manifest.run, **properties})

    def edge(self, relation: str, source: str, target: str, /, **properties: Value) -> Edge:
        """Make a relationship between two nodes of the run, with a name of its own where it has
        properties: what says nothing more needs no qualified form."""
        if not properties:
            return self.plain(relation, source, target)
        self._edges += 1
        uid = f"{self.base}edge/{self._edges}"
        return Edge(relation, self.base + source, self.base + target, uid, properties)

    def plain(self, relation: str, source: str, target: str) -> Edge:
        """Make a relationship between two nodes of the run that needs no name."""
        return Edge(relation, self.base + source, self.base + target)

    def activity(self, owner: Owner) -> str:
        """Name an owner's activity: a task, a cell execution, or the kernel or worker itself."""
        if owner.task in self._tasks:
            return self._tasks[owner.task]
        if owner.execution:
            return f"execution/{owner.execution}"
        return f"session/{segment(owner.worker)}" if owner.worker else "session"
