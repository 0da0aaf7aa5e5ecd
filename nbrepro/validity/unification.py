"""Key and uniqueness constraints (22 to 29): what must be one thing is made one, or contradicts.

Every fact is filed under its keys; two facts under one key must agree, and what they leave open
becomes equal. Equal terms may bring further facts under one key: those are filed again, the
smaller side each time, so that the whole takes n log n steps.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from nbrepro.validity.facts import Fact, Facts
from nbrepro.validity.findings import Finding
from nbrepro.validity.records import NAMELESS, OBJECTS, SIGNATURES
from nbrepro.validity.terms import PLACEHOLDER, Constant
from nbrepro.validity.times import instant_text

_Key = tuple[str | int, ...]

_UNIQUE = {
    "wasGeneratedBy": (24, "unique-generation", (0, 1)),
    "wasInvalidatedBy": (25, "unique-invalidation", (0, 1)),
    "wasStartedBy": (26, "unique-wasStartedBy", (0, 2)),
    "wasEndedBy": (27, "unique-wasEndedBy", (0, 2)),
}
"""Which arguments allow one event only, with the constraint's number and name."""

_EVENTS = frozenset(number for number, _, _ in _UNIQUE.values())

_TIMES = {
    "wasStartedBy": (28, "unique-startTime", 0),
    "wasEndedBy": (29, "unique-endTime", 1),
}
"""Which argument of the activity is the time of its start or end."""


class Unifier:
    """Applies the constraints to the facts of one instance, whose terms become equal."""

    def __init__(self, facts: Facts) -> None:
        self._terms = facts.terms
        self._facts = facts.all
        self._filed: dict[_Key, Fact] = {}
        self._pending = list(reversed(self._facts))
        self._holders: dict[int, list[Fact]] | None = None
        self._activities: dict[int, Fact] = {}
        self._events: dict[int, list[Fact]] = defaultdict(list)

    def findings(self) -> Iterator[Finding]:
        """Unify everything, and yield what contradicts, each contradiction once."""
        told: set[Finding] = set()
        for finding in self._unify():
            if finding not in told:
                told.add(finding)
                yield finding

    def _unify(self) -> Iterator[Finding]:
        while self._pending:
            fact = self._pending.pop()
            if fact.kind not in NAMELESS:
                yield from self._by_identifier(fact)
            if fact.kind in _UNIQUE:
                yield from self._by_arguments(fact)
            if fact.kind in _TIMES or fact.kind == "activity":
                yield from self._by_activity(fact)
            elif fact.kind == "mentionOf":
                yield from self._by_mention(fact)

    def _file(self, key: _Key, fact: Fact) -> Fact | None:
        other = self._filed.setdefault(key, fact)
        return None if other is fact else other

    def _by_identifier(self, fact: Fact) -> Iterator[Finding]:
        other = self._file((fact.kind, self._terms.find(fact.uid)), fact)
        if other is None:
            return
        number, rule = (22, "key-object") if fact.kind in OBJECTS else (23, "key-properties")
        for argument, mine, theirs in zip(
            SIGNATURES[fact.kind], fact.arguments, other.arguments, strict=False
        ):
            if self._clash(mine, theirs):
                yield self._contradiction(
                    number, rule, fact, other, f"has two values of {argument.name}", mine, theirs
                )

    def _by_arguments(self, fact: Fact) -> Iterator[Finding]:
        number, rule, positions = _UNIQUE[fact.kind]
        arguments = [self._terms.find(fact.arguments[position]) for position in positions]
        other = self._file((number, *arguments), fact)
        if other is not None and self._clash(fact.uid, other.uid):
            why = f"two {fact.kind} of the same things have two identifiers"
            yield self._contradiction(number, rule, fact, other, why, fact.uid, other.uid)

    def _by_activity(self, fact: Fact) -> Iterator[Finding]:
        """File starts and ends under the activity whose times they must have."""
        if fact.kind == "activity":
            activity = self._terms.find(fact.uid)
            # Another declaration of the activity has the same times by its identifier.
            if self._activities.setdefault(activity, fact) is fact:
                for event in self._events[activity]:
                    yield from self._same_time(fact, event)
            return
        activity = self._terms.find(fact.arguments[0])
        self._events[activity].append(fact)
        known = self._activities.get(activity)
        if known is not None:
            yield from self._same_time(known, fact)

    def _same_time(self, activity: Fact, event: Fact) -> Iterator[Finding]:
        number, rule, position = _TIMES[event.kind]
        mine, theirs = event.arguments[3], activity.arguments[position]
        if self._clash(mine, theirs):
            why = f"{event.kind} has another time than its activity"
            yield self._contradiction(number, rule, activity, event, why, mine, theirs)

    def _by_mention(self, fact: Fact) -> Iterator[Finding]:
        other = self._file(("mentionOf", self._terms.find(fact.arguments[0])), fact)
        if other is None:
            return
        for mine, theirs in zip(fact.arguments[1:], other.arguments[1:], strict=True):
            if self._clash(mine, theirs):
                why = "an entity mentions two things"
                yield self._contradiction(0, "unique-mention", fact, other, why, mine, theirs)

    def _clash(self, one: int, other: int) -> bool:
        """Make two terms equal; tell whether that is impossible."""
        terms = self._terms
        first, second = terms.find(one), terms.find(other)
        if first == second:
            return False
        if terms.clash(first, second):
            return True
        if self._holders is None:
            self._holders = self._index()
        holders = self._holders
        if len(holders[first]) < len(holders[second]):
            first, second = second, first
        terms.join(first, second)
        moved = holders.pop(second)
        holders[first].extend(moved)
        self._pending.extend(moved)
        return False

    def _index(self) -> dict[int, list[Fact]]:
        """Say for each term which facts hold it; most documents never need to know."""
        holders: dict[int, list[Fact]] = defaultdict(list)
        for fact in self._facts:
            for term in {fact.uid, *fact.arguments}:
                holders[self._terms.find(term)].append(fact)
        return holders

    def _contradiction(
        self, number: int, rule: str, fact: Fact, other: Fact, why: str, mine: int, theirs: int
    ) -> Finding:
        shown = " and ".join(sorted(_shown(self._terms.constant(term)) for term in (mine, theirs)))
        things = fact.record.arguments
        subject = things[0] if number in _EVENTS or not fact.record.uid else fact.record.uid
        records = tuple(dict.fromkeys((str(other.record), str(fact.record))))
        return Finding(rule, number, subject, f"{why}: {shown}", records)


def _shown(constant: Constant | None) -> str:
    if isinstance(constant, int):
        return instant_text(constant)
    return "none" if constant == PLACEHOLDER else str(constant)
