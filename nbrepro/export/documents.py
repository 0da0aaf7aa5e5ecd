"""The graph of a run as a document of the `prov` library, for any tool that reads PROV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from nbrepro.errors import MachineError
from nbrepro.export.provrecords import PERIOD
from nbrepro.model import Edge, Node, Statement, Value
from nbrepro.stores.rdf import literal_text
from nbrepro.vocabulary import (
    KINDS,
    PREFIXES,
    PROV,
    RELATIONS,
    content_iri,
    footprint_iri,
    property_iri,
    run_iri,
    software_file_iri,
)

if TYPE_CHECKING:
    from prov.model import ProvDocument

_SHARED = {
    "sha256": content_iri(""),
    "pkg": "pkg:",
    "footprint": footprint_iri(""),
    "software": software_file_iri(""),
}
"""Prefixes of what runs share. A prefix that is an IRI's whole scheme gets lost in RDF for some
readers; these were seen to survive every format of `prov`."""

_FORMAL = frozenset({"started", "ended", "at", "plan"})
"""Properties that are arguments of their record."""


def make_document(statements: Iterable[Statement]) -> ProvDocument:
    """Make a ProvDocument without bundles.

    Every node becomes an entity, activity or agent with its classes as types and its properties as
    attributes; every relation that PROV-DM has becomes that, a revision a derivation of type
    prov:Revision, and any other an attribute of its source (prov:location, nbr:partOfRun, ...).
    The prefix `run` is the run's IRI, `sha256` names contents and `pkg` packages. Times keep
    microseconds, as `prov` does. Raises MachineError where `prov` is not installed.
    """
    known = _once(statements)
    document = _new_document()
    base = next((s.uid for s in known if isinstance(s, Node) and s.kind == "Run"), run_iri(""))
    writer = _Writer(document, base)
    others = _other_relations(known)
    for statement in known:
        if isinstance(statement, Node):
            writer.write_node(statement, others.pop(statement.uid, ()))
    for statement in known:
        if isinstance(statement, Edge):
            writer.write_edge(statement)
    return document


def _new_document() -> ProvDocument:
    try:
        from prov.model import ProvDocument
    except ImportError:
        raise MachineError(
            "the library prov is not installed here; run: pip install 'nbrepro[prov]'"
        ) from None
    document: ProvDocument = ProvDocument()
    return document


def _once(statements: Iterable[Statement]) -> list[Statement]:
    """Keep one of what is said several times: a content, for every version that has it."""
    found: dict[tuple[str, ...], Statement] = {}
    for statement in statements:
        if isinstance(statement, Node):
            found.setdefault((statement.uid, statement.kind), statement)
        else:
            ends = (statement.source, statement.target)
            found.setdefault((statement.relation, *ends, statement.uid), statement)
    return list(found.values())


def _other_relations(statements: Iterable[Statement]) -> dict[str, list[Edge]]:
    """Find the relations that PROV-DM does not have, by the node that they become part of."""
    found: dict[str, list[Edge]] = {}
    for statement in statements:
        if isinstance(statement, Edge) and statement.relation not in _WRITERS:
            found.setdefault(statement.source, []).append(statement)
    return found


class _Writer:
    """Writes nodes and edges into one document."""

    def __init__(self, document: ProvDocument, base: str) -> None:
        self._document = document
        spaces = {"run": base, **_SHARED, **PREFIXES}
        # prov has these two itself.
        own = {"prov", "xsd"}
        self._spaces = {
            iri: document.add_namespace(prefix, iri)
            for prefix, iri in spaces.items()
            if prefix not in own
        }
        self._properties: dict[str, Any] = {}

    def name(self, iri: str) -> Any:
        """Give the qualified name of an IRI."""
        if iri.startswith(PROV):
            from prov.constants import PROV as OWN

            return OWN[iri.removeprefix(PROV)]
        for namespace, space in self._spaces.items():
            if iri.startswith(namespace):
                return space[iri.removeprefix(namespace)]
        cut = max(iri.rfind(mark) for mark in "/#:;") + 1
        self._spaces[iri[:cut]] = self._document.add_namespace(f"ns{len(self._spaces)}", iri[:cut])
        return self._spaces[iri[:cut]][iri[cut:]]

    def write_node(self, node: Node, others: Iterable[Edge]) -> None:
        """Write a node with its properties and the relations that only it can hold."""
        kind = KINDS[node.kind]
        attributes = [("prov:type", self.name(class_)) for class_ in kind.classes]
        attributes += self._attributes(node.properties)
        for edge in others:
            own = edge.relation == "atLocation"
            plain = "prov:location" if own else self.name(RELATIONS[edge.relation].plain)
            attributes.append((plain, self.name(edge.target)))
        uid, given = self.name(node.uid), node.properties
        if kind.base == "Activity":
            started, ended = (str(given.get(name, "")) or None for name in ("started", "ended"))
            self._document.activity(uid, started, ended, attributes)
        elif kind.base == "Agent":
            self._document.agent(uid, [*attributes, *self._period(given)])
        else:
            self._document.entity(uid, [*attributes, *self._period(given)])

    def _period(self, properties: Mapping[str, Value]) -> Iterator[tuple[Any, Any]]:
        """Give the times of what is no activity, as attributes."""
        from prov.constants import XSD_DATETIME
        from prov.model import Literal

        for name, attribute in PERIOD.items():
            if properties.get(name):
                yield self.name(attribute), Literal(properties[name], XSD_DATETIME)

    def write_edge(self, edge: Edge) -> None:
        """Write a relation of PROV-DM; any other was written with its source."""
        method = _WRITERS.get(edge.relation)
        if method is None:
            return
        source, target = self.name(edge.source), self.name(edge.target)
        if edge.relation in _NAMELESS:
            getattr(self._document, method)(source, target)
            return
        more: dict[str, Any] = {"identifier": self.name(edge.uid) if edge.uid else None}
        attributes = list(self._attributes(edge.properties))
        if edge.relation in _TIMED:
            more["time"] = str(edge.properties.get("at", "")) or None
        elif edge.relation == "wasAssociatedWith":
            plan = edge.properties.get("plan")
            more["plan"] = self.name(str(plan)) if plan else None
        elif edge.relation == "wasRevisionOf":
            attributes.append(("prov:type", self.name(PROV + "Revision")))
        getattr(self._document, method)(source, target, **more, other_attributes=attributes)

    def _attributes(self, properties: Mapping[str, Value]) -> Iterator[tuple[Any, Any]]:
        for name, value in properties.items():
            if value != "" and name not in _FORMAL:
                text = literal_text(value) if isinstance(value, str) else value
                yield self._property(name), text

    def _property(self, name: str) -> Any:
        if name not in self._properties:
            standard = name == "label"
            self._properties[name] = "prov:label" if standard else self.name(property_iri(name))
        return self._properties[name]


_WRITERS = {
    "used": "usage",
    "wasGeneratedBy": "generation",
    "wasInvalidatedBy": "invalidation",
    "wasDerivedFrom": "derivation",
    "wasRevisionOf": "derivation",
    "wasAssociatedWith": "association",
    "wasInformedBy": "communication",
    "actedOnBehalfOf": "delegation",
    "specializationOf": "specialization",
    "hadMember": "membership",
}
"""The method of a ProvDocument that writes each relation."""

_TIMED = frozenset({"used", "wasGeneratedBy", "wasInvalidatedBy"})
_NAMELESS = frozenset({"specializationOf", "hadMember"})
