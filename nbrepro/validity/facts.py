"""Records as facts over terms, with what PROV-CONSTRAINTS lets one infer from them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from nbrepro.validity.records import NAMELESS, SIGNATURES, Argument, Record
from nbrepro.validity.terms import PLACEHOLDER, Terms


class Fact(NamedTuple):
    """A record whose identifier and arguments are terms; `record` is what says it or implies it."""

    kind: str
    uid: int
    arguments: tuple[int, ...]
    record: Record


class Facts:
    """All facts of one instance (a document without its bundles, or one bundle)."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.terms = Terms()
        self._none = self.terms.name(PLACEHOLDER)
        self.all: list[Fact] = []
        for record in records:
            fact = self._fact(record)
            self.all.append(fact)
            if record.kind in _INFERRING:
                self.all.extend(self._inferred(fact))
        self.all.extend(self._influences())

    def is_none(self, term: int) -> bool:
        """Tell whether a term is the placeholder: there is no such thing."""
        return self.terms.find(term) == self._none

    def known(self, kind: str) -> list[Fact]:
        """List the facts of one kind."""
        return [fact for fact in self.all if fact.kind == kind]

    def _fact(self, record: Record) -> Fact:
        kind, given = record.kind, record.arguments
        named = record.uid and kind not in NAMELESS
        uid = self.terms.name(record.uid) if named else self.terms.fresh()
        # A derivation by an activity has a generation and a usage, whether named or not
        # (definition 4); without an activity what is left out is a placeholder.
        by_activity = kind == "wasDerivedFrom" and given[2] != ""
        terms = [
            self._term(argument, text, by_activity)
            for argument, text in zip(SIGNATURES[kind], given, strict=True)
        ]
        return Fact(kind, uid, tuple(terms), record)

    def _term(self, argument: Argument, text: str, by_activity: bool) -> int:
        if text:
            return self.terms.time(text) if argument.sort == "time" else self.terms.name(text)
        return self._none if argument.placeholder and not by_activity else self.terms.fresh()

    def _inferred(self, fact: Fact) -> Iterator[Fact]:
        """Yield what inferences 9, 10 and 11, and mentionOf (PROV-LINKS), add to a fact."""
        fresh = self.terms.fresh
        if fact.kind in ("wasStartedBy", "wasEndedBy"):
            _, trigger, starter, _ = fact.arguments
            yield Fact("wasGeneratedBy", fresh(), (trigger, starter, fresh()), fact.record)
        elif fact.kind == "wasDerivedFrom":
            made, source, activity, generation, usage = fact.arguments
            if activity != self._none and self._none not in (generation, usage):
                yield Fact("used", usage, (activity, source, fresh()), fact.record)
                yield Fact("wasGeneratedBy", generation, (made, activity, fresh()), fact.record)
        elif fact.kind == "mentionOf":
            yield Fact("specializationOf", fresh(), fact.arguments[:2], fact.record)

    def _influences(self) -> list[Fact]:
        # Inference 15 gives every relation's identifier to an influence: that matters only where
        # somebody also states an influence of that identifier.
        stated = {fact.uid for fact in self.all if fact.kind == "wasInfluencedBy"}
        if not stated:
            return []
        return [
            Fact("wasInfluencedBy", fact.uid, fact.arguments[:2], fact.record)
            for fact in self.all
            if fact.uid in stated and fact.kind in _INFLUENCES
        ]


_INFERRING = frozenset({"wasStartedBy", "wasEndedBy", "wasDerivedFrom", "mentionOf"})

_INFLUENCES = frozenset({
    "wasGeneratedBy", "used", "wasInformedBy", "wasStartedBy", "wasEndedBy", "wasInvalidatedBy",
    "wasDerivedFrom", "wasAttributedTo", "wasAssociatedWith", "actedOnBehalfOf",
})  # fmt: skip
"""The relations that inference 15 makes influences: of their first argument, by their second."""
