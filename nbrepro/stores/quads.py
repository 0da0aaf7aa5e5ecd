"""What RDF stores tell of one run: its quads with the shared ones they lead to, its note, its dump.

Every function reads an Oxigraph store, on disk or in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pyoxigraph as ox

from nbrepro.stores.interface import Kept
from nbrepro.vocabulary import META_GRAPH, NBR, SHARED_GRAPH

META = ox.NamedNode(META_GRAPH)
SHARED = ox.NamedNode(SHARED_GRAPH)


def dump_lines(store: ox.Store, graph: ox.NamedNode) -> list[str]:
    """Give the sorted N-Quads lines of the run in a graph, with its bundle and what it shares."""
    bundle = store.quads_for_pattern(graph, None, None, META)
    return sorted({f"{quad} .\n" for quad in (*run_quads(store, graph), *bundle)})


def run_quads(store: ox.Store, graph: ox.NamedNode) -> list[ox.Quad]:
    """Give the quads of a run's graph, and those of shared nodes that they lead to."""

    def describe(nodes: set[ox.NamedNode]) -> list[ox.Quad]:
        return [q for node in nodes for q in store.quads_for_pattern(node, None, None, SHARED)]

    own = list(store.quads_for_pattern(None, None, None, graph))
    return [*own, *shared_by(own, describe)]


def shared_by(
    quads: Iterable[ox.Quad], describe: Callable[[set[ox.NamedNode]], list[ox.Quad]]
) -> Iterator[ox.Quad]:
    """Yield the quads of all shared nodes that quads lead to; `describe` gives those of nodes."""
    waiting = objects_of(quads)
    seen: set[ox.NamedNode] = set()
    while waiting:
        seen |= waiting
        found = describe(waiting)
        yield from found
        waiting = objects_of(found) - seen


def objects_of(quads: Iterable[ox.Quad | ox.Triple]) -> set[ox.NamedNode]:
    """Give the nodes that quads lead to."""
    return {quad.object for quad in quads if isinstance(quad.object, ox.NamedNode)}


def kept_note(store: ox.Store, graph: ox.NamedNode) -> Kept:
    """Read what the bundle of a run notes of its load."""
    noted = {
        quad.predicate.value.removeprefix(NBR): quad.object.value
        for quad in store.quads_for_pattern(graph, None, None, META)
        if isinstance(quad.object, ox.Literal)
    }
    return Kept(noted.get("uuid", ""), int(noted.get("statements", "0")))
