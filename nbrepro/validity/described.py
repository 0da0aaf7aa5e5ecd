"""The statements of a run as RDF sees them, without writing RDF: values by subject and path."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache

from nbrepro.model import Edge, Node, Statement, Value
from nbrepro.stores.forms import to_form
from nbrepro.vocabulary import KINDS, PROV, REFERENCES, RELATIONS, property_iri


class Iri(str):
    """A value that names a node, not a text."""

    __slots__ = ()


Values = Sequence[Value]
Read = Callable[[str], Values]

_PLAIN = {relation.plain: name for name, relation in RELATIONS.items()}
_LINKS = {r.qualified[0]: name for name, r in RELATIONS.items() if r.qualified}
_TARGETS = {(r.qualified[1], r.qualified[2]): name for name, r in RELATIONS.items() if r.qualified}


@lru_cache
def classes_of(kind: str) -> frozenset[str]:
    """Give the classes of a node's kind."""
    base, classes, _ = KINDS[kind]
    return frozenset((PROV + base, *classes))


@lru_cache
def classes_of_relation(relation: str) -> frozenset[str]:
    """Give the class of a relation's qualified form."""
    qualified = RELATIONS[relation].qualified
    return frozenset(qualified[1:2] if qualified else ())


class Described:
    """Nodes, relations and qualified relations, each found by name."""

    def __init__(self, statements: Iterable[Statement]) -> None:
        self.nodes: dict[str, list[Node]] = defaultdict(list)
        self.named: dict[str, list[Edge]] = defaultdict(list)
        self._out: dict[str, dict[str, dict[str, None]]] = defaultdict(lambda: defaultdict(dict))
        self._links: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        names: set[str] = set()
        for statement in _in_rdf(statements):
            if isinstance(statement, Node):
                self.nodes[statement.uid].append(statement)
            else:
                self._add(statement)
            names.update(statement.properties)
        self._names = {property_iri(name): name for name in names}

    def _add(self, edge: Edge) -> None:
        self._out[edge.relation][edge.source][edge.target] = None
        if edge.uid and RELATIONS[edge.relation].qualified:
            self.named[edge.uid].append(edge)
            self._links[edge.relation][edge.source].append(edge.uid)

    def classes(self, uid: str) -> frozenset[str]:
        """Give all classes of a node or of a qualified relation."""
        nodes, edges = self.nodes.get(uid, ()), self.named.get(uid, ())
        if len(nodes) == 1 and not edges:
            return classes_of(nodes[0].kind)
        sets = [classes_of(node.kind) for node in nodes]
        sets += [classes_of_relation(edge.relation) for edge in edges]
        return frozenset().union(*sets)

    def of_class(self, class_: str) -> list[str]:
        """List what is of a class."""
        return list(self._members.get(class_, ()))

    @cached_property
    def _members(self) -> dict[str, dict[str, None]]:
        members: dict[str, dict[str, None]] = defaultdict(dict)
        for uid in (*self.nodes, *self.named):
            for class_ in self.classes(uid):
                members[class_][uid] = None
        return members

    def subjects_of(self, predicate: str) -> list[str]:
        """List what has a relation, plain or qualified."""
        if predicate in _LINKS:
            return list(self._links[_LINKS[predicate]])
        return list(self._out[_PLAIN[predicate]])

    def reader(self, predicate: str, inverse: bool = False) -> Read:
        """Give what reads the values of a predicate, or of its inverse, for a subject."""
        if inverse:
            return self._reader_of_inverse(predicate)
        if predicate in _PLAIN:
            targets: Mapping[str, Iterable[str]] = self._out[_PLAIN[predicate]]
            return lambda subject: [Iri(target) for target in targets.get(subject, ())]
        if predicate in _LINKS:
            links = self._links[_LINKS[predicate]]
            return lambda subject: [Iri(uid) for uid in links.get(subject, ())]
        ends = {name for (_, role), name in _TARGETS.items() if role == predicate}
        if ends:
            return lambda subject: self._ends(subject, ends)
        return self._reader_of_property(self._names.get(predicate, ""))

    def _ends(self, subject: str, relations: set[str]) -> Values:
        found = (e.target for e in self.named.get(subject, ()) if e.relation in relations)
        return [Iri(target) for target in dict.fromkeys(found)]

    def _reader_of_property(self, name: str) -> Read:
        nodes, named, reference = self.nodes, self.named, name in REFERENCES

        def read(subject: str) -> Values:
            holders: Sequence[Statement] = nodes.get(subject) or named.get(subject) or ()
            if len(holders) == 1:
                value = holders[0].properties.get(name, "")
                found: tuple[Value, ...] = () if value == "" else (value,)
            else:
                found = tuple(_distinct(holder.properties.get(name, "") for holder in holders))
            return tuple(Iri(value) for value in found) if reference and found else found

        return read

    def _reader_of_inverse(self, predicate: str) -> Read:
        back: dict[str, dict[str, None]] = defaultdict(dict)
        forward: Mapping[str, Mapping[str, Iterable[str]]] = (
            self._links if predicate in _LINKS else self._out
        )
        for source, targets in forward[(_LINKS | _PLAIN)[predicate]].items():
            for target in targets:
                back[target][source] = None
        return lambda subject: [Iri(source) for source in back.get(subject, ())]


def _in_rdf(statements: Iterable[Statement]) -> Iterable[Statement]:
    """Give statements in the form that RDF has of them, each role once."""
    roles: set[str] = set()
    for given in statements:
        statement, role = to_form(given)
        yield statement
        if role is not None and role.uid not in roles:
            roles.add(role.uid)
            yield role


def _distinct(values: Iterable[Value]) -> Iterable[Value]:
    """Give each value once; 1 and True are two, and an empty text is none."""
    return {(type(value), value): value for value in values if value != ""}.values()
