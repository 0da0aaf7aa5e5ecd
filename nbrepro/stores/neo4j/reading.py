"""Read a run back: the statements that were loaded, and the shared ones they lead to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nbrepro.model import Edge, Node, Statement
from nbrepro.stores.batches import batches
from nbrepro.stores.neo4j.rows import exact
from nbrepro.vocabulary import KINDS, RELATIONS

if TYPE_CHECKING:
    import neo4j

_NODES = "MATCH (n:Prov {run: $run}) RETURN labels(n), n.uid, properties(n)"
_EDGES = """
MATCH (n:Prov {run: $run})-[r]->(m:Prov)
RETURN type(r), n.uid, m.uid, properties(r)
"""
_LED_TO = """
MATCH (n:Prov {run: $run})-->(m:Prov) WHERE m.run IS NULL
RETURN DISTINCT m.uid
"""
_SHARED = """
UNWIND $uids AS uid MATCH (n:Prov {uid: uid}) WHERE n.run IS NULL
RETURN labels(n), n.uid, properties(n)
"""
_SHARED_EDGES = """
UNWIND $uids AS uid MATCH (n:Prov {uid: uid})-[r]->(m:Prov) WHERE n.run IS NULL
RETURN type(r), n.uid, m.uid, properties(r)
"""
_AT_ONCE = 5_000


def read_statements(transaction: neo4j.ManagedTransaction, run: str) -> list[Statement]:
    """Give the statements of a run and the shared ones they lead to, each once.

    Nodes come first, by uid; then the edges with a name, by it; then the plain ones that say more.
    """
    shared = sorted(_closure(transaction, run))
    nodes = [*_nodes(transaction.run(_NODES, run=run))]
    edges = [*_edges(transaction.run(_EDGES, run=run))]
    for uids in batches(shared, _AT_ONCE):
        nodes += _nodes(transaction.run(_SHARED, uids=uids))
        edges += _edges(transaction.run(_SHARED_EDGES, uids=uids))
    named = sorted((edge for edge in edges if edge.uid), key=lambda edge: edge.uid)
    told = {_ends(edge) for edge in named}
    plain = {_ends(edge): edge for edge in edges if not edge.uid}
    return [
        *sorted(nodes, key=lambda node: (node.uid, node.kind)),
        *named,
        *(plain[key] for key in sorted(plain.keys() - told)),
    ]


def _ends(edge: Edge) -> tuple[str, str, str]:
    return edge.source, RELATIONS[edge.relation].plain, edge.target


def _closure(transaction: neo4j.ManagedTransaction, run: str) -> set[str]:
    seen: set[str] = set()
    waiting = {uid for (uid,) in transaction.run(_LED_TO, run=run).values()}
    while waiting:
        seen |= waiting
        found: set[str] = set()
        for uids in batches(sorted(waiting), _AT_ONCE):
            ends = transaction.run(_SHARED_EDGES, uids=uids).values()
            found.update(target for _, _, target, _ in ends)
        waiting = found - seen
    return seen


def _nodes(result: neo4j.Result) -> Iterator[Node]:
    for labels, uid, properties in result:
        # A node without a kind only ends a relationship: no statement describes it.
        for kind in sorted(set(labels) & KINDS.keys()):
            yield Node(uid, kind, exact(properties))


def _edges(result: neo4j.Result) -> Iterator[Edge]:
    for relation, source, target, properties in result:
        yield Edge(relation, source, target, properties.get("uid", ""), exact(properties))
