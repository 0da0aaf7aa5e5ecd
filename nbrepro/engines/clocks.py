"""Bound how far a manager's clock is ahead of a worker's, from what was sent and answered.

A worker's event lies between two of the manager's: the manager sent something before, and got the
answer after. Each pair bounds the difference from one side, whatever the network took.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Exchange(NamedTuple):
    """Something that was sent and answered: times by the manager's clock and by the worker's."""

    sent_ns: int
    began_ns: int
    ended_ns: int
    answered_ns: int


class Clock(NamedTuple):
    """The manager's clock minus a worker's, known to within `error_ns` (-1: not measured)."""

    offset_ns: int = 0
    error_ns: int = -1


def measure_clock(exchanges: Iterable[Exchange]) -> Clock:
    """Give the smallest difference that agrees with all exchanges, and its error.

    Clocks that may be equal are said to be: any other guess would order events no better. Where a
    clock was stepped, so that exchanges contradict one another, the middle is given.
    """
    least, most = [], []
    for exchange in exchanges:
        least.append(exchange.sent_ns - exchange.began_ns)
        most.append(exchange.answered_ns - exchange.ended_ns)
    if not least:
        return Clock()
    low, high = sorted((max(least), min(most)))
    offset = 0 if low <= 0 <= high else min(low, high, key=abs)
    if max(least) > min(most):
        offset = (low + high) // 2
    return Clock(offset, max(high - offset, offset - low))
