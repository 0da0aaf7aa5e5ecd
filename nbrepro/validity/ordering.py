"""The order of events: constraints 30 to 49 as a graph, in which no strict step may close a cycle.

All starts of one activity happen at once (31), as do its ends (32), and an entity's generations
(39) and invalidations (40): each such group is one event here, and a usage is one by itself. An
event is there where a record or inference 7 or 8 says so. Only a derivation orders strictly (42):
the graph contradicts itself where such a step lies in a strongly connected component.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from nbrepro.validity.components import strongly_connected
from nbrepro.validity.facts import Fact, Facts
from nbrepro.validity.findings import Finding

_GENERATION, _INVALIDATION, _START, _END, _USAGE = (
    "generation", "invalidation", "start", "end", "usage",
)  # fmt: skip

_Event = tuple[str, int]

_TOLD = 20
"""How many steps of a cycle are told in words; its records are all there."""


class Step(NamedTuple):
    """One event is not after another, or is before it (`strict`), because of a fact."""

    target: int
    strict: bool
    number: int
    fact: Fact


class Ordering:
    """The events of one instance, after unification, and the steps between them."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._find = facts.terms.find
        self._events: dict[_Event, int] = {}
        self.steps: list[list[Step]] = []
        self._collect()
        for fact in facts.all:
            self._order(fact)

    def findings(self) -> Iterator[Finding]:
        """Yield one finding for each knot of events that would have to precede themselves."""
        component = strongly_connected([[step.target for step in out] for out in self.steps])
        told: set[int] = set()
        for event, out in enumerate(self.steps):
            for step in out:
                knot = component[event]
                if step.strict and component[step.target] == knot and knot not in told:
                    told.add(knot)
                    yield self._contradiction(event, step, component)

    def _collect(self) -> None:
        """Make the events that records and inferences 7, 8, 13 and 21 say are there."""
        for fact in self._facts.all:
            match fact.kind:
                case "entity":
                    self._make(_GENERATION, fact.uid)
                    self._make(_INVALIDATION, fact.uid)
                case "activity":
                    self._make(_START, fact.uid)
                    self._make(_END, fact.uid)
                case "wasGeneratedBy" | "wasAttributedTo":
                    self._make(_GENERATION, fact.arguments[0])
                case "wasInvalidatedBy":
                    self._make(_INVALIDATION, fact.arguments[0])
                case "wasStartedBy":
                    self._make(_START, fact.arguments[0])
                case "wasEndedBy":
                    self._make(_END, fact.arguments[0])
                case "used":
                    self._make(_USAGE, fact.uid)
        self._inherit()

    def _inherit(self) -> None:
        """Give every specialization of an entity its events (inference 21, then 7)."""
        below: dict[int, list[int]] = {}
        entities = {self._find(fact.uid) for fact in self._facts.known("entity")}
        for fact in self._facts.known("specializationOf"):
            specific, general = map(self._find, fact.arguments)
            below.setdefault(general, []).append(specific)
        pending = [general for general in below if general in entities]
        while pending:
            for specific in below.get(pending.pop(), ()):
                if specific not in entities:
                    entities.add(specific)
                    self._make(_GENERATION, specific)
                    self._make(_INVALIDATION, specific)
                    pending.append(specific)

    def _make(self, sort: str, term: int) -> int:
        event = (sort, self._find(term))
        number = self._events.get(event)
        if number is None:
            number = self._events[event] = len(self.steps)
            self.steps.append([])
        return number

    def _order(self, fact: Fact) -> None:
        match fact.kind:
            case "entity":
                self._step(fact, 36, (_GENERATION, fact.uid), (_INVALIDATION, fact.uid))
            case "activity":
                self._step(fact, 30, (_START, fact.uid), (_END, fact.uid))
            case "used":
                self._usage(fact)
            case "wasGeneratedBy":
                entity, activity, _ = fact.arguments
                self._step(fact, 36, (_GENERATION, entity), (_INVALIDATION, entity))
                self._step(fact, 34, (_START, activity), (_GENERATION, entity))
                self._step(fact, 34, (_GENERATION, entity), (_END, activity))
            case "wasInvalidatedBy":
                entity = fact.arguments[0]
                self._step(fact, 36, (_GENERATION, entity), (_INVALIDATION, entity))
            case "wasStartedBy":
                self._boundary(fact, _START, 43)
            case "wasEndedBy":
                self._boundary(fact, _END, 44)
            case "wasInformedBy":
                informed, informant = fact.arguments
                self._step(fact, 35, (_START, informant), (_END, informed))
            case "wasDerivedFrom":
                self._derivation(fact)
            case _:
                self._order_agents(fact)

    def _order_agents(self, fact: Fact) -> None:
        match fact.kind:
            case "specializationOf":
                self._specialization(fact)
            case "wasAssociatedWith":
                self._association(fact, fact.arguments[0], fact.arguments[1], 47)
            case "wasAttributedTo":
                entity, agent = fact.arguments
                self._step(fact, 48, (_GENERATION, agent), (_GENERATION, entity))
                self._step(fact, 48, (_START, agent), (_GENERATION, entity))
            case "actedOnBehalfOf":
                delegate, responsible, activity = fact.arguments
                self._step(fact, 49, (_GENERATION, responsible), (_INVALIDATION, delegate))
                self._step(fact, 49, (_START, responsible), (_END, delegate))
                for agent in (delegate, responsible):  # inference 14
                    self._association(fact, activity, agent, 47)

    def _usage(self, fact: Fact) -> None:
        activity, entity, _ = fact.arguments
        usage = (_USAGE, fact.uid)
        self._step(fact, 33, (_START, activity), usage)
        self._step(fact, 33, usage, (_END, activity))
        self._step(fact, 37, (_GENERATION, entity), usage)
        self._step(fact, 38, usage, (_INVALIDATION, entity))

    def _boundary(self, fact: Fact, boundary: str, number: int) -> None:
        activity, trigger = fact.arguments[:2]
        self._step(fact, 30, (_START, activity), (_END, activity))
        self._step(fact, number, (_GENERATION, trigger), (boundary, activity))
        self._step(fact, number, (boundary, activity), (_INVALIDATION, trigger))

    def _derivation(self, fact: Fact) -> None:
        made, source, activity, _, usage = fact.arguments
        self._step(fact, 42, (_GENERATION, source), (_GENERATION, made), strict=True)
        if not self._facts.is_none(activity):
            self._step(fact, 41, (_USAGE, usage), (_GENERATION, made))

    def _specialization(self, fact: Fact) -> None:
        specific, general = fact.arguments
        for sort, number, earlier, later in (
            (_GENERATION, 45, general, specific),
            (_INVALIDATION, 46, specific, general),
        ):
            self._step(fact, number, self._passage(sort, earlier), self._passage(sort, later))

    def _passage(self, sort: str, term: int) -> _Event:
        # What lies between two specializations may have no events of its own (inference 19): it
        # gets some that no other step touches, so that the order passes through.
        if (sort, self._find(term)) in self._events:
            return (sort, term)
        unstated = f"unstated {sort}"
        self._make(unstated, term)
        return (unstated, term)

    def _association(self, fact: Fact, activity: int, agent: int, number: int) -> None:
        self._step(fact, number, (_START, activity), (_INVALIDATION, agent))
        self._step(fact, number, (_GENERATION, agent), (_END, activity))
        self._step(fact, number, (_START, activity), (_END, agent))
        self._step(fact, number, (_START, agent), (_END, activity))

    def _step(
        self, fact: Fact, number: int, earlier: _Event, later: _Event, strict: bool = False
    ) -> None:
        """Order two events, where both are there."""
        first = self._events.get((earlier[0], self._find(earlier[1])))
        second = self._events.get((later[0], self._find(later[1])))
        if first is not None and second is not None:
            self.steps[first].append(Step(second, strict, number, fact))

    def _contradiction(self, event: int, strict: Step, component: Sequence[int]) -> Finding:
        cycle = [(event, strict), *self._way(strict.target, event, component)]
        words = [
            f"{self._names[at]} {'before' if step.strict else 'not after'} "
            f"{self._names[step.target]} ({step.number})"
            for at, step in cycle[:_TOLD]
        ]
        if len(cycle) > _TOLD:
            words.append(f"and {len(cycle) - _TOLD} steps more")
        records = tuple(dict.fromkeys(str(step.fact.record) for _, step in cycle))
        made = strict.fact.arguments[0]
        subject = str(self._facts.terms.constant(made) or strict.fact.record.uid)
        return Finding("event-ordering", strict.number, subject, "; ".join(words), records)

    def _way(self, start: int, end: int, component: Sequence[int]) -> list[tuple[int, Step]]:
        """Find a shortest way between two events of one component."""
        came: dict[int, tuple[int, Step]] = {}
        queue = [start]
        for event in queue:
            if end in came or start == end:
                break
            for step in self.steps[event]:
                target = step.target
                if component[target] == component[start] and target not in came:
                    came[target] = (event, step)
                    queue.append(target)
        way = []
        while end != start:
            way.append(came[end])
            end = came[end][0]
        return way[::-1]

    @cached_property
    def _names(self) -> list[str]:
        return [self._name(event) for event in self._events]

    def _name(self, event: _Event) -> str:
        thing = self._facts.terms.constant(event[1])
        return f"{event[0]} of {thing}" if thing is not None else f"an unnamed {event[0]}"
