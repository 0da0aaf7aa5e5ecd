"""Tell causes from consequences: what a cell's difference follows from, and what follows it.

An execution depends on what it was given itself, on the earlier ones that it needs through
variables and files, and on the kernel. A difference of its outputs that nothing of this explains
has no cause that could be observed: equal inputs, different outputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from nbrepro.compare.alignment import Pair, align
from nbrepro.compare.direct import Given, unknown_files
from nbrepro.compare.effects import effects_of
from nbrepro.compare.givens import Circumstances, Sides
from nbrepro.compare.order import first_line
from nbrepro.compare.values import CellPair, Comparison, Difference, Effect, Portrait

KERNEL = -1
"""The place of what concerns the kernel itself, before all pairs."""


def compare(a: Portrait, b: Portrait) -> Comparison:
    """Compare two runs."""
    pairs = align(a.executions, b.executions)
    return _Judge(a, b, pairs).comparison()


class _Judge:
    """Collects causes: each once, at the first pair that it concerns."""

    def __init__(self, a: Portrait, b: Portrait, pairs: Sequence[Pair]) -> None:
        self.a = a
        self.b = b
        self.pairs = pairs
        self.sides = [Sides.of(a, b, pair) for pair in pairs]
        self.given = Circumstances(a, b, self.sides, pairs)
        self.upstream = [self._upstream(n) for n in range(len(pairs))]
        self.dependents = self._dependents()
        self.causes: dict[tuple[str, str], Difference] = {}
        self.direct: dict[int, set[tuple[str, str]]] = {n: set() for n in range(-1, len(pairs))}
        self.effects: list[list[Effect]] = [[] for _ in pairs]

    def comparison(self) -> Comparison:
        """Judge every pair in order."""
        for given in self.given.of_kernel():
            self._add(KERNEL, given)
        for place, given in self.given.strong():
            self._add(place, given)
        for place, sides in enumerate(self.sides):
            if sides.both:
                self.effects[place] = list(effects_of(*sides.both))
            if self.effects[place] and not self._taints(place):
                self._explain(place)
        return self._found()

    def _add(self, place: int, given: Given, certainty: str = "exact") -> None:
        key = (given.kind, given.subject)
        self.direct[place].add(key)
        known = self.causes.get(key)
        if known is not None and known.at <= place:
            return
        cell, cell_b = self._cells(place)
        self.causes[key] = Difference(
            given.kind, cell, given.subject, given.a, given.b, given.because, cell_b, certainty,
            at=place,
        )  # fmt: skip

    def _cells(self, place: int) -> tuple[int | None, int | None]:
        if place == KERNEL:
            return None, None
        one, other = self.sides[place].a, self.sides[place].b
        return (one.position if one else None), (other.position if other else None)

    def _upstream(self, place: int) -> set[int]:
        """Find the pairs that one depends on, in either run, directly or not."""
        found: set[int] = set()
        pending = [place]
        while pending:
            for needed in self.given.needs[pending.pop()]:
                if needed not in found and needed != place:
                    found.add(needed)
                    pending.append(needed)
        return found

    def _dependents(self) -> dict[int, set[int]]:
        found: dict[int, set[int]] = {n: set() for n in range(len(self.pairs))}
        for place, upstream in enumerate(self.upstream):
            for needed in upstream:
                found[needed].add(place)
        return found

    def _taints(self, place: int) -> set[tuple[str, str]]:
        """Give the causes that may show in a pair: its own, the kernel's, its needs'."""
        found = self.direct[KERNEL] | self.direct[place]
        for needed in self.upstream[place]:
            found |= {key for key in self.direct[needed] if self._reaches(key, needed, place)}
        return found

    def _reaches(self, key: tuple[str, str], origin: int, place: int) -> bool:
        """Tell whether a cause in one pair can show in another that depends on it.

        What came with an import shows only where the names of that import are used.
        """
        for user, names in self.given.users(origin):
            reached = place == user or place in self.dependents[user]
            if reached and self.given.concerns(origin, key, names):
                return True
        return False

    def _explain(self, place: int) -> None:
        """Find what may explain effects that no cause is known for; else there is none."""
        for tier in self.given.weak([*sorted(self.upstream[place]), place]):
            if tier:
                for where, given in tier:
                    said = f"{given.because}; nothing else explains what differs"
                    self._add(where, replace(given, because=said), "possible")
                    self.direct[place].add((given.kind, given.subject))
                return
        effect = self.effects[place][0]
        one = self.sides[place].a
        assert one is not None
        subject = (
            effect.subject if effect.what == "file" else f"{effect.what} of cell {one.position}"
        )
        because = "equal inputs, different outputs"
        self._add(place, Given("nondeterminism", subject, effect.a, effect.b, because))

    def _found(self) -> Comparison:
        ordered = sorted(self.causes.items(), key=lambda item: item[1].rank())
        numbers = {key: number for number, (key, _) in enumerate(ordered)}
        differences = [difference for _, difference in ordered]
        cells = []
        for place in range(len(self.pairs)):
            follows = tuple(sorted(numbers[key] for key in self._taints(place)))
            effects = tuple(replace(e, follows=follows) for e in self.effects[place])
            for number in follows:
                differences[number].effects += effects
            cells.append(self._cell(place, follows, effects))
        unused = sorted(self._unused(), key=Difference.rank)
        unknown = dict.fromkeys(self._unknown())
        return Comparison(
            self.a, self.b, tuple(differences), tuple(unused), tuple(cells), tuple(unknown)
        )

    def _cell(self, place: int, follows: tuple[int, ...], effects: tuple[Effect, ...]) -> CellPair:
        pair, sides = self.pairs[place], self.sides[place]
        known = sides.a or sides.b
        assert known is not None
        cell, cell_b = self._cells(place)
        return CellPair(
            sides.a.execution if sides.a else None, sides.b.execution if sides.b else None,
            cell, cell_b, known.cell_id, first_line(known.source), pair.how, pair.moved,
            follows, effects,
        )  # fmt: skip

    def _unused(self) -> Iterator[Difference]:
        for place, given in self.given.others():
            if (given.kind, given.subject) in self.causes:
                continue
            if place != KERNEL and self.effects[place]:
                continue  # What differs in a cell that differs anyway may follow from that.
            cell, cell_b = self._cells(place)
            yield Difference(
                given.kind, cell, given.subject, given.a, given.b, given.because, cell_b,
                "possible", at=place,
            )  # fmt: skip

    def _unknown(self) -> Iterable[str]:
        for sides in self.sides:
            if sides.both:
                yield from unknown_files(*sides.both)
                if not all(side.outputs for side in sides.both):
                    yield f"cell {sides.both[0].position}: its outputs were not kept in both runs"
        if self.a.unseen != self.b.unseen:
            yield from (f"{run.run}: {run.unseen}" for run in (self.a, self.b) if run.unseen)
