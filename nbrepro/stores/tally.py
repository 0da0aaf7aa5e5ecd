"""Count what a run is made of, as `Store.statements` gives it back.

A load may be given what runs share many times over, and twice what a relation says. The number
that is noted of a run is that of its distinct statements, so that a store can be checked by it.
"""

from __future__ import annotations

from collections import defaultdict

from nbrepro.model import Edge, Statement
from nbrepro.vocabulary import KINDS, RELATIONS


class Tally:
    """Counts the statements of the run whose nodes' IRIs begin with `base`."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._nodes: set[int] = set()
        self._named: set[int] = set()
        self._named_ends: set[int] = set()
        self._plain: set[int] = set()
        self._ends: set[str] = set()
        # What runs share is counted by what it is said of, and only where the run leads to it.
        self._kinds: dict[str, set[str]] = defaultdict(set)
        self._parts: dict[str, set[tuple[str, str]]] = defaultdict(set)

    def add(self, statement: Statement) -> None:
        """Count one statement."""
        if isinstance(statement, Edge):
            self._add_edge(statement)
        elif KINDS[statement.kind].shared:
            self._kinds[statement.uid].add(statement.kind)
        else:
            # Hashes do: of a million keys, two are one with a chance of one in ten million.
            self._nodes.add(hash((statement.uid, statement.kind)))

    def _add_edge(self, edge: Edge) -> None:
        if not edge.source.startswith(self._base):
            self._parts[edge.source].add((edge.relation, edge.target))
            return
        if not edge.target.startswith(self._base):
            self._ends.add(edge.target)
        ends = hash((edge.relation, edge.source, edge.target))
        if edge.uid and RELATIONS[edge.relation].qualified:
            self._named.add(hash((edge.relation, edge.uid)))
            self._named_ends.add(ends)
        else:
            self._plain.add(ends)

    def count(self) -> int:
        """Give the number of distinct statements so far."""
        own = len(self._nodes) + len(self._named) + len(self._plain - self._named_ends)
        return own + sum(
            len(self._kinds.get(uid, ())) + len(self._parts.get(uid, ())) for uid in self._reached()
        )

    def _reached(self) -> set[str]:
        reached: set[str] = set()
        waiting = self._ends
        while waiting:
            reached |= waiting
            found = (self._parts.get(uid, ()) for uid in waiting)
            waiting = {target for parts in found for _, target in parts} - reached
        return reached
