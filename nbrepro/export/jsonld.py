"""Write JSON-LD 1.1: the RDF of `rdf` in its named graphs, its context in it, a node a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

from nbrepro.export.extract import Extract
from nbrepro.model import Edge, Node, Statement, Value
from nbrepro.stores.forms import to_form
from nbrepro.stores.rdf import BUNDLE_PROPERTIES, iri, literal_text, term
from nbrepro.vocabulary import (
    KINDS,
    META_GRAPH,
    PREFIXES,
    PROV,
    REFERENCES,
    RELATIONS,
    SHARED_GRAPH,
    TIMES,
    XSD,
    property_iri,
)

_TOLD_EACH = 2000


def write_json_ld(extract: Extract, out: BinaryIO) -> None:
    """Write the extract as JSON-LD."""
    out.write(f'{{"@context": {json.dumps(PREFIXES)},\n"@graph": ['.encode())
    note = [{"@type": ["prov:Bundle"], **_literals(_noted(extract)), "@id": extract.base}]
    opener = "\n"
    for graph, objects in (
        (extract.base, _objects(extract, shared=False)),
        (SHARED_GRAPH, _objects(extract, shared=True)),
        (META_GRAPH, note),
    ):
        out.write(f'{opener}{{"@id": {json.dumps(_iri(graph))}, "@graph": ['.encode())
        _write_objects(objects, out)
        out.write(b"]}")
        opener = ",\n"
    out.write(b"]}\n")


def _write_objects(objects: Iterable[Mapping[str, Any]], out: BinaryIO) -> None:
    opener = "\n"
    for one in objects:
        out.write(f"{opener}{json.dumps(one)}".encode())
        opener = ",\n"


def _noted(extract: Extract) -> dict[str, Value]:
    noted = {name: extract.run.get(name, "") for name in BUNDLE_PROPERTIES}
    return {**noted, "statements": extract.noted}


def _objects(extract: Extract, shared: bool) -> Iterator[dict[str, Any]]:
    whole, told = len(extract), set()
    for number, statement in enumerate(extract.statements(), 1):
        if _is_shared(statement, extract.base) == shared:
            form, role = to_form(statement)
            yield from _described(form)
            if role is not None and role.uid not in told:
                told.add(role.uid)
                yield from _described(role)
        if number % _TOLD_EACH == 0:
            extract.say("writing JSON-LD", number, whole)


def _is_shared(statement: Statement, base: str) -> bool:
    if isinstance(statement, Node):
        return KINDS[statement.kind].shared
    return not statement.source.startswith(base)


def _described(statement: Statement) -> Iterator[dict[str, Any]]:
    if isinstance(statement, Node):
        base, classes, _ = KINDS[statement.kind]
        types = [_short(type_) for type_ in dict.fromkeys((PROV + base, *classes))]
        yield {"@id": _iri(statement.uid), "@type": types, **_literals(statement.properties)}
    else:
        yield from _edge(statement)


def _edge(edge: Edge) -> Iterator[dict[str, Any]]:
    relation = RELATIONS[edge.relation]
    source: dict[str, Any] = {
        "@id": _iri(edge.source),
        _short(relation.plain): {"@id": _iri(edge.target)},
    }
    if edge.uid and relation.qualified:
        property_, type_, role = relation.qualified
        source[_short(property_)] = {
            "@id": _iri(edge.uid),
            "@type": [_short(type_)],
            _short(role): {"@id": _iri(edge.target)},
            **_literals(edge.properties),
        }
    yield source


def _literals(properties: Mapping[str, Value]) -> dict[str, Any]:
    return {
        _short(property_iri(name)): _value(name, value)
        for name, value in properties.items()
        if value != ""
    }


def _value(name: str, value: Value) -> Any:
    if isinstance(value, str):
        if name in REFERENCES:
            return {"@id": _iri(value)}
        text = literal_text(value)
        return {"@value": text, "@type": "xsd:dateTime"} if name in TIMES else text
    # As N-Quads has it: a number of JSON would lose digits or its datatype.
    text, _, datatype = term(name, value).rpartition("^^")
    return {"@value": text.strip('"'), "@type": f"xsd:{datatype[1:-1].removeprefix(XSD)}"}


def _iri(uid: str) -> str:
    return iri(uid)[1:-1]


def _short(uid: str) -> str:
    for prefix, space in PREFIXES.items():
        if uid.startswith(space):
            return f"{prefix}:{uid.removeprefix(space)}"
    return uid
