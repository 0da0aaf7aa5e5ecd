"""The PROV-DM records that a graph is made of, as PROV-JSON, PROV-N and PROV-XML write them.

Every node is an entity, activity or agent with its classes as types and its properties as
attributes; every relation that PROV-DM has is that, a revision a derivation of type prov:Revision,
and any other an attribute of its source (prov:location, nbr:partOfRun, ...).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import NamedTuple

from nbrepro.export.extract import Extract
from nbrepro.export.qnames import QNames
from nbrepro.model import Edge, Node, Value
from nbrepro.stores.rdf import literal_text
from nbrepro.vocabulary import KINDS, NBR, PROV, RELATIONS

NAME, TIME, TEXT = "xsd:QName", "time", ""
"""What a value may be besides a literal with a datatype of XML Schema."""

Typed = tuple[str, str]
"""A value's text, and NAME, TIME, TEXT or its datatype."""


class ProvRecord(NamedTuple):
    """A record: its kind in PROV-N, its qualified name (empty for none), its arguments by their
    PROV-JSON names, in order, and its attributes in order."""

    kind: str
    name: str
    arguments: Mapping[str, Typed]
    attributes: list[tuple[str, Typed]]


_ENDS = {
    "used": ("activity", "entity"),
    "wasGeneratedBy": ("entity", "activity"),
    "wasInvalidatedBy": ("entity", "activity"),
    "wasDerivedFrom": ("generatedEntity", "usedEntity"),
    "wasRevisionOf": ("generatedEntity", "usedEntity"),
    "wasAssociatedWith": ("activity", "agent"),
    "wasInformedBy": ("informed", "informant"),
    "actedOnBehalfOf": ("delegate", "responsible"),
    "specializationOf": ("specificEntity", "generalEntity"),
    "hadMember": ("collection", "entity"),
}
"""The relations of PROV-DM with the names of their ends."""

_NAMELESS = frozenset({"specializationOf", "hadMember"})
PERIOD = {"started": NBR + "started", "ended": NBR + "ended"}
"""What these are called where they are no arguments: on agents and entities."""
_FORMAL = frozenset({"started", "ended", "at", "plan"})
"""Properties that are arguments of their record."""
_TIMED = frozenset({"used", "wasGeneratedBy", "wasInvalidatedBy"})
_INT, _LONG = range(-(2**31) + 1, 2**31), range(-(2**63), 2**63)


class ProvRecords:
    """The records of an extract; `names` gives and gathers their qualified names."""

    def __init__(self, extract: Extract) -> None:
        self._extract = extract
        self.names = QNames(extract.base)
        self._types: dict[str, list[tuple[str, Typed]]] = {}

    def __len__(self) -> int:
        return sum(
            count for what, count in self._extract.counts.items() if what in KINDS or what in _ENDS
        )

    def of_kind(self, kind: str) -> Iterator[ProvRecord]:
        """Yield the records of one kind, in order."""
        if kind in _BASES:
            for node in self._extract.nodes(_BASES[kind]):
                yield self._object(kind, node)
        else:
            for relation in _BY_KIND[kind]:
                for edge in self._extract.edges(relation):
                    yield self._relation(kind, edge)

    def _object(self, kind: str, node: Node) -> ProvRecord:
        given, arguments = node.properties, {}
        attributes = [*self._types_of(node.kind), *self._attributes(given)]
        if kind != "activity":
            # Only an activity has times for arguments.
            attributes += [
                (self.names.term(attribute), (str(given[name]), "xsd:dateTime"))
                for name, attribute in PERIOD.items()
                if given.get(name)
            ]
        for relation, target in self._extract.attributes.get(node.uid, ()):
            attributes.append((self._relation_name(relation), (self.names.name(target), NAME)))
        if kind == "activity":
            for name, argument in (("started", "startTime"), ("ended", "endTime")):
                if given.get(name):
                    arguments[argument] = (str(given[name]), TIME)
        return ProvRecord(kind, self.names.name(node.uid), arguments, attributes)

    def _types_of(self, kind: str) -> list[tuple[str, Typed]]:
        known = self._types.get(kind)
        if known is None:
            classes = KINDS[kind].classes
            known = [("prov:type", (self.names.term(class_), NAME)) for class_ in classes]
            self._types[kind] = known
        return known

    def _relation_name(self, relation: str) -> str:
        # PROV-DM's attribute; PROV-O's property is prov:atLocation.
        own = relation == "atLocation"
        return "prov:location" if own else self.names.term(RELATIONS[relation].plain)

    def _relation(self, kind: str, edge: Edge) -> ProvRecord:
        source, target = _ENDS[edge.relation]
        arguments: dict[str, Typed] = {
            source: (self.names.name(edge.source), NAME),
            target: (self.names.name(edge.target), NAME),
        }
        if edge.relation in _NAMELESS:
            return ProvRecord(kind, "", arguments, [])
        given = edge.properties
        if edge.relation in _TIMED and given.get("at"):
            arguments["time"] = (str(given["at"]), TIME)
        elif kind == "wasAssociatedWith" and given.get("plan"):
            arguments["plan"] = (self.names.name(str(given["plan"])), NAME)
        attributes = list(self._attributes(given))
        if edge.relation == "wasRevisionOf":
            attributes.append(("prov:type", (self.names.term(PROV + "Revision"), NAME)))
        name = self.names.name(edge.uid) if edge.uid else ""
        return ProvRecord(kind, name, arguments, attributes)

    def _attributes(self, properties: Mapping[str, Value]) -> Iterator[tuple[str, Typed]]:
        for name, value in properties.items():
            if value != "" and name not in _FORMAL:
                yield self.names.property(name), typed(value)


def typed(value: Value) -> Typed:
    """Give a value's text and datatype, an integer the narrowest that holds it."""
    if isinstance(value, str):
        return literal_text(value), TEXT
    if isinstance(value, bool):
        return ("true" if value else "false"), "xsd:boolean"
    if isinstance(value, int):
        return str(value), (
            "xsd:int" if value in _INT else "xsd:long" if value in _LONG else "xsd:integer"
        )
    return (repr(value) if isfinite(value) else _not_finite(value)), "xsd:double"


def _not_finite(value: float) -> str:
    return "NaN" if value != value else "INF" if value > 0 else "-INF"


_BASES = {"entity": "Entity", "activity": "Activity", "agent": "Agent"}
_BY_KIND: dict[str, list[str]] = {}
for _relation in _ENDS:
    _BY_KIND.setdefault("wasDerivedFrom" if _relation == "wasRevisionOf" else _relation, []).append(
        _relation
    )
RECORD_KINDS = (*_BASES, *_BY_KIND)
"""Every kind of record that a graph is made of, in the order in which they are written."""
