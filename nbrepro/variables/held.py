"""What is known of the names at one point of a run: who bound each, and who changed its object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from nbrepro.variables.operations import Body

EXACT, POSSIBLE = "exact", "possible"


class Why(NamedTuple):
    """How sure it is that an execution did something, and what it did."""

    certainty: str
    reason: str


Makers = Mapping[int, Why]
"""What made something as it is: executions by their number."""


@dataclass(frozen=True, slots=True)
class Held:
    """A name: the executions that bound it and that changed its object since.

    `same` are the objects it is bound to (numbers of ours), `may` those that it may reach. `kind`
    is `data` where it is known to be containers, arrays, numbers or text.
    """

    binders: Makers
    changes: Makers = field(default_factory=dict)
    same: frozenset[int] = frozenset()
    may: frozenset[int] = frozenset()
    bodies: frozenset[Body] = frozenset()
    module: str = ""
    kind: str = ""
    deleted: bool = False

    @property
    def reached(self) -> frozenset[int]:
        """Give every object that it may reach."""
        return self.same | self.may

    def changed(self, execution: int, why: Why) -> Held:
        """Give it as it is after an execution changed it, keeping the surer of two reasons."""
        known = self.changes.get(execution)
        if known is not None and (known.certainty == EXACT or why.certainty == POSSIBLE):
            return self
        return replace(self, changes={**self.changes, execution: why})

    def without_change(self, execution: int) -> Held:
        """Give it as it is where an execution did not change it after all."""
        if execution not in self.changes:
            return self
        return replace(self, changes={n: why for n, why in self.changes.items() if n != execution})


def merge_names(branches: Iterable[Mapping[str, Held]]) -> dict[str, Held]:
    """Give the names as they may be after one of several branches."""
    every = list(branches)
    merged: dict[str, Held] = {}
    for name in dict.fromkeys(name for names in every for name in names):
        found = [names.get(name) for names in every]
        first = found[0]
        if all(one is first for one in found) and first is not None:
            merged[name] = first
        else:
            merged[name] = _merge([one for one in found if one is not None])
    return merged


def _merge(found: list[Held]) -> Held:
    kinds = {one.kind for one in found}
    return Held(
        _makers([one.binders for one in found]),
        _makers([one.changes for one in found]),
        frozenset().union(*(one.same for one in found)),
        frozenset().union(*(one.may for one in found)),
        frozenset[Body]().union(*(one.bodies for one in found)),
        found[0].module,
        kinds.pop() if len(kinds) == 1 else "",
        all(one.deleted for one in found),
    )


def _makers(every: list[Makers]) -> Makers:
    """Join makers; what only some of the branches that bind the name have is possible."""
    merged: dict[int, Why] = {}
    for makers in every:
        for execution, why in makers.items():
            sure = all(execution in other for other in every)
            certainty = why.certainty if sure else POSSIBLE
            known = merged.get(execution)
            if known is None or known.certainty == POSSIBLE:
                merged[execution] = Why(certainty, why.reason)
    return merged
