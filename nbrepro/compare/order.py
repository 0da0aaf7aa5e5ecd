"""Tell how the order of executions differs, and why one run has executions that the other lacks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from nbrepro.compare.alignment import Pair
from nbrepro.compare.direct import Given
from nbrepro.compare.values import Activity, Portrait

_AROUND = 12


class Reordered(NamedTuple):
    """The difference, and the pair (a place in the list) where the order first differs."""

    given: Given
    at: int


def given_order(
    a: Sequence[Activity], b: Sequence[Activity], pairs: Sequence[Pair]
) -> Reordered | None:
    """Tell in which order the cells ran that both runs have, where it is not the same."""
    if not any(pair.moved for pair in pairs):
        return None
    both = [(n, p.a, p.b) for n, p in enumerate(pairs) if p.a is not None and p.b is not None]
    ours = [n for n, _, _ in both]
    theirs = [n for n, _, _ in sorted(both, key=lambda one: one[2])]
    first = next(k for k, (x, y) in enumerate(zip(ours, theirs, strict=True)) if x != y)
    positions = {n: a[place].position for n, place, _ in both}
    moved = [str(a[p.a].position) for p in pairs if p.moved and p.a is not None]
    noun = "cell" if len(moved) == 1 else "cells"
    given = Given(
        "order",
        f"{noun} {', '.join(moved[:_AROUND])}",
        _listed(positions[n] for n in ours[first : first + _AROUND]),
        _listed(positions[n] for n in theirs[first : first + _AROUND]),
        "the same cells ran in another order",
    )
    return Reordered(given, ours[first])


def given_lack(run: Portrait, other: Portrait, alone: Activity, which: str) -> Given:
    """Say why an execution of `run` (the `which` one, first or second) has no counterpart."""
    title = first_line(alone.source)
    a, b = (title, None) if which == "first" else (None, title)
    cell = f"cell {alone.position}" + (" of the second run" if which == "second" else "")
    again = sum((x.cell_id, x.digest) == (alone.cell_id, alone.digest) for x in run.executions) > 1
    last = other.executions[-1] if other.executions else None
    ended = other.status not in ("ok", "") and (last is None or not _after(run, alone, last))
    if ended:
        said = f"the other run ended before it ({other.status}: {other.error})"
        return Given("order", cell, a, b, said, weak=True)
    if again:
        return Given("order", cell, a, b, f"only the {which} run executed it once more")
    return Given("source", cell, a, b, f"only the {which} run has this cell")


def _after(run: Portrait, alone: Activity, last: Activity) -> bool:
    """Tell whether the other run came past the place of an execution that it lacks."""
    behind = {x.digest for x in run.executions if x.execution > alone.execution}
    return last.digest in behind


def first_line(source: str) -> str:
    """Give the first line of code that says something."""
    lines = [line.strip() for line in source.splitlines() if line.strip()]
    code = [line for line in lines if not line.startswith("#")]
    return (code or lines or [""])[0][:80]


def _listed(positions: Iterable[int]) -> str:
    return ", ".join(str(position) for position in positions)
