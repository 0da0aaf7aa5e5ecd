"""Write statements as RDF: N-Quads lines in both forms of PROV-O, the same lines every time.

Each statement is first given the form of `stores.forms`, which leaves out what would be said twice.
A node becomes its types and its properties. An edge becomes the plain triple that paths follow
(`source prov:used target`) and, where it has a uid and its relation a qualified form, that form
too, with the edge's properties. An empty text stands for "unknown" and is not written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from math import isfinite
from urllib.parse import quote

from nbrepro.errors import StoreError
from nbrepro.model import Edge, Node, Statement, Value
from nbrepro.stores.forms import to_form
from nbrepro.vocabulary import (
    KINDS,
    META_GRAPH,
    PROV,
    RDF,
    REFERENCES,
    RELATIONS,
    SHARED_GRAPH,
    TIMES,
    XSD,
    property_iri,
    run_iri,
    to_text,
)

_TYPE = f"<{RDF}type>"
_PLAIN_IRI = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9._~:/?#@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*"
)
_IRI_CHARACTERS = "-._~:/?#@!$&'()*+,;=%"
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SPECIAL = re.compile(r'[\x00-\x1f"\\\x7f]')
_UNESCAPED = re.compile(r"[ !#-\[\]-~]*")
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}

BUNDLE_PROPERTIES = (
    "run", "uuid", "notebook", "status", "error", "started", "ended", "seconds", "host", "tracer",
    "cells", "logical_key",
)  # fmt: skip
"""What the bundle of a run repeats from its Run node, so that `runs` reads one small graph."""


class RunWriter:
    """Writes the statements of one run: which lines, and in which graph."""

    def __init__(self, uuid: str) -> None:
        self.base = run_iri(uuid)
        self._graph = f" {iri(self.base)} .\n"
        self._shared = f" <{SHARED_GRAPH}> .\n"
        self.run_properties: Mapping[str, Value] = {}
        self._roles: set[str] = set()

    def lines(self, statement: Statement) -> tuple[bool, list[str]]:
        """Give whether runs share a statement, and its N-Quads lines with their line ends."""
        statement, role = to_form(statement)
        if isinstance(statement, Node):
            shared = KINDS[statement.kind].shared
            if statement.kind == "Run":
                self.run_properties = statement.properties
            triples = _node(statement)
        else:
            shared = not statement.source.startswith(self.base)
            triples = _edge(statement)
            if role is not None and role.uid not in self._roles:
                self._roles.add(role.uid)
                triples += _node(role)
        end = self._shared if shared else self._graph
        return shared, [triple + end for triple in triples]

    def bundle(self, run: str, statements: int) -> list[str]:
        """Give the lines that make the run visible; `statements` is how many it was made from."""
        properties = {name: self.run_properties.get(name, "") for name in BUNDLE_PROPERTIES}
        properties |= {"run": run, "statements": statements}
        subject = iri(self.base)
        end = f" <{META_GRAPH}> .\n"
        return [
            f"{subject} {_TYPE} <{PROV}Bundle>{end}",
            *(triple + end for triple in _properties(subject, properties)),
        ]


def check_described(run: str, properties: Mapping[str, Value]) -> None:
    """Check that the statements of a run named its Run node, whose properties these are.

    Raises StoreError.
    """
    if not properties:
        raise StoreError(f"run {run}: its statements name no Run node; nothing is kept")


def part_marker(node: Node, lines: list[str]) -> tuple[str, list[str]]:
    """Part the line with a node's first type, which is written last, from its other lines."""
    marker = f" <{KINDS[node.kind].classes[0]}> "
    (last,) = (line for line in lines if marker in line)
    return last, [line for line in lines if marker not in line]


def _node(node: Node) -> list[str]:
    subject = iri(node.uid)
    types = [subject + types for types in _types(node.kind)]
    return types + _properties(subject, node.properties)


@lru_cache
def _types(kind: str) -> tuple[str, ...]:
    base, classes, _ = KINDS[kind]
    return tuple(f" {_TYPE} <{type_}>" for type_ in dict.fromkeys((PROV + base, *classes)))


def _edge(edge: Edge) -> list[str]:
    relation = RELATIONS[edge.relation]
    source, target = iri(edge.source), iri(edge.target)
    plain = f"{source} <{relation.plain}> {target}"
    if not (edge.uid and relation.qualified):
        return [plain]
    property_, type_, role = relation.qualified
    subject = iri(edge.uid)
    return [
        plain,
        f"{source} <{property_}> {subject}",
        f"{subject} {_TYPE} <{type_}>",
        f"{subject} <{role}> {target}",
        *_properties(subject, edge.properties),
    ]


def _properties(subject: str, properties: Mapping[str, Value]) -> list[str]:
    return [
        f"{subject} {_predicate(name)} {term(name, value)}"
        for name, value in properties.items()
        if value != ""
    ]


@lru_cache(maxsize=256)
def _predicate(name: str) -> str:
    return f"<{property_iri(name)}>"


def term(name: str, value: Value) -> str:
    """Give the N-Quads term for the value of the property `name`."""
    if isinstance(value, str):
        if name in REFERENCES:
            return iri(value)
        if name in TIMES:
            return f'"{escape(value)}"^^<{XSD}dateTime>'
        return f'"{escape(value)}"'
    if isinstance(value, bool):
        return f'"{str(value).lower()}"^^<{XSD}boolean>'
    if isinstance(value, int):
        return f'"{value}"^^<{XSD}integer>'
    text = repr(value) if isfinite(value) else _not_finite(value)
    return f'"{text}"^^<{XSD}double>'


def _not_finite(value: float) -> str:
    return "NaN" if value != value else "INF" if value > 0 else "-INF"


def literal_text(value: str) -> str:
    """Give text as a literal can hold it: bytes that are not UTF-8 move to where RDF has room.

    A surrogate that stands for no byte (JSON can carry one) becomes U+FFFD.
    """
    return value if value.isascii() else _SURROGATE.sub("\ufffd", to_text(value))


def escape(value: str) -> str:
    """Escape text for a literal between double quotes."""
    if _UNESCAPED.fullmatch(value):
        return value
    return _SPECIAL.sub(_escaped, literal_text(value))


def _escaped(match: re.Match[str]) -> str:
    character = match.group()
    return _ESCAPES.get(character) or f"\\u{ord(character):04X}"


@lru_cache(maxsize=65536)
def iri(uid: str) -> str:
    """Give a uid between angle brackets; what an IRI may not hold is percent-encoded."""
    if _PLAIN_IRI.fullmatch(uid):
        return f"<{uid}>"
    encoded = quote(
        _STRAY_PERCENT.sub("%25", uid).encode("utf-8", "surrogatepass"), safe=_IRI_CHARACTERS
    )
    if not _PLAIN_IRI.fullmatch(encoded):
        raise StoreError(f"{uid!r} cannot name a node of the graph; give it an absolute IRI")
    return f"<{encoded}>"
