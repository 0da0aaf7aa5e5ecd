"""The walk through one trace: lines, events, steps, owned accesses, touches.

Each trace is a Source, the run's own or a worker's, and is walked by itself: several workers'
traces are walked in parallel processes. Only the fold to touches holds anything, one entry for
each distinct owner, path and mode.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from nbrepro.errors import TraceError
from nbrepro.graph import TAKING, ProcessFold
from nbrepro.model import Event, OwnedAccess, OwnedExit, Owner, Step, Touch, Unparsed
from nbrepro.owners import Attribution, Window, owned
from nbrepro.processes import Skipped, steps
from nbrepro.provenance import ProcessRecord
from nbrepro.rundir import open_trace
from nbrepro.sandboxes import Sandboxes
from nbrepro.tasks import TaskRecord
from nbrepro.touches import TouchFold
from nbrepro.trace import Summary, births, events, read_lines

PARALLEL_FROM = 2
"""From how many workers' traces on they are walked in processes of their own."""


@dataclass(frozen=True, slots=True)
class Source:
    """One trace and what is needed to read it.

    `root` is the pid of the traced kernel or worker, `worker` the id of the worker, empty for the
    kernel's own trace. `names` resolves paths whose parents are symbolic links. `offset_ns` is
    added to every time: the manager's clock minus that of the trace's host. `children` gives by pid
    the workers whose processes this trace shows beside the root's.
    """

    trace: Path
    token: str
    cwd: str
    host: str
    root: int
    names: dict[str, str] = field(default_factory=dict)
    worker: str = ""
    tasks: tuple[TaskRecord, ...] = ()
    windows: tuple[Window, ...] = ()
    marked: bool = True
    offset_ns: int = 0
    children: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class Observed:
    """What one trace tells, folded.

    `opened` is what workers among the traced processes took in outside their tasks: the cell that
    started them has it too.
    """

    source: Source
    touches: TouchFold
    opened: TouchFold
    processes: list[ProcessRecord] = field(default_factory=list)
    trace: Summary = field(default_factory=Summary)
    skipped: Skipped = field(default_factory=Skipped)
    unattributed: int = 0


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
    sandboxes = Sandboxes(source.worker, source.tasks) if source.tasks or source.worker else None
    return Attribution(
        source.windows, marked=source.marked, worker=source.worker, sandboxes=sandboxes
    )


def read_owned(source: Source) -> Iterator[OwnedAccess | OwnedExit]:
    """Tell for whom the traced threads did it."""
    return owned(read_steps(source), attribution(source))


def observe(source: Source) -> Observed:
    """Walk one trace."""
    touches, opened = (TouchFold(source.names, source.offset_ns) for _ in range(2))
    found = Observed(source, touches, opened)
    owners = attribution(source)
    processes = ProcessFold(source.root, source.offset_ns)
    for item in owned(read_steps(source, found.trace, found.skipped), owners):
        processes.add(item)
        if isinstance(item, OwnedAccess):
            found.touches.add(item, source.host)
            worker = source.children.get(item.access.process.pid)
            if worker and not item.owner.task and item.access.mode in TAKING:
                found.opened.add(item._replace(owner=Owner(worker=worker)), source.host)
    found.processes = processes.records()
    found.unattributed = owners.unattributed
    return found


def observe_all(sources: Sequence[Source]) -> list[Observed]:
    """Walk every trace, in parallel processes where there are several workers."""
    processors = len(os.sched_getaffinity(0))
    if len(sources) <= PARALLEL_FROM or processors < 2:
        return [observe(source) for source in sources]
    with ThreadPoolExecutor(processors) as pool:
        return list(pool.map(_observe_apart, sources))


def _observe_apart(source: Source) -> Observed:
    """Walk a trace in a fresh interpreter: a caller's own script is not run again, as it would be
    by multiprocessing, and no lock is copied, as by fork."""
    command = [sys.executable, "-c", "from nbrepro.walk import observe_piped; observe_piped()"]
    done = subprocess.run(command, input=pickle.dumps(source), capture_output=True, check=False)
    if done.returncode != 0:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise TraceError(f"{source.trace}: could not be read ({''.join(last)})")
    observed: Observed = pickle.loads(done.stdout)  # noqa: S301 (our own child wrote it)
    return observed


def touches_of(observed: Iterable[Observed]) -> list[Touch]:
    """Give the touches of all traces in order of time."""
    every = [touch for one in observed for touch in one.touches.touches()]
    return sorted(every, key=lambda t: (t.at_ns, t.owner.worker, t.line, t.path, t.mode))


def observe_piped() -> None:
    """Walk the trace of the source on standard input, and answer on standard output."""
    source = pickle.loads(sys.stdin.buffer.read())  # noqa: S301 (our own parent wrote it)
    sys.stdout.buffer.write(pickle.dumps(observe(source)))
