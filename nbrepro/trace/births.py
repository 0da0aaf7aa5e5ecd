"""Pass 1 over a trace: who created whom.

A child's first calls appear before its parent's clone returns, and process ids are reused: only a
look ahead tells whose child a thread is at its first call.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from nbrepro.model import Event
from nbrepro.trace.strace import Joiner, Summary
from nbrepro.trace.syscalls import CLONES

_CLONE = re.compile(rb"[0-9]+ +[0-9.]+ (?:<\.\.\. )?(?:clone3?|v?fork)\b.*")
_PID = re.compile("[0-9]{1,10}")
_HINTS = (b" clone", b"fork(", b"fork resumed")
"""Most lines hold none of these, and are passed over at the speed of a substring search."""


class Origin(NamedTuple):
    """One creation of a thread: `line` and `at_ns` are where thread `parent` entered clone.

    `thread` says that both share one process, `shares_cwd` that they share the working directory.
    """

    line: int
    parent: int
    thread: bool
    shares_cwd: bool
    at_ns: int


Births = dict[int, list[Origin]]
"""For each thread id its creations, in order of line."""


def births(lines: Iterable[bytes]) -> Births:
    """Find who created each thread. `lines` are lines or blocks of whole lines."""
    joiner = Joiner(Summary())
    found: Births = {}
    before, stripped = 0, True
    for block in filter(None, lines):
        for number, line in _find_clones(block):
            for value in joiner.join(before + number, line):
                if isinstance(value, Event):
                    _add(found, value)
        newlines = block.count(b"\n")
        stripped = stripped and not newlines
        before += newlines or stripped
    for origins in found.values():
        origins.sort()
    return found


def _find_clones(block: bytes) -> Iterator[tuple[int, str]]:
    """Yield the lines that may tell of a creation, with their numbers in the block."""
    starts = {block.rfind(b"\n", 0, at) + 1 for hint in _HINTS for at in _places(block, hint)}
    number, position = 1, 0
    for start in sorted(starts):
        match = _CLONE.match(block, start)
        if match is not None:
            number += block.count(b"\n", position, start)
            position = start
            yield number, match[0].decode("utf-8", "surrogateescape")


def _places(block: bytes, hint: bytes) -> Iterator[int]:
    at = block.find(hint)
    while at >= 0:
        yield at
        at = block.find(hint, at + 1)


def _add(found: Births, event: Event) -> None:
    child = parse_child(event)
    if child:
        found.setdefault(child, []).append(parse_origin(event))


def parse_child(event: Event) -> int:
    """Give the thread that a clone, fork or vfork made, or 0."""
    if event.call not in CLONES or _PID.fullmatch(event.result) is None:
        return 0
    return int(event.result)


def parse_origin(event: Event) -> Origin:
    """Give what a clone, fork or vfork says of its child's beginning."""
    flags = event.args
    return Origin(event.line, event.tid, "CLONE_THREAD" in flags, "CLONE_FS" in flags, event.at_ns)
