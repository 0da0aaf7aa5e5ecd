"""Our own rules of a run: what neither PROV-CONSTRAINTS nor a shape can say."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property

from nbrepro.model import Edge, Node, Statement, Value
from nbrepro.validity.findings import Finding
from nbrepro.validity.times import find_instant
from nbrepro.vocabulary import KINDS

TOLERANCE_NS = 10_000_000
"""By how much two times of one host may be wrong: clocks are stepped and read between calls."""

_ACCESSES = ("used", "wasGeneratedBy", "wasInvalidatedBy")


def check_rules(statements: Iterable[Statement]) -> Iterator[Finding]:
    """Yield what breaks our rules."""
    rules = _Rules(statements)
    yield from rules.dangling()
    yield from rules.periods()
    yield from rules.uses()
    yield from rules.owners()
    yield from rules.counts()


class _Rules:
    """The statements of a run by what the rules ask of them."""

    def __init__(self, statements: Iterable[Statement]) -> None:
        self._nodes: dict[str, Node] = {}
        self._edges: list[Edge] = []
        for statement in statements:
            if isinstance(statement, Node):
                self._nodes[statement.uid] = statement
            else:
                self._edges.append(statement)

    def dangling(self) -> Iterator[Finding]:
        """Find relations whose ends nobody describes."""
        for edge in self._edges:
            for end in (edge.source, edge.target):
                if end not in self._nodes:
                    why = f"{edge.relation} leads to or from it, but nothing describes it"
                    yield Finding("known-ends", 0, end, why, (_told(edge),))

    def periods(self) -> Iterator[Finding]:
        """Find what ends before it starts, by more than the clocks allow."""
        for node in self._nodes.values():
            started, ended = (_instant(node, name) for name in ("started", "ended"))
            if started is None or ended is None:
                continue
            allowed = self._tolerance(str(node.properties.get("host", "")))
            if started > ended + allowed:
                why = f"ends {(started - ended) / 1e9:.3f} s before it starts"
                yield Finding("end-after-start", 0, node.uid, why)

    def uses(self) -> Iterator[Finding]:
        """Find file versions that were used before they were made, across hosts too."""
        made: dict[str, Edge] = {}
        for edge in self._edges:
            if edge.relation == "wasGeneratedBy" and _instant(edge, "at") is not None:
                made.setdefault(edge.source, edge)
        for edge in self._edges:
            maker = made.get(edge.target) if edge.relation == "used" else None
            used_at = _instant(edge, "at")
            if maker is None or used_at is None:
                continue
            made_at = _instant(maker, "at") or 0
            hosts = {str(e.properties.get("host", "")) for e in (edge, maker)}
            if made_at > used_at + self._tolerance(*hosts):
                why = f"was used {(made_at - used_at) / 1e9:.3f} s before it was made"
                records = (_told(edge), _told(maker))
                yield Finding("use-after-generation", 0, edge.target, why, records)

    def owners(self) -> Iterator[Finding]:
        """Find accesses that belong to nobody: no activity of the run, or no evidence for it."""
        for edge in self._edges:
            if edge.relation not in _ACCESSES or not edge.uid:
                continue
            owner = edge.source if edge.relation == "used" else edge.target
            node = self._nodes.get(owner)
            if node is None or KINDS[node.kind].base != "Activity":
                yield Finding("access-owned", 0, owner, "owns an access, but is no activity",
                              (_told(edge),))  # fmt: skip
            elif not edge.properties.get("evidence") or not edge.properties.get("certainty"):
                why = "an access says neither why it belongs there, nor how sure that is"
                yield Finding("access-owned", 0, owner, why, (_told(edge),))

    def counts(self) -> Iterator[Finding]:
        """Find numbers that nodes say and the graph does not bear out."""
        kinds = Counter(node.kind for node in self._nodes.values())
        children = Counter(
            self._execution_of(edge.target)
            for edge in self._edges
            if edge.relation == "wasInformedBy" and self._kind(edge.source) == "ProcessRun"
        )
        for node in self._nodes.values():
            if node.kind == "Run":
                yield from self._count(node, "cells", kinds["CellExecution"])
                yield from self._lines(node)
            elif node.kind == "CellExecution":
                yield from self._count(
                    node, "processes", children[node.properties.get("execution")]
                )

    def _execution_of(self, uid: str) -> Value | None:
        """Give the number of the cell execution that an activity is, or that submitted it."""
        node = self._nodes.get(uid)
        return node.properties.get("execution") if node else None

    def _kind(self, uid: str) -> str:
        node = self._nodes.get(uid)
        return node.kind if node else ""

    def _count(self, node: Node, name: str, found: int) -> Iterator[Finding]:
        said = node.properties.get(name)
        if said is not None and said != found:
            yield Finding("counts", 0, node.uid, f"says {said} {name}, but has {found}")

    def _lines(self, node: Node) -> Iterator[Finding]:
        """Every line of a trace is an event, part of one, ignored or unparsed."""
        numbers = [node.properties.get(n) for n in ("lines", "events", "ignored", "unparsed")]
        lines, *parts = [n for n in numbers if isinstance(n, int)] or [0]
        if len(parts) == 3 and sum(parts) > lines:
            yield Finding("counts", 0, node.uid, f"tells of {sum(parts)} lines, but read {lines}")

    def _tolerance(self, *hosts: str) -> int:
        return TOLERANCE_NS + sum(self._clock_errors.get(host, 0) for host in hosts)

    @cached_property
    def _clock_errors(self) -> dict[str, int]:
        """How far each host's clock may be off the run's, as its workers measured it."""
        errors: dict[str, int] = defaultdict(int)
        for node in self._nodes.values():
            error = node.properties.get("clock_error_ns")
            if node.kind == "Worker" and isinstance(error, int):
                host = str(node.properties.get("host", ""))
                errors[host] = max(errors[host], error)
        return errors


def _instant(statement: Statement, name: str) -> int | None:
    return find_instant(str(statement.properties.get(name, "")))


def _told(edge: Edge) -> str:
    name = f"{edge.uid}; " if edge.uid else ""
    return f"{edge.relation}({name}{edge.source}, {edge.target})"
