"""Decide whom each access belongs to: a cell execution, or the kernel itself.

An access belongs to the cell whose mark is open on its thread. A new thread or process starts with
what its creator had when it entered clone; since a thread inside clone makes no marks, that is
what the creator has when the child's Birth is seen. Work items of pools, steps of asyncio tasks
and tasks of distributed engines carry marks of their own, which nest. What an engine's client
transfers for its tasks is nobody's cell: the kernel itself does it. On a worker, a process belongs
to the task whose sandbox it enters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from nbrepro.model import (
    Access,
    Birth,
    Certainty,
    Entered,
    Evidence,
    Exit,
    Mark,
    OwnedAccess,
    OwnedExit,
    Owner,
    Step,
    Tid,
)
from nbrepro.sandboxes import Sandboxes

KERNEL = Owner()


class _Claim(NamedTuple):
    """An owner and why."""

    owner: Owner
    evidence: Evidence


class Window(NamedTuple):
    """The time of one cell execution, by the clock of the traced host."""

    execution: int
    started_ns: int
    ended_ns: int


class Attribution:
    """Who owns each thread's accesses, as the walk through the trace goes on.

    `unattributed` counts accesses of threads whose creation the trace does not show; they are given
    to the cell that ran at that time, as inferred. `worker` names the worker whose trace it is, and
    `sandboxes` knows its tasks.
    """

    def __init__(
        self,
        windows: Sequence[Window] = (),
        *,
        marked: bool = True,
        worker: str = "",
        sandboxes: Sandboxes | None = None,
    ) -> None:
        self._windows = windows
        self._marked = marked
        self._root = Owner(worker=worker)
        self._sandboxes = sandboxes
        self._workers: dict[int, str] = {}
        self._claims: dict[Tid, list[_Claim]] = {}
        self._ended: set[Owner] = set()
        self._open = 0
        self._cursor = 0
        self.unattributed = 0

    def inherit(self, birth: Birth) -> None:
        """Give a new thread what its creator has now."""
        creator = self._claims.get(birth.tid)
        owner = creator[-1].owner if creator else self._root
        self._claims[birth.child] = [_Claim(owner, Evidence.INHERITED)]

    def read(self, mark: Mark) -> None:
        """Open or close a cell or a work item on the mark's thread."""
        claims = self._claims.setdefault(mark.tid, [_Claim(self._root, Evidence.INHERITED)])
        match mark.words:
            case ("cell", "start", number, *_) if number.isdigit():
                self._open = int(number)
                claims[:] = [_Claim(Owner(self._open), Evidence.MARK)]
            case ("cell", "end", *_):
                self._open = 0
                claims[:] = [_Claim(KERNEL, Evidence.MARK)]
            case ("item", "start", number, *_) if number.isdigit():
                claims.append(_Claim(Owner(int(number)), Evidence.MARK))
            case ("task", "start", number, key, *address) if number.isdigit():
                # Workers that are threads share a process: the mark says which one it is.
                told = address[0] if address else self._workers.get(mark.process.pid, "")
                worker = self._root.worker or told
                claims.append(_Claim(Owner(int(number), key, worker), Evidence.MARK))
            case ("transfer", "start", *_):
                claims.append(_Claim(self._root, Evidence.MARK))
            case ("item" | "task" | "transfer", "end", *_) if len(claims) > 1:
                ended = claims.pop()
                if ended.owner.task:
                    self._ended.add(ended.owner)
            case ("worker", address, *_):
                self._workers[mark.process.pid] = self._root.worker or address
            case _:
                pass  # marks of other kinds bound nothing

    def enter(self, step: Entered) -> None:
        """Give a process that enters a sandbox to its task; leaving one changes nothing."""
        if self._sandboxes is None:
            return
        found = self._sandboxes.owner(step.path)
        if found is not None:
            self._claims[step.tid] = [_Claim(found, Evidence.SANDBOX)]

    def forget(self, tid: Tid) -> None:
        """End a thread: its number may be used again."""
        self._claims.pop(tid, None)

    def owner_of(self, tid: Tid) -> Owner:
        """Give the thread's owner now."""
        claims = self._claims.get(tid)
        return claims[-1].owner if claims else self._root

    def claim(self, access: Access) -> OwnedAccess:
        """Attribute one access."""
        if not self._marked:
            return self._claim_by_time(access)
        claims = self._claims.get(access.tid)
        if claims is not None:
            owner, evidence = claims[-1]
            # A thread that outlives its task may work for others: libraries share their I/O loops.
            stays = evidence is Evidence.INHERITED and owner in self._ended
            certainty = Certainty.INFERRED if stays else Certainty.EXACT
            return OwnedAccess(access, owner, evidence, certainty)
        if not self._claims:  # the first process of the trace is the kernel, or the worker
            self._claims[access.tid] = [_Claim(self._root, Evidence.INHERITED)]
            return OwnedAccess(access, self._root, Evidence.INHERITED, Certainty.EXACT)
        self.unattributed += 1
        owner = self._root._replace(execution=self._open)
        return OwnedAccess(access, owner, Evidence.TIME, Certainty.INFERRED)

    def _claim_by_time(self, access: Access) -> OwnedAccess:
        while (
            self._cursor < len(self._windows)
            and self._windows[self._cursor].ended_ns < access.at_ns
        ):
            self._cursor += 1
        owner = KERNEL
        if self._cursor < len(self._windows):
            window = self._windows[self._cursor]
            if window.started_ns <= access.at_ns:
                owner = Owner(window.execution)
        return OwnedAccess(access, owner, Evidence.TIME, Certainty.INFERRED)


def owned(steps: Iterable[Step], attribution: Attribution) -> Iterator[OwnedAccess | OwnedExit]:
    """Yield every access with its owner, and every thread's end with the owner it had."""
    for step in steps:
        if isinstance(step, Access):
            yield attribution.claim(step)
        elif isinstance(step, Mark):
            attribution.read(step)
        elif isinstance(step, Birth):
            attribution.inherit(step)
        elif isinstance(step, Exit):
            yield OwnedExit(step, attribution.owner_of(step.tid))
            attribution.forget(step.tid)
        else:
            attribution.enter(step)
