"""Typing and impossibility: what a thing is by its use (50), and what cannot be (51 to 56)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nbrepro.validity.components import strongly_connected
from nbrepro.validity.facts import Fact, Facts
from nbrepro.validity.findings import Finding
from nbrepro.validity.records import (
    EMPTY_COLLECTION,
    NAMELESS,
    OBJECTS,
    SIGNATURES,
    Record,
)

_DISJOINT = frozenset({
    "used", "wasGeneratedBy", "wasInvalidatedBy", "wasStartedBy", "wasEndedBy", "wasInformedBy",
    "wasAttributedTo", "wasAssociatedWith", "actedOnBehalfOf",
})  # fmt: skip
"""Relations no two of which may share an identifier (constraint 53)."""

_NOT_OBJECTS = _DISJOINT | {"wasInfluencedBy", "wasDerivedFrom"}
"""Relations that may share no identifier with an object (constraint 54)."""


def missing(records: Sequence[Record]) -> Iterator[Finding]:
    """Find records without an argument that PROV-DM does not allow to be left out."""
    required = {
        kind: [(place, a.name) for place, a in enumerate(signature) if a.required]
        for kind, signature in SIGNATURES.items()
    }
    for record in records:
        for place, name in required[record.kind]:
            if not record.arguments[place]:
                yield Finding(
                    "mandatory-argument", 0, record.uid or record.kind,
                    f"{record.kind} lacks its {name}", (str(record),),
                )  # fmt: skip


class Typing:
    """Checks the types of the things in one instance, after unification."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._find = facts.terms.find

    def findings(self) -> Iterator[Finding]:
        """Yield what cannot be."""
        yield from self._disjoint_types()
        yield from self._overlaps()
        yield from self._derivations()
        yield from self._specializations()
        yield from self._collections()

    def _typed(self, sort: str) -> dict[int, Fact]:
        """Say for each thing that is of a sort which fact says so."""
        typed: dict[int, Fact] = {}
        places = {
            kind: [i for i, argument in enumerate(signature) if argument.sort == sort]
            for kind, signature in SIGNATURES.items()
        }
        for fact in self._facts.all:
            if fact.kind == sort:
                typed.setdefault(self._find(fact.uid), fact)
            for place in places[fact.kind]:
                typed.setdefault(self._find(fact.arguments[place]), fact)
        return typed

    def _disjoint_types(self) -> Iterator[Finding]:
        entities, activities = self._typed("entity"), self._typed("activity")
        for term in entities.keys() & activities.keys():
            if not self._facts.is_none(term):
                yield self._finding(
                    "entity-activity-disjoint", 55, term,
                    "is an entity and an activity", entities[term], activities[term],
                )  # fmt: skip

    def _overlaps(self) -> Iterator[Finding]:
        objects = {self._find(fact.uid): fact for fact in self._facts.all if fact.kind in OBJECTS}
        relations: dict[int, Fact] = {}
        for fact in self._facts.all:
            if fact.kind in OBJECTS or fact.kind in NAMELESS:
                continue
            uid = self._find(fact.uid)
            if fact.kind in _NOT_OBJECTS and uid in objects:
                thing = objects[uid]
                why = f"names a {thing.kind} and a {fact.kind}"
                yield self._finding("impossible-object-property-overlap", 54, uid, why, thing, fact)
            if fact.kind in _DISJOINT:
                other = relations.setdefault(uid, fact)
                if other.kind != fact.kind:
                    why = f"names a {other.kind} and a {fact.kind}"
                    yield self._finding("impossible-property-overlap", 53, uid, why, other, fact)

    def _derivations(self) -> Iterator[Finding]:
        none = self._facts.is_none
        for fact in self._facts.known("wasDerivedFrom"):
            _, _, activity, generation, usage = fact.arguments
            if none(activity) and not (none(generation) and none(usage)):
                yield self._finding(
                    "impossible-unspecified-derivation-generation-use", 51, fact.arguments[0],
                    "is derived with a generation or a usage, but by no activity", fact,
                )  # fmt: skip

    def _specializations(self) -> Iterator[Finding]:
        """Find specialization of itself, directly or through others (inference 19)."""
        facts = self._facts.known("specializationOf")
        ends = [tuple(map(self._find, fact.arguments)) for fact in facts]
        numbers = {term: n for n, term in enumerate(dict.fromkeys(t for e in ends for t in e))}
        links: list[list[int]] = [[] for _ in numbers]
        for specific, general in ends:
            links[numbers[specific]].append(numbers[general])
        component = strongly_connected(links)
        members: dict[int, list[int]] = {}
        for index, (specific, general) in enumerate(ends):
            if component[numbers[specific]] == component[numbers[general]]:
                members.setdefault(component[numbers[specific]], []).append(index)
        for indexes in members.values():
            yield self._finding(
                "impossible-specialization-reflexive", 52, ends[indexes[0]][0],
                "is a specialization of itself", *(facts[index] for index in indexes),
            )  # fmt: skip

    def _collections(self) -> Iterator[Finding]:
        empty = {
            self._find(fact.uid): fact
            for fact in self._facts.known("entity")
            if EMPTY_COLLECTION in fact.record.types
        }
        if not empty:
            return
        # A specialization has the attributes of what it specializes (inference 21).
        self._inherit(empty)
        for fact in self._facts.known("hadMember"):
            collection = self._find(fact.arguments[0])
            if collection in empty:
                why = "is an empty collection with a member"
                yield self._finding(
                    "membership-empty-collection", 56, collection, why, empty[collection], fact
                )

    def _inherit(self, empty: dict[int, Fact]) -> None:
        below: dict[int, list[int]] = {}
        for fact in self._facts.known("specializationOf"):
            specific, general = map(self._find, fact.arguments)
            below.setdefault(general, []).append(specific)
        pending = list(empty)
        while pending:
            general = pending.pop()
            for specific in below.get(general, ()):
                if specific not in empty:
                    empty[specific] = empty[general]
                    pending.append(specific)

    def _finding(self, rule: str, number: int, term: int, why: str, *facts: Fact) -> Finding:
        subject = self._facts.terms.constant(term)
        records = tuple(dict.fromkeys(str(fact.record) for fact in facts))
        return Finding(rule, number, str(subject or facts[0].record.uid), why, records)
