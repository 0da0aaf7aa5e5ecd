"""Follows threads and processes through a trace, and says what each did to which path.

Threads of one process share its pid, and as a rule the working directory; a process is its pid and
generation, since pids are reused. After execve a process is the same one with another executable,
so compare processes by (pid, generation). `Birth.process` is the process that the child belongs to
(a new one, unless the child is a thread); the `process` of an `execute` access carries the new
executable already. A thread that calls execve becomes its process's first thread: the old first
thread exits as `superseded`, and a Birth leads from the caller to its new number.

A child's first calls precede the return of its parent's clone. With `births` (pass 1) each child is
known at its first call. Without, its events are held until the clone returns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from nbrepro.model import (
    Access,
    Birth,
    Entered,
    Event,
    Exit,
    Mark,
    Mode,
    Process,
    Step,
    Tid,
    Unparsed,
)
from nbrepro.trace.arguments import parse_string, split_arguments, unquote
from nbrepro.trace.births import Births, Origin, parse_child, parse_origin
from nbrepro.trace.deeds import Deed, Unresolved, deeds, moved, parse_flags
from nbrepro.trace.syscalls import CALLS, OPENS, Call, Effect

MARKER = "/nbrepro-marker/"
"""What the path of a mark begins with; no file is ever there."""

_PLAIN = OPENS - {"creat"}
_new = tuple.__new__

HELD_EVENTS = 2000
HELD_NS = 5_000_000_000
"""How long the events of a thread of unknown origin are held, before it is taken for an orphan."""


@dataclass(slots=True)
class Skipped:
    """Counts the events that became no step, by reason.

    `failed` counts calls by errno (`?`: the call's end is missing), `unresolved` successful calls
    by the reason why no path is known, `other` calls that are not in the table, `orphans` threads
    whose creator is not in the trace.
    """

    failed: dict[str, int] = field(default_factory=dict)
    unresolved: dict[str, int] = field(default_factory=dict)
    other: dict[str, int] = field(default_factory=dict)
    orphans: int = 0


@dataclass(slots=True)
class _Place:
    """A working directory that threads share; `head` is how an openat in it begins."""

    cwd: str
    head: str = "\0"


@dataclass(slots=True)
class _Group:
    """The process that threads share, as it is now."""

    process: Process


@dataclass(slots=True)
class _Thread:
    group: _Group
    place: _Place
    superseded: bool = False


def steps(
    events: Iterable[Event | Unparsed],
    births: Births | None = None,
    token: str = "",
    skipped: Skipped | None = None,
    cwd: str = "",
) -> Iterator[Step]:
    """Yield what each thread did, in the order in which its calls returned.

    `births` comes from pass 1 over the same trace. `token` is the secret part of the marks; marks
    of another token are failed opens. `cwd` is where the first process started, if known.
    """
    walk = _Walk(births, token, Skipped() if skipped is None else skipped, cwd)
    for event in events:
        if not isinstance(event, Event):
            continue
        if event[3] in _PLAIN:
            if event[5][:1] == "-":
                if walk.fails_plainly(event):
                    continue
            elif access := walk.open_plainly(event):
                yield access
                continue
        yield from walk.step(event)
    yield from walk.finish()


class _Walk:
    """The state of all threads of one host."""

    def __init__(self, births: Births | None, token: str, skipped: Skipped, cwd: str) -> None:
        self.births = births
        self.mark = f"{MARKER}{token}/" if token else ""
        self.skipped = skipped
        self.cwd = cwd
        self.threads: dict[int, _Thread] = {}
        self.generations: Counter[int] = Counter()
        self.born: dict[int, int] = {}
        self.held: dict[int, list[Event]] = {}
        self.directories: set[str] = set()
        self.started = False

    def fails_plainly(self, event: Event) -> bool:
        """Count an open that failed, as searches for modules do; tell whether it was one.

        Says what `step` would say, but of marks and of threads that are not known yet.
        """
        if event[1] not in self.threads or MARKER in event[4]:
            return False
        _count(self.skipped.failed, _errno(event[5]))
        return True

    def open_plainly(self, event: Event) -> Access | None:
        """Give a successful open of the commonest shape; None for all else.

        Nine events in ten are such: nothing escaped, the path reported by the kernel, the thread
        and its working directory known. Says what `step` would say.
        """
        line, tid, at_ns, call, args, result = event
        thread = self.threads.get(tid)
        if thread is None or not result.endswith(">") or "\\" in args:
            return None
        pieces, start = args.split('"'), result.rfind("<") + 1
        if len(pieces) != 3 or not result.startswith("/", start) or "\\" in result:
            return None
        head, named, flags = pieces
        place = thread.place
        if head != place.head and head.startswith("AT_FDCWD<"):
            return None
        mode, kind, created, truncated = parse_flags(flags)
        if mode is None:
            return None
        path = result[start:-1]
        if not kind and (path in self.directories or path == place.cwd):
            kind = "directory"
        if kind == "directory":
            self.directories.add(path)
        return _new(Access, (line, at_ns, tid, thread.group.process, mode, path, named, "",
                    kind, created, truncated, call))  # fmt: skip

    def step(self, event: Event) -> list[Step]:
        """Give the steps that this event makes known."""
        thread = self.threads.get(event.tid)
        if thread is not None:
            return self._act(event, thread)
        found: list[Step] = []
        thread = self._arrive(event, found)
        if thread is not None:
            found += self._act(event, thread)
        return found

    def finish(self) -> list[Step]:
        """Give the steps of the threads that are still held."""
        found: list[Step] = []
        while self.held:
            found += self._release(next(iter(self.held)))
        return found

    # Threads come.

    def _arrive(self, event: Event, found: list[Step]) -> _Thread | None:
        """Find or make the thread of its first event; None if the event is held for now."""
        tid = event.tid
        origin = self._origin(tid, event.line)
        if origin is not None:
            return self._adopt(tid, origin, found)
        if self.births is None and self.started:
            held = self.held.setdefault(tid, [])
            held.append(event)
            if len(held) > HELD_EVENTS or event.at_ns - held[0].at_ns > HELD_NS:
                found += self._release(tid)
            return None
        return self._root(tid)

    def _origin(self, tid: int, line: int) -> Origin | None:
        """Give the latest creation of `tid` before `line` that has not been taken yet."""
        latest = None
        for origin in (self.births or {}).get(tid, ()):
            if self.born.get(tid, 0) < origin.line < line:
                latest = origin
        return latest

    def _root(self, tid: int) -> _Thread:
        if self.started:
            self.skipped.orphans += 1
        self.started = True
        thread = _Thread(_Group(self._process(tid, 0, "")), _Place(self.cwd))
        self.threads[tid] = thread
        return thread

    def _process(self, pid: int, parent: int, executable: str) -> Process:
        self.generations[pid] += 1
        return Process(pid, self.generations[pid], parent, executable)

    def _adopt(self, tid: int, origin: Origin, found: list[Step]) -> _Thread:
        """Make `tid` as the child of its creator, and add its Birth to `found`."""
        self.born[tid] = origin.line
        creator = self.threads.get(origin.parent)
        if creator is None:
            before = self._origin(origin.parent, origin.line)
            creator = (
                self._adopt(origin.parent, before, found) if before else self._root(origin.parent)
            )
        group = creator.group
        if not origin.thread:
            process = group.process
            group = _Group(self._process(tid, process.pid, process.executable))
        shares_cwd = origin.thread or origin.shares_cwd
        place = creator.place if shares_cwd else _Place(creator.place.cwd, creator.place.head)
        self.threads[tid] = _Thread(group, place)
        parent, child = Tid(origin.parent), Tid(tid)
        found.append(Birth(origin.line, origin.at_ns, parent, child, origin.thread, group.process))
        return self.threads[tid]

    def _release(self, tid: int) -> list[Step]:
        """Give up waiting for the clone that made `tid`."""
        events = self.held.pop(tid)
        self._root(tid)
        return self._replay(events)

    def _replay(self, events: Iterable[Event]) -> list[Step]:
        found: list[Step] = []
        for event in events:
            found += self.step(event)
        return found

    # Threads act.

    def _act(self, event: Event, thread: _Thread) -> list[Step]:
        call = CALLS.get(event.call)
        if call is None:
            return self._other(event, thread)
        if not event.result[:1].isdecimal() and not self._succeeded(event, thread, call):
            return self._failed(event, thread, call)
        place = thread.place
        if event.args.startswith("AT_FDCWD<") and not event.args.startswith(place.head):
            self._see_cwd(event.args, place)
        if call.effect is Effect.CLONE:
            return self._cloned(event)
        if call.effect is Effect.MOVE:
            return self._moved(event, thread, call)
        return self._done(event, thread, call)

    def _succeeded(self, event: Event, thread: _Thread, call: Call) -> bool:
        if call.effect is Effect.CONNECT:
            return event.result.startswith("-1 EINPROGRESS")
        # strace 6.1 prints a nonsensical errno where execve came from another thread.
        return call.effect is Effect.EXECUTE and thread.superseded

    def _failed(self, event: Event, thread: _Thread, call: Call) -> list[Step]:
        if self.mark and MARKER in event.args and event.call in OPENS:
            arguments = split_arguments(event.args)
            named = parse_string(arguments[call.path]) if call.path < len(arguments) else None
            if named and named[0].startswith(self.mark):
                words = named[0].removeprefix(self.mark).split("/")
                return [
                    Mark(event.line, event.at_ns, event.tid, thread.group.process,
                         tuple(_decode_word(word) for word in words))
                ]  # fmt: skip
        _count(self.skipped.failed, _errno(event.result))
        return []

    def _see_cwd(self, args: str, place: _Place) -> None:
        """Learn the working directory from the tracer, which asks the kernel."""
        end = args.find(">")
        if end > 0:
            place.cwd = unquote(args[len("AT_FDCWD<") : end])
            place.head = args[: args.find('"')]

    def _done(self, event: Event, thread: _Thread, call: Call) -> list[Step]:
        found: list[Step] = []
        for deed in deeds(call, event.args, event.result, thread.place.cwd):
            if isinstance(deed, Unresolved):
                _count(self.skipped.unresolved, deed.reason)
                if deed.mode is Mode.EXECUTE:
                    _execute(thread, deed.named)
            else:
                found.append(self._access(event, thread, deed))
        return found

    def _access(self, event: Event, thread: _Thread, deed: Deed) -> Access:
        mode, path, named, target, kind, created, truncated = deed
        if mode is Mode.EXECUTE:
            _execute(thread, path)
        if not kind and (path in self.directories or path == thread.place.cwd):
            kind = "directory"
        if kind == "directory":
            self._see_directory(mode, path, target)
        process = thread.group.process
        return Access(event.line, event.at_ns, event.tid, process, mode, path, named, target,
                      kind, created, truncated, event.call)  # fmt: skip

    def _see_directory(self, mode: Mode, path: str, target: str) -> None:
        if mode in (Mode.REMOVE, Mode.RENAME):
            self.directories.discard(path)
        if mode is not Mode.REMOVE:
            self.directories.add(target if mode is Mode.RENAME else path)

    def _moved(self, event: Event, thread: _Thread, call: Call) -> list[Step]:
        directory = moved(call, event.args, thread.place.cwd)
        if isinstance(directory, Unresolved):
            _count(self.skipped.unresolved, directory.reason)
            directory = ""
        thread.place.cwd, thread.place.head = directory, "\0"
        return [Entered(event.line, event.at_ns, event.tid, thread.group.process, directory)]

    def _cloned(self, event: Event) -> list[Step]:
        child = parse_child(event)
        found: list[Step] = []
        if not child or self.born.get(child, 0) >= event.line:
            return found
        self._adopt(child, parse_origin(event), found)
        return found + self._replay(self.held.pop(child, ()))

    # Threads go.

    def _other(self, event: Event, thread: _Thread) -> list[Step]:
        if event.call == "+superseded":
            return self._superseded(event, thread)
        if event.call in ("+exited", "+killed"):
            del self.threads[event.tid]
            return [_exit(event, thread, event.tid, event.result)]
        _count(self.skipped.other, event.call)
        return []

    def _superseded(self, event: Event, first: _Thread) -> list[Step]:
        caller = Tid(int(event.result))
        thread = self.threads.pop(caller, first)
        thread.superseded = True
        self.threads[event.tid] = thread
        process = thread.group.process
        found: list[Step] = [_exit(event, first, event.tid, "superseded")]
        if caller != event.tid:
            found.append(Birth(event.line, event.at_ns, caller, event.tid, True, process))
            found.append(_exit(event, thread, caller, "superseded"))
        return found


@lru_cache(maxsize=1024)
def _errno(result: str) -> str:
    """Give the name of a failure, `ENOENT`, or `?` where the call's end is missing."""
    parts = result.split(" ", 2)
    return parts[1] if len(parts) > 1 else parts[0]


def _count(counts: dict[str, int], reason: str) -> None:
    counts[reason] = counts.get(reason, 0) + 1


def _execute(thread: _Thread, executable: str) -> None:
    thread.group.process = thread.group.process._replace(executable=executable)
    thread.superseded = False


def _exit(event: Event, thread: _Thread, tid: Tid, status: str) -> Exit:
    return Exit(event.line, event.at_ns, tid, thread.group.process, status)


def _decode_word(word: str) -> str:
    raw = word.encode("utf-8", "surrogateescape")
    return unquote_to_bytes(raw).decode("utf-8", "surrogateescape")
