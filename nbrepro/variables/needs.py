"""Which earlier executions an execution needs, and the closure of that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nbrepro.variables.held import EXACT, POSSIBLE


@dataclass(frozen=True, slots=True)
class Need:
    """An execution needs an earlier one (`execution`) through `names`.

    `certainty` is `exact`, or `possible` where the code alone cannot tell and nothing was observed
    that would. `reason` says what the earlier one did; `kind` is `variable`, `state` or `file`.
    """

    execution: int
    names: tuple[str, ...]
    certainty: str
    reason: str
    kind: str = "variable"


@dataclass(slots=True)
class NeedSet:
    """Collects the needs of one execution: one for each earlier execution and kind."""

    found: dict[tuple[int, str], Need]

    def add(self, need: Need) -> None:
        """Add a need, joining it with what is known of the same execution."""
        key = (need.execution, need.kind)
        known = self.found.get(key)
        if known is None:
            self.found[key] = need
            return
        surer = need if need.certainty == EXACT and known.certainty == POSSIBLE else known
        names = tuple(dict.fromkeys((*known.names, *need.names)))
        self.found[key] = Need(need.execution, names, surer.certainty, surer.reason, need.kind)

    def needs(self) -> tuple[Need, ...]:
        """Give the needs in order of the execution."""
        return tuple(self.found[key] for key in sorted(self.found))


@dataclass(frozen=True, slots=True)
class Needed:
    """An execution of a closure: why it is in it, and for which later execution."""

    execution: int
    certainty: str
    reason: str
    names: tuple[str, ...] = ()
    needed_by: int | None = None
    kind: str = ""


def close_needs(
    needs: Mapping[int, Iterable[Need]], goals: Iterable[int], reason: str = "asked for"
) -> list[Needed]:
    """Give every execution that `goals` need, themselves included, in order.

    It is `exact` where a chain of exact needs leads to it, else `possible`.
    """
    found: dict[int, Needed] = {}
    pending = [Needed(goal, EXACT, reason) for goal in goals]
    while pending:
        one = pending.pop()
        known = found.get(one.execution)
        if known is not None and (known.certainty == EXACT or one.certainty == POSSIBLE):
            continue
        found[one.execution] = one
        for need in needs.get(one.execution, ()):
            sure = EXACT if EXACT == need.certainty == one.certainty else POSSIBLE
            pending.append(Needed(need.execution, sure, need.reason, need.names,
                                  one.execution, need.kind))  # fmt: skip
    return [found[execution] for execution in sorted(found)]


def join_needs(*sources: Mapping[int, Sequence[Need]]) -> dict[int, tuple[Need, ...]]:
    """Put the needs from several sources together."""
    executions = sorted({execution for source in sources for execution in source})
    return {
        execution: tuple(need for source in sources for need in source.get(execution, ()))
        for execution in executions
    }
