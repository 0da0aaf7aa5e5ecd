"""Drop executions from a slice for as long as it still shows the same: delta debugging.

A. Zeller, R. Hildebrandt, Simplifying and Isolating Failure-Inducing Input, 2002 (ddmin). Those
that are only perhaps needed are tried first, all at once, then the surer ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

Holds = Callable[[frozenset[int]], bool]
"""Tells whether what is left, without these executions, still shows the same."""


def minimise(
    possible: Sequence[int], exact: Sequence[int], holds: Holds, late: Callable[[], bool]
) -> frozenset[int]:
    """Give the executions that can be dropped together; `late` tells when to stop trying."""
    dropped: frozenset[int] = frozenset()
    for candidates in (possible, exact):
        dropped = _drop(list(candidates), dropped, holds, late)
    return dropped


def _drop(
    candidates: list[int], dropped: frozenset[int], holds: Holds, late: Callable[[], bool]
) -> frozenset[int]:
    """Drop from `candidates` what can go: larger parts first, then ever smaller ones."""
    size = len(candidates)
    while size >= 1 and candidates and not late():
        progress = False
        for start in range(0, len(candidates), size):
            part = [one for one in candidates[start : start + size] if one not in dropped]
            if not part or late():
                continue
            if holds(dropped | frozenset(part)):
                dropped |= frozenset(part)
                progress = True
        candidates = [one for one in candidates if one not in dropped]
        # What could not go alone may go once others have gone.
        size = min(size, len(candidates)) if progress and size == 1 else size // 2
    return dropped
