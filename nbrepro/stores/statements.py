"""Read statements back from the quads that `stores.rdf` made of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

import pyoxigraph as ox

from nbrepro.model import Edge, Node, Statement, Value
from nbrepro.stores.forms import from_form
from nbrepro.stores.terms import CONVERSIONS
from nbrepro.vocabulary import (
    KINDS,
    NBR,
    RDF,
    REFERENCES,
    RELATIONS,
    STANDARD_PROPERTIES,
    from_text,
    property_iri,
)

_TYPE = RDF + "type"
_KINDS = {kind.classes[0]: name for name, kind in KINDS.items()}
_PLAIN = {relation.plain: name for name, relation in RELATIONS.items()}
_NAMES = {iri: name for name, iri in STANDARD_PROPERTIES.items()}


class _Qualified(NamedTuple):
    relation: str
    link: str
    target: str


_QUALIFIED = {
    relation.qualified[1]: _Qualified(name, relation.qualified[0], relation.qualified[2])
    for name, relation in RELATIONS.items()
    if relation.qualified
}
_LINKS = frozenset(qualified.link for qualified in _QUALIFIED.values())


class _Described:
    """What the quads say of one subject."""

    __slots__ = ("types", "values")

    def __init__(self) -> None:
        self.types: set[str] = set()
        self.values: list[tuple[str, ox.Literal | ox.NamedNode]] = []

    def object_of(self, predicate: str) -> str:
        """Give the node that a predicate leads to, or an empty text."""
        found = (o.value for p, o in self.values if p == predicate and isinstance(o, ox.NamedNode))
        return next(found, "")


def read_statements(quads: Iterable[ox.Quad]) -> Iterator[Statement]:
    """Yield each statement once, nodes before edges, both sorted by what they name.

    The quads are those of a whole run. What no statement is written as (a stranger's triple) is
    not yielded.
    """
    yield from from_form(_written(quads))


def _written(quads: Iterable[ox.Quad]) -> Iterator[Statement]:
    subjects: dict[str, _Described] = {}
    for quad in quads:
        if isinstance(quad.subject, ox.NamedNode):
            uid = quad.subject.value
            described = subjects.get(uid)
            if described is None:
                described = subjects[uid] = _Described()
            _describe(described, quad)
    ordered = sorted(subjects.items())
    for uid, described in ordered:
        for kind in sorted(_KINDS[type_] for type_ in described.types if type_ in _KINDS):
            yield Node(uid, kind, _properties(described))
    yield from _edges(ordered)


def _describe(described: _Described, quad: ox.Quad) -> None:
    if quad.predicate.value == _TYPE:
        if isinstance(quad.object, ox.NamedNode):
            described.types.add(quad.object.value)
    elif isinstance(quad.object, ox.Literal | ox.NamedNode):
        described.values.append((quad.predicate.value, quad.object))


def _edges(subjects: list[tuple[str, _Described]]) -> Iterator[Edge]:
    sources = {
        (predicate, value.value): source
        for source, described in subjects
        for predicate, value in described.values
        if predicate in _LINKS
    }
    named: set[tuple[str, str, str]] = set()
    for uid, described in subjects:
        for edge in _named_edges(uid, described, sources):
            named.add((edge.relation, edge.source, edge.target))
            yield edge
    for source, described in subjects:
        for predicate, value in sorted(described.values, key=lambda pair: (pair[0], pair[1].value)):
            key = (_PLAIN.get(predicate, ""), source, value.value)
            if key[0] and isinstance(value, ox.NamedNode) and key not in named:
                yield Edge(*key)


def _named_edges(
    uid: str, described: _Described, sources: dict[tuple[str, str], str]
) -> Iterator[Edge]:
    for type_ in sorted(described.types & _QUALIFIED.keys()):
        relation, link, target = _QUALIFIED[type_]
        ends = sources.get((link, uid), ""), described.object_of(target)
        if all(ends):
            yield Edge(relation, *ends, uid, _properties(described))


def _properties(described: _Described) -> dict[str, Value]:
    found = {
        name: _value(value)
        for predicate, value in described.values
        if (name := property_name(predicate))
        and isinstance(value, ox.Literal) != (name in REFERENCES)
    }
    return dict(sorted(found.items()))


@lru_cache(maxsize=1024)
def property_name(predicate: str) -> str:
    """Give the snake_case name of a property, or an empty text where it is none of ours."""
    known = _NAMES.get(predicate)
    if known:
        return known
    local = predicate.removeprefix(NBR)
    name = "".join(f"_{c.lower()}" if c.isupper() else c for c in local)
    return name if local != predicate and property_iri(name) == predicate else ""


def _value(term: ox.Literal | ox.NamedNode) -> Value:
    if isinstance(term, ox.NamedNode):
        return term.value
    return CONVERSIONS.get(term.datatype.value, from_text)(term.value)
