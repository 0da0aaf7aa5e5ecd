"""Read back what PROV-JSON says of our own graphs: every node and edge, as it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nbrepro.export.provrecords import PERIOD
from nbrepro.model import Edge, Node, Statement, Value
from nbrepro.stores.statements import property_name
from nbrepro.validity.provjson import Document
from nbrepro.validity.records import OBJECTS, SIGNATURES, Record
from nbrepro.vocabulary import KINDS, PROV, RELATIONS

_KINDS = {kind.classes[0]: name for name, kind in KINDS.items()}
_PLAIN = {relation.plain: name for name, relation in RELATIONS.items()}
_LABEL, _LOCATION, _TYPE = PROV + "label", PROV + "location", PROV + "type"
_NAMES = {_LABEL: "label", **{iri: name for name, iri in PERIOD.items()}}
_NUMBERS = frozenset({"int", "long", "integer", "short", "byte"})


def is_own(document: Document) -> bool:
    """Tell whether a document is the graph of one run, as we write it."""
    return any(KINDS["Run"].classes[0] in record.types for record in document.bundles.get("", ()))


def own_statements(document: Document) -> Iterator[Statement]:
    """Yield the nodes, then the edges, of a document that `is_own`."""
    edges: list[Edge] = []
    for record, attributes in zip(document.bundles[""], document.attributes[""], strict=True):
        if record.kind in OBJECTS:
            kind = next((_KINDS[type_] for type_ in record.types if type_ in _KINDS), None)
            if kind is not None:
                yield Node(record.uid, kind, _node_properties(record, attributes))
                edges += _attribute_edges(record.uid, attributes)
        else:
            edges.append(_edge(record, attributes))
    yield from edges


def _node_properties(record: Record, attributes: list[tuple[str, Any]]) -> dict[str, Value]:
    found = _properties(attributes)
    if record.kind == "activity":
        for name, time in zip(("started", "ended"), record.arguments, strict=True):
            if time:
                found[name] = time
    return dict(sorted(found.items()))


def _properties(attributes: list[tuple[str, Any]]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for iri, value in attributes:
        name = _NAMES.get(iri) or property_name(iri)
        if name and iri != _TYPE and iri not in _PLAIN and iri != _LOCATION:
            found[name] = to_value(value)
    return found


def _attribute_edges(uid: str, attributes: list[tuple[str, Any]]) -> Iterator[Edge]:
    for iri, value in attributes:
        relation = "atLocation" if iri == _LOCATION else _PLAIN.get(iri)
        if relation and isinstance(value, dict):
            yield Edge(relation, uid, str(value.get("$", "")))


def _edge(record: Record, attributes: list[tuple[str, Any]]) -> Edge:
    given = dict(zip((one.name for one in SIGNATURES[record.kind]), record.arguments, strict=True))
    source, target = record.arguments[:2]
    properties = _properties(attributes)
    if given.get("time"):
        properties["at"] = given["time"]
    if given.get("plan"):
        properties["plan"] = given["plan"]
    revised = PROV + "Revision" in record.types
    name = "wasRevisionOf" if revised else record.kind
    uid = "" if record.uid.startswith("_:") else record.uid
    return Edge(name, source, target, uid, dict(sorted(properties.items())))


def to_value(value: Any) -> Value:
    """Give a value of PROV-JSON as a property: a number, a truth, or text."""
    if not isinstance(value, dict):
        return value if isinstance(value, str | int | float | bool) else str(value)
    text, datatype = str(value.get("$", "")), str(value.get("type", "")).rpartition(":")[2]
    try:
        if datatype in _NUMBERS:
            return int(text)
        if datatype in ("double", "float", "decimal"):
            return float(text.replace("INF", "inf"))
    except ValueError:
        return text
    return text == "true" if datatype == "boolean" else text
