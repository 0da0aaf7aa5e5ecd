"""Wait until nobody writes the trace any more, and say who still does."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from nbrepro.capture.tracers import find_tracer_pid

_WAIT_S = 3.0
_POLL_S = 0.02
_LISTED = 5


def close_trace(trace: Path, wait_s: float = _WAIT_S) -> list[str]:
    """Wait for the trace's writers to end; give a note where some outlive the kernel.

    A tracer that still watches something must not be ended: a program filtered for it would then
    have its system calls refused. It goes on alone and its later lines are not part of the run.
    """
    deadline = time.monotonic() + wait_s
    writers = find_writers(trace)
    while writers and time.monotonic() < deadline:
        time.sleep(_POLL_S)
        writers = [pid for pid in writers if _alive(pid)]
    if not writers:
        return []
    survivors = [pid for pid in _pids() if pid in writers or find_tracer_pid(pid) in writers]
    return [_note([pid for pid in survivors if find_tracer_pid(pid)] or survivors)]


def find_writers(trace: Path) -> list[int]:
    """List the other processes that have the trace open."""
    target = os.path.realpath(trace)
    return [pid for pid in _pids() if pid != os.getpid() and target in set(_open_paths(pid))]


def _note(pids: list[int]) -> str:
    named = ", ".join(f"{_name(pid)} (pid {pid})" for pid in pids[:_LISTED])
    more = f" and {len(pids) - _LISTED} more" if len(pids) > _LISTED else ""
    return f"processes that the notebook left running are not watched any further: {named}{more}"


def _pids() -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            yield int(entry.name)


def _open_paths(pid: int) -> Iterator[str]:
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            yield os.readlink(entry)  # noqa: PTH115 (a magic link, not a path)
    except OSError:
        return  # it ended meanwhile, or is another user's


def _alive(pid: int) -> bool:
    """Tell whether a process still runs; one that nobody collected is ended, too."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
    except OSError:
        return "ended"
