r"""Turns strace's lines into Events, joining calls that other threads interrupted.

    2890  1795380580.470271652 openat(AT_FDCWD</st>, "a", O_RDONLY) = 3</st/a>
    2890  1795380580.481368130 vfork( <unfinished ...>
    2890  1795380580.486987005 <... vfork resumed>) = 2936
    2890  1795380580.500000000 --- SIGCHLD {si_signo=SIGCHLD, ...} ---
    2890  1795380580.600000000 +++ exited with 0 +++

Written for `strace -f -y -o FILE --timestamps=unix,ns` of versions 5.16 to 6.13 (strace(1)); `-ttt`
microseconds and aligned results are understood too. Every line becomes exactly one of: an event, a
continuation (the first half of a joined call), ignored (a signal), unparsed (with the reason).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import chain

from nbrepro.model import Event, Tid, Unparsed

UNKNOWN = "?"
"""The result of a call whose end is missing."""

# The result as it ends a line. Descriptors are annotated with a path in which `<` and `>` are
# escaped, so the greedy `(.*)\) = ` before it cannot stop inside a file's name.
_RESULT = (
    r"(?:-?\d+|0x[0-9a-f]+|\?)(?:<(?:[^<>]|<[^<>]*>)*>(?:\(deleted\))?)?"
    r"(?: <unavailable>)?(?: E\w+)?(?: \((?:[^\"<>()]|<[^<>]*>)*\))*"
)
_LINE = re.compile(r"(\d{1,10}) +(\d{1,12})\.(\d{1,9}) (.*)", re.ASCII | re.DOTALL)
_WHOLE = re.compile(rf"(\w+)\((.*)\) += ({_RESULT})", re.ASCII | re.DOTALL)
_UNFINISHED = re.compile(
    r"(\w+)\((.*) <(?:unfinished|pid changed to \d+) \.\.\.>", re.ASCII | re.DOTALL
)
_RESUMED = re.compile(rf"<\.\.\. (\w+) resumed>(.*)\) += ({_RESULT})", re.ASCII | re.DOTALL)
_END = re.compile(
    r"\+\+\+ (?:(exited) with (\d{1,10})|(killed) by (\w+)(?: \(core dumped\))?"
    r"|(superseded) by execve in pid (\d{1,10})) \+\+\+",
    re.ASCII,
)


@cache
def _common(digits: int) -> re.Pattern[str]:
    # Nine lines in ten: a finished call with one string. What follows a literal excludes one
    # character only where it can, which costs a third of a set and never backtracks; a string with
    # escapes may be cut wrongly, and is left to the patterns above.
    return re.compile(
        rf"([0-9]{{1,10}}) +([0-9]{{1,12}})\.([0-9]{{{digits}}}) ([a-z0-9_]++)"
        r'\(([^"]*+"[^"]*+"[^")]*+)\) ++= ([0-9-].*)'
    )


@dataclass(slots=True)
class Summary:
    """Counts what became of every line: lines == events + continuations + ignored + unparsed.

    `unfinished` says how many of the events are calls whose end is missing.
    """

    lines: int = 0
    events: int = 0
    continuations: int = 0
    ignored: int = 0
    unparsed: int = 0
    unfinished: int = 0
    reasons: dict[str, int] = field(default_factory=dict)


def events(lines: Iterable[bytes], summary: Summary | None = None) -> Iterator[Event | Unparsed]:
    """Yield what each line says, as soon as it is known.

    `lines` are lines or blocks of whole lines, or empty where there is nothing new; the counts in
    `summary` hold after each of them, and one summary may add up several traces.
    A joined call is yielded when it resumes, with the line and the time at which it was entered;
    calls that never resume come with the result `?` when their thread ends, or at the end. A last
    piece without newline is half-written, unless no line before it had one either.
    """
    return chain.from_iterable(_batches(lines, Summary() if summary is None else summary))


def _batches(lines: Iterable[bytes], summary: Summary) -> Iterator[Iterable[Event | Unparsed]]:
    joiner = Joiner(summary)
    newlines = False
    for block in filter(None, lines):
        text = block.decode("utf-8", "surrogateescape")
        torn = not text.endswith("\n")
        newlines = newlines or "\n" in text
        if torn and newlines:
            end = text.rfind("\n") + 1
            yield _batch(text[:end], joiner)
            if end < len(text):
                yield (joiner.tear(text[end:]),)
        else:
            yield _batch(text + "\n" if torn else text, joiner)
    yield joiner.finish()


def _batch(text: str, joiner: Joiner) -> list[Event | Unparsed]:
    """Understand whole lines: in one loop without calls, which nine lines in ten stay in."""
    digits = _fraction_digits(text)
    scale = 10 ** (9 - digits)
    number = before = joiner.line
    pending = joiner.pending
    found: list[Event | Unparsed] = []
    new = tuple.__new__
    last_tid = last_second = ""
    tid = base_ns = odd_lines = 0
    escapes = "\\" in text
    lines = text[:-1].split("\n") if text else []
    for match in map(_common(digits).fullmatch, lines):
        number += 1
        if match is None or (escapes and "\\" in match.string):
            odd_lines += 1
            last_tid = ""
            found += joiner.join(number, lines[number - before - 1])
            continue
        tid_text, second, fraction, call, args, result = match.groups()
        if tid_text != last_tid:
            last_tid = tid_text
            tid = int(tid_text)
            if tid in pending:
                found.append(joiner.abandon(tid))
        if second != last_second:
            last_second = second
            base_ns = int(second) * 1_000_000_000
        at_ns = base_ns + int(fraction) * scale
        found.append(new(Event, (number, tid, at_ns, call, args, result)))
    joiner.summary.events += number - before - odd_lines
    joiner.summary.lines += number - before
    joiner.line = number
    return found


def _fraction_digits(text: str) -> int:
    match = _LINE.match(text, 0, 200)
    return len(match[3]) if match else 9


class Joiner:
    """Understands single lines of any shape, and holds the calls that have not returned."""

    def __init__(self, summary: Summary) -> None:
        self.summary = summary
        self.line = 0
        self.pending: dict[int, Event] = {}

    def tear(self, text: str) -> Unparsed:
        """Give the half-written piece after the last whole line."""
        self.line += 1
        self.summary.lines += 1
        return self.give_up(self.line, text, "half-written last line")

    def give_up(self, number: int, text: str, reason: str) -> Unparsed:
        """Count a line that is not understood, and give it as a value."""
        self.summary.unparsed += 1
        self.summary.reasons[reason] = self.summary.reasons.get(reason, 0) + 1
        return Unparsed(number, text, reason)

    def abandon(self, tid: int) -> Event:
        """Give the call in which `tid` was when its trace goes on without the call's end."""
        self.summary.continuations -= 1
        self.summary.unfinished += 1
        self.summary.events += 1
        return self.pending.pop(tid)

    def finish(self) -> Iterator[Event]:
        """Yield the calls that never returned."""
        for tid in sorted(self.pending, key=lambda t: self.pending[t].line):
            yield self.abandon(tid)

    def join(self, number: int, text: str) -> list[Event | Unparsed]:
        """Give the values that this line completes: none, one, or two."""
        head = _LINE.fullmatch(text)
        if head is None:
            return [self.give_up(number, text, "no thread, time and call")]
        tid_text, seconds, fraction, rest = head.groups()
        tid = Tid(int(tid_text))
        if rest.startswith("<... "):
            return [self._resume(number, tid, text, rest)]
        if rest.startswith("--- "):
            return self._signal(number, text)
        at_ns = int(seconds + fraction.ljust(9, "0"))
        if rest.startswith("+++ "):
            return self._end(number, tid, at_ns, text, rest)
        return self._enter(number, tid, at_ns, text, rest)

    def _signal(self, number: int, text: str) -> list[Event | Unparsed]:
        if not text.endswith(" ---"):
            return [self.give_up(number, text, "half a signal")]
        self.summary.ignored += 1
        return []

    def _end(
        self, number: int, tid: Tid, at_ns: int, text: str, rest: str
    ) -> list[Event | Unparsed]:
        match = _END.fullmatch(rest)
        if match is None:
            return [self.give_up(number, text, "unknown end of a thread")]
        how, status = (group for group in match.groups() if group is not None)
        values: list[Event | Unparsed] = [self.abandon(tid)] if tid in self.pending else []
        if how == "superseded" and int(status) in self.pending:
            # The thread that called execve goes on under the number of its process's first.
            self.pending[tid] = self.pending.pop(int(status))._replace(tid=tid)
        self.summary.events += 1
        return [*values, Event(number, tid, at_ns, f"+{how}", "", status)]

    def _resume(self, number: int, tid: Tid, text: str, rest: str) -> Event | Unparsed:
        match = _RESUMED.fullmatch(rest)
        if match is None:
            return self.give_up(number, text, "half a resumed call")
        entered = self.pending.get(tid)
        if entered is None or entered[3] != match[1]:
            return self.give_up(number, text, "resumed without unfinished")
        del self.pending[tid]
        self.summary.events += 1
        line, _, at_ns, call, args, _ = entered
        return Event(line, tid, at_ns, call, args + match[2], match[3])

    def _enter(
        self, number: int, tid: Tid, at_ns: int, text: str, rest: str
    ) -> list[Event | Unparsed]:
        half = _UNFINISHED.fullmatch(rest) if rest.endswith(" ...>") else None
        whole = None if half else _WHOLE.fullmatch(rest)
        if not half and not whole:
            return [self.give_up(number, text, "no call with arguments and result")]
        values: list[Event | Unparsed] = [self.abandon(tid)] if tid in self.pending else []
        if half:
            self.summary.continuations += 1
            self.pending[tid] = Event(number, tid, at_ns, half[1], half[2], UNKNOWN)
        elif whole:
            self.summary.events += 1
            values.append(Event(number, tid, at_ns, whole[1], whole[2], whole[3]))
        return values
