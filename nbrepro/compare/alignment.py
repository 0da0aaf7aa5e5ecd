"""Pair the executions of two runs: the same cell in both, however it was moved or edited.

The surest evidence is used first: the same cell id with the same source; then the same source
elsewhere; then the same cell id with another source; then a similar source at the same place.
What has no counterpart stays alone.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from difflib import SequenceMatcher
from itertools import pairwise
from typing import NamedTuple

from nbrepro.compare.values import Activity

SIMILAR = 0.6
"""How much of two sources must be equal for them to be one cell that was edited."""

NEARLY = 0.9
"""How much of two sources with different ids."""

_BY_PLACE = re.compile(r"position-\d+\Z")
_LONGEST = 4000


class Pair(NamedTuple):
    """The places of two executions in their runs (from 0), None where there is no counterpart.

    `moved` says that it ran in another order among the others.
    """

    a: int | None
    b: int | None
    how: str
    moved: bool = False


Key = Callable[[Activity], Hashable | None]


def align(first: Sequence[Activity], second: Sequence[Activity]) -> list[Pair]:
    """Pair all executions of two runs, in the order of the first with the second's own between."""
    matched: dict[int, tuple[int, str]] = {}
    for how, key in (
        ("id and source", lambda x: (x.cell_id, x.digest) if _identity(x) else None),
        ("source", lambda x: x.digest),
        ("id", _identity),
    ):
        _match(first, second, matched, key, how)
    _match_similar(first, second, matched)
    return _ordered(len(first), len(second), matched)


def _identity(activity: Activity) -> str | None:
    """Give the cell's id; one that is only its place tells nothing."""
    return None if _BY_PLACE.match(activity.cell_id) else activity.cell_id or None


def _match(
    first: Sequence[Activity],
    second: Sequence[Activity],
    matched: dict[int, tuple[int, str]],
    key: Key,
    how: str,
) -> None:
    """Match what has equal keys: in order as far as possible, then the k-th with the k-th."""
    taken = {place for place, _ in matched.values()}
    free_a = [n for n, x in enumerate(first) if n not in matched and key(x) is not None]
    free_b = [n for n, x in enumerate(second) if n not in taken and key(x) is not None]
    keys_a, keys_b = [key(first[n]) for n in free_a], [key(second[n]) for n in free_b]
    blocks = SequenceMatcher(None, keys_a, keys_b, autojunk=False).get_matching_blocks()
    left_a, left_b = set(free_a), set(free_b)
    for start_a, start_b, size in blocks:
        for step in range(size):
            one, other = free_a[start_a + step], free_b[start_b + step]
            matched[one] = (other, how)
            left_a.discard(one)
            left_b.discard(other)
    waiting: dict[Hashable | None, list[int]] = defaultdict(list)
    for place in sorted(left_b, reverse=True):
        waiting[key(second[place])].append(place)
    for place in sorted(left_a):
        if waiting[key(first[place])]:
            matched[place] = (waiting[key(first[place])].pop(), how)


def _match_similar(
    first: Sequence[Activity], second: Sequence[Activity], matched: dict[int, tuple[int, str]]
) -> None:
    """Match edited cells without an id in the gaps between those that are known."""
    taken = {place for place, _ in matched.values()}
    for gap_a, gap_b in _gaps(len(first), len(second), matched):
        free_a = [n for n in gap_a if n not in matched]
        free_b = [n for n in gap_b if n not in taken]
        for one, other in _best(first, second, free_a, free_b):
            matched[one] = (other, "similar source")


def _gaps(
    length_a: int, length_b: int, matched: dict[int, tuple[int, str]]
) -> list[tuple[range, range]]:
    """Give the ranges between neighbouring matches that are in the same order in both."""
    kept = _increasing([(a, b) for a, (b, _) in sorted(matched.items())])
    ends = [(-1, -1), *kept, (length_a, length_b)]
    return [
        (range(a + 1, next_a), range(b + 1, next_b)) for (a, b), (next_a, next_b) in pairwise(ends)
    ]


def _best(
    first: Sequence[Activity], second: Sequence[Activity], free_a: list[int], free_b: list[int]
) -> list[tuple[int, int]]:
    """Choose pairs in order whose similarities sum up to the most: an edit distance."""
    best: list[list[tuple[float, list[tuple[int, int]]]]] = [
        [(0.0, [])] * (len(free_b) + 1) for _ in range(len(free_a) + 1)
    ]
    for i, one in enumerate(free_a, 1):
        for j, other in enumerate(free_b, 1):
            skipped = max(best[i - 1][j], best[i][j - 1], key=lambda found: found[0])
            alike = _similarity(first[one], second[other])
            before, pairs = best[i - 1][j - 1]
            taken = before + alike if alike >= SIMILAR else -1.0
            best[i][j] = (taken, [*pairs, (one, other)]) if taken > skipped[0] else skipped
    return best[-1][-1][1]


def _similarity(one: Activity, other: Activity) -> float:
    identities = _identity(one), _identity(other)
    # Both have ids of their own: another id is another cell, unless they are nearly the same.
    floor = NEARLY if None not in identities and identities[0] != identities[1] else SIMILAR
    alike = SequenceMatcher(None, one.source[:_LONGEST], other.source[:_LONGEST], autojunk=False)
    if alike.real_quick_ratio() < floor or alike.quick_ratio() < floor:
        return 0.0
    ratio = alike.ratio()
    return ratio if ratio >= floor else 0.0


def _ordered(length_a: int, length_b: int, matched: dict[int, tuple[int, str]]) -> list[Pair]:
    """List the pairs in the first's order, what only the second has behind what it followed."""
    kept = {a for a, _ in _increasing([(a, b) for a, (b, _) in sorted(matched.items())])}
    taken = {b: a for a, (b, _) in matched.items()}
    alone: dict[int, list[Pair]] = defaultdict(list)
    behind = -1
    for place in range(length_b):
        if place not in taken:
            alone[behind].append(Pair(None, place, "only in the second"))
        elif taken[place] in kept:
            behind = taken[place]
    found = list(alone[-1])
    for place in range(length_a):
        other, how = matched.get(place, (None, "only in the first"))
        found.append(Pair(place, other, how, other is not None and place not in kept))
        found += alone[place]
    return found


def _increasing(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Give the longest part of the pairs, sorted by the first, that the second is sorted by too."""
    tails: list[int] = []
    chosen: list[int] = []
    before: list[int] = []
    for index, (_, place) in enumerate(pairs):
        at = bisect_left(tails, place)
        before.append(chosen[at - 1] if at else -1)
        if at == len(tails):
            tails.append(place)
            chosen.append(index)
        else:
            tails[at], chosen[at] = place, index
    found: list[tuple[int, int]] = []
    index = chosen[-1] if chosen else -1
    while index >= 0:
        found.append(pairs[index])
        index = before[index]
    return found[::-1]
