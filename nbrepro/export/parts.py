"""Choose a part of a run's graph: what some of its activities did, and what describes that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from nbrepro.export.extract import ATTRIBUTES, Extract
from nbrepro.model import Edge, Node, Statement
from nbrepro.vocabulary import footprint_iri

_ACCESSES = frozenset({"used", "wasGeneratedBy", "wasInvalidatedBy"})
_DESCRIBING = ("specializationOf", "hadMember", "actedOnBehalfOf", *ATTRIBUTES)
"""Relations to what a thing is, where it is, or what it is part of."""

Step = tuple[int | None, str | None, str | None]
"""An activity as answers name it: its execution, task and worker."""


@dataclass(frozen=True)
class Part:
    """Which part: of a cell (by position), a task, a worker, or a lineage (its steps and the
    IRIs of its file versions). `name` says it in words."""

    name: str
    cell: int | None = None
    task: str | None = None
    worker: str | None = None
    steps: frozenset[Step] | None = None
    versions: frozenset[str] | None = None

    def has(self, node: Node) -> bool:
        """Tell whether an activity is of the part by itself."""
        given: Any = node.properties.get
        if self.steps is not None:
            return _step(node) in self.steps
        if node.kind == "Task":
            wanted = {"cell": self.cell, "task": self.task, "worker": self.worker}
            return all(value in (None, given(name)) for name, value in wanted.items())
        of_cell = node.kind == "CellExecution" and self.task is None and self.worker is None
        return of_cell and self.cell == given("cell")


def _step(node: Node) -> Step | None:
    given: Any = node.properties.get
    if node.kind == "Task":
        return (given("execution"), given("task"), given("worker"))
    if node.kind == "CellExecution":
        return (given("execution"), None, None)
    return (None, None, None) if node.uid.endswith("/session") else None


def choose_part(whole: Extract, part: Part) -> Iterator[Statement]:
    """Yield the nodes and edges of a part; the run's node says in `part` which it is."""
    acting = _acting(whole, part)
    kept = set(acting) | {edge.target for edge in _accesses(whole, acting, part)}
    _follow(whole, kept, lambda edge: edge.source in acting, "wasAssociatedWith")
    kept.add(whole.base)
    kept |= part.versions or set()
    size = 0
    while size != len(kept):
        size = len(kept)
        _follow(whole, kept, lambda edge: edge.source in kept, *_DESCRIBING)
        _follow(whole, kept, lambda edge: edge.source == whole.base, "wasAssociatedWith")
    for node in whole.nodes():
        if node.uid in kept:
            more = {"part": part.name} if node.kind == "Run" else {}
            yield Node(node.uid, node.kind, {**node.properties, **more})
    for edge in whole.edges():
        ours = edge.relation not in _ACCESSES or _activity(edge) in acting
        if ours and edge.source in kept and edge.target in kept:
            yield edge


def _acting(whole: Extract, part: Part) -> set[str]:
    """Find the activities of a part, with the processes that they started."""
    acting = {node.uid for node in whole.nodes("Activity") if part.has(node)}
    if part.worker is not None:
        workers = {n.uid for n in whole.nodes("Agent") if n.properties.get("worker") == part.worker}
        acting |= {e.source for e in whole.edges("wasAssociatedWith") if e.target in workers}
    processes = f"{whole.base}process/"
    started = [e for e in whole.edges("wasInformedBy") if e.source.startswith(processes)]
    size = 0
    while size != len(acting):
        size = len(acting)
        acting |= {edge.source for edge in started if edge.target in acting}
    return acting


def _accesses(whole: Extract, acting: set[str], part: Part) -> Iterator[Edge]:
    """Yield what the activities did, each edge from its activity to the entity."""
    footprints = footprint_iri("")
    for edge in whole.edges(*_ACCESSES):
        activity = _activity(edge)
        entity = edge.target if activity == edge.source else edge.source
        if activity not in acting:
            continue
        if part.versions is None or entity in part.versions or entity.startswith(footprints):
            yield Edge(edge.relation, activity, entity)


def _activity(edge: Edge) -> str:
    return edge.source if edge.relation == "used" else edge.target


def _follow(
    whole: Extract, kept: set[str], wanted: Callable[[Edge], bool], *relations: str
) -> None:
    for edge in whole.edges(*relations):
        if wanted(edge):
            kept.add(edge.target)
            plan = edge.properties.get("plan")
            if plan:
                kept.add(str(plan))
