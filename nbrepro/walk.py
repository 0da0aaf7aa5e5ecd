"""The walk through one trace: lines, events, steps, owned accesses, touches.

Each trace is a Source, the run's own or a worker's, and is walked by itself: several workers'
traces are walked in parallel processes. Only the folds hold anything: of data one touch for each
distinct owner, path and mode, of software one set of files for each owner.
"""

from __future__ import annotations

import heapq
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE
from typing import IO

from nbrepro.errors import TraceError
from nbrepro.footprints import TAKING, FootprintFold, Judge, Taken
from nbrepro.graph import ProcessFold
from nbrepro.model import Event, OwnedAccess, OwnedExit, Owner, Step, Touch, Unparsed
from nbrepro.owners import Attribution, Window, owned
from nbrepro.processes import Skipped, steps
from nbrepro.provenance import ProcessRecord
from nbrepro.rundir import CellRecord, HandleUse, open_trace
from nbrepro.sandboxes import Sandboxes
from nbrepro.tasks import TaskRecord
from nbrepro.touches import TouchFold, fold_handles, order
from nbrepro.trace import Summary, births, events, read_lines

PARALLEL_FROM = 2
"""From how many workers' traces on they are walked in processes of their own."""


@dataclass(frozen=True, slots=True)
class Source:
    """One trace and what is needed to read it.

    `root` is the pid of the traced kernel or worker, `worker` the id of the worker, empty for the
    kernel's own trace. `names` resolves paths whose parents are symbolic links. `offset_ns` is
    added to every time: the manager's clock minus that of the trace's host. `sandboxed` are the
    tasks that run in sandboxes; `distributed` says that sandboxes may be met. `handles` are the
    uses of earlier cells' handles, `cells` when those cells ran. `judge` tells what is software.
    What the tasks in `unseen` touch is not told. `children` gives by pid the workers whose
    processes this trace shows beside the root's.
    """

    trace: Path
    token: str
    cwd: str
    host: str
    root: int
    names: dict[str, str] = field(default_factory=dict)
    worker: str = ""
    sandboxed: tuple[TaskRecord, ...] = ()
    distributed: bool = False
    windows: tuple[Window, ...] = ()
    marked: bool = True
    offset_ns: int = 0
    handles: tuple[HandleUse, ...] = ()
    cells: tuple[CellRecord, ...] = ()
    judge: Judge | None = None
    unseen: frozenset[str] = frozenset()
    children: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class Observed:
    """What one trace tells, folded; the touches are in order of time.

    `opened` is what workers among the traced processes took in outside their tasks: the cell that
    started them has it too.
    """

    touches: list[Touch]
    opened: list[Touch]
    taken: list[Taken]
    processes: list[ProcessRecord]
    trace: Summary
    unattributed: int


def read_events(source: Source, summary: Summary | None = None) -> Iterator[Event | Unparsed]:
    """Read the events of a trace."""
    with open_trace(source.trace) as stream:
        yield from events(read_lines(stream), summary)


def read_steps(
    source: Source, summary: Summary | None = None, skipped: Skipped | None = None
) -> Iterator[Step]:
    """Tell what the traced threads did; the first pass finds who created whom."""
    with open_trace(source.trace) as stream:
        created = births(read_lines(stream))
    yield from steps(read_events(source, summary), created, source.token, skipped, source.cwd)


def attribution(source: Source) -> Attribution:
    """Make what decides the owners of a trace's accesses."""
    sandboxes = Sandboxes(source.worker, source.sandboxed) if source.distributed else None
    return Attribution(
        source.windows, marked=source.marked, worker=source.worker, sandboxes=sandboxes
    )


def read_owned(source: Source) -> Iterator[OwnedAccess | OwnedExit]:
    """Tell for whom the traced threads did it."""
    return owned(read_steps(source), attribution(source))


def observe(source: Source) -> Observed:
    """Walk one trace."""
    summary, owners = Summary(), attribution(source)
    footprints = FootprintFold(source.judge) if source.judge else None
    touches = TouchFold(source.names, source.offset_ns, footprints)
    opened = TouchFold(source.names, source.offset_ns)
    processes = ProcessFold(source.root, source.offset_ns)
    for item in owned(read_steps(source, summary), owners):
        processes.add(item)
        if isinstance(item, OwnedAccess) and item.owner.task not in source.unseen:
            touches.add(item, source.host)
            worker = source.children.get(item.access.process.pid)
            if worker and not item.owner.task and item.access.mode in TAKING:
                opened.add(item._replace(owner=Owner(worker=worker)), source.host)
    cells = {cell.execution: cell for cell in source.cells}
    fold_handles(touches, source.handles, cells, source.host)
    taken = footprints.taken(source.host) if footprints else []
    return Observed(
        touches.touches(), opened.touches(), taken, processes.records(), summary,
        owners.unattributed,
    )  # fmt: skip


def observe_all(sources: Sequence[Source]) -> list[Observed]:
    """Walk every trace, in parallel processes where there are several workers."""
    processors = len(os.sched_getaffinity(0))
    if len(sources) <= PARALLEL_FROM or processors < 2:
        return [observe(source) for source in sources]
    shares = _shares(sources, processors)
    with ThreadPoolExecutor(len(shares)) as pool:
        walked = pool.map(_observe_apart, [[sources[n] for n in share] for share in shares])
        found = {n: o for share, seen in zip(shares, walked, strict=True)
                 for n, o in zip(share, seen, strict=True)}  # fmt: skip
    return [found[n] for n in range(len(sources))]


def _shares(sources: Sequence[Source], processors: int) -> list[list[int]]:
    """Share the traces out, largest first, each to whoever has least to read."""
    sizes = [source.trace.stat().st_size for source in sources]
    shares = [(0, n, list[int]()) for n in range(min(processors, len(sources)))]
    for number in sorted(range(len(sources)), key=lambda n: -sizes[n]):
        load, n, share = heapq.heappop(shares)
        share.append(number)
        heapq.heappush(shares, (load + sizes[number], n, share))
    return [share for _, _, share in shares]


def _observe_apart(sources: Sequence[Source]) -> list[Observed]:
    """Walk traces in a fresh interpreter: a caller's own script is not run again, as it would be
    by multiprocessing, and no lock is copied, as by fork."""
    command = [sys.executable, "-c", "from nbrepro.walk import observe_piped; observe_piped()"]
    found: list[Observed] = []
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=said) as child,
    ):
        assert child.stdin is not None and child.stdout is not None
        for source in sources:
            # One at a time: the child holds one trace's touches, and lets go of them.
            try:
                pickle.dump(source, child.stdin)
                child.stdin.flush()
                found.append(pickle.load(child.stdout))  # noqa: S301 (our own child wrote it)
            except (EOFError, OSError, pickle.UnpicklingError):
                child.kill()
                said.seek(0)
                last = said.read().decode(errors="replace").strip().splitlines()[-1:]
                raise TraceError(f"{source.trace}: could not be read ({''.join(last)})") from None
    return found


def touches_of(observed: Iterable[Observed]) -> list[Touch]:
    """Give the touches of all traces in order of time."""
    return sorted((touch for one in observed for touch in one.touches), key=order)


def observe_piped() -> None:
    """Walk the traces of the sources on standard input, and answer each on standard output."""
    for source in _pickles(sys.stdin.buffer):
        pickle.dump(observe(source), sys.stdout.buffer)
        sys.stdout.buffer.flush()


def _pickles(stream: IO[bytes]) -> Iterator[Source]:
    while True:
        try:
            yield pickle.load(stream)  # noqa: S301 (our own parent wrote it)
        except EOFError:
            return
