"""Terms of records and which of them are equal: constants, and variables for what was left out.

Leaving an argument out says "there is some" (PROV-CONSTRAINTS, section 4.1): a variable, which the
key constraints may make equal to a constant. A placeholder says "there is none": a constant.
"""

from __future__ import annotations

from nbrepro.validity.times import find_instant

PLACEHOLDER = "\0"
"""The constant of what there is not: no identifier and no text of a document."""

Constant = str | int
"""An identifier or the placeholder; a time as nanoseconds, or as text where it is none."""


class Terms:
    """Terms are numbers; union-find keeps which are equal and what constant they are."""

    def __init__(self) -> None:
        self._parents: list[int] = []
        self._constants: dict[int, Constant] = {}
        self._known: dict[tuple[str, Constant], int] = {}

    def fresh(self) -> int:
        """Make a variable."""
        self._parents.append(len(self._parents))
        return len(self._parents) - 1

    def name(self, text: str) -> int:
        """Give the term of an identifier; a blank one (`_:x`) is a variable with a name."""
        return self._intern("name", text, None if text.startswith("_:") else text)

    def time(self, text: str) -> int:
        """Give the term of a time: two texts for one instant are one term."""
        instant = find_instant(text)
        value: Constant = text if instant is None else instant
        return self._intern("time", value, value)

    def _intern(self, sort: str, key: Constant, constant: Constant | None) -> int:
        term = self._known.get((sort, key))
        if term is None:
            term = self._known[sort, key] = self.fresh()
            if constant is not None:
                self._constants[term] = constant
        return term

    def find(self, term: int) -> int:
        """Give the one term that stands for all that are equal to `term`."""
        parents = self._parents
        while parents[term] != term:
            parents[term] = parents[parents[term]]
            term = parents[term]
        return term

    def constant(self, term: int) -> Constant | None:
        """Give the constant that a term is; None for a variable."""
        return self._constants.get(self.find(term))

    def clash(self, one: int, other: int) -> bool:
        """Tell whether two terms are two different constants."""
        first, second = self.constant(one), self.constant(other)
        return first is not None and second is not None and first != second

    def join(self, winner: int, loser: int) -> None:
        """Make two terms equal that do not clash; `winner` stands for both from now on."""
        kept, gone = self.find(winner), self.find(loser)
        self._parents[gone] = kept
        if gone in self._constants:
            self._constants.setdefault(kept, self._constants[gone])
