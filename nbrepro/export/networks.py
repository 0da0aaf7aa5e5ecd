"""The graph of a run for networkx."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from nbrepro.model import Node, Statement

if TYPE_CHECKING:
    import networkx

_RENAMED = {"kind": "file_kind"}
"""A file's own kind gives way to the node's kind."""


def make_network(statements: Iterable[Statement]) -> networkx.MultiDiGraph[str]:
    """Make a directed graph: nodes by uid with `kind`, edges by relation, both with properties.

    Two things may be related twice (read, then read and written): it is a MultiDiGraph, networkx's
    DiGraph that keeps parallel edges. An edge's key is its uid, or its relation where it has none;
    its attribute `relation` names it. Edges point from the later thing to the earlier, as in PROV.
    A file's own kind (`file`, `directory`, ...) is the attribute `file_kind`.
    """
    import networkx

    graph: networkx.MultiDiGraph[str] = networkx.MultiDiGraph()
    for statement in statements:
        if isinstance(statement, Node):
            graph.add_node(statement.uid, kind=statement.kind, **_attributes(statement))
        else:
            graph.add_edge(
                statement.source,
                statement.target,
                key=statement.uid or statement.relation,
                relation=statement.relation,
                **statement.properties,
            )
    return graph


def make_simple_network(statements: Iterable[Statement]) -> networkx.DiGraph[str]:
    """Make a plain DiGraph: one edge between two nodes, whatever relates them, and however often.

    Its attribute `relations` names their relations, sorted and each once; `details` holds the
    attributes that the edges of `make_network` have, in their order. Nodes are as there.
    """
    import networkx

    full = make_network(statements)
    graph: networkx.DiGraph[str] = networkx.DiGraph()
    graph.add_nodes_from(full.nodes(data=True))
    for source, ends in full.adjacency():
        for target, edges in ends.items():
            details = tuple(edges.values())
            relations = tuple(sorted({str(edge["relation"]) for edge in details}))
            graph.add_edge(source, target, relations=relations, details=details)
    return graph


def _attributes(node: Node) -> dict[str, Any]:
    return {_RENAMED.get(name, name): value for name, value in node.properties.items()}
