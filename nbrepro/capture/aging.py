"""Forget the directories of workers that ended, so that a machine of many workers does not fill up.

What came home is kept for a day, in case that its run wants the rest; what nobody fetched is kept
for a month, since it may still be gathered.
"""

from __future__ import annotations

import platform
import shutil
import time
from pathlib import Path

from nbrepro.capture.closing import find_writers
from nbrepro.errors import RunDirectoryError
from nbrepro.rundir import WORKER_MANIFEST, WorkerDirectory

FETCHED = "fetched"
"""An empty file in a worker directory: its evidence was handed out at the time of its stamp."""
FETCHED_KEPT_S = 86_400
UNFETCHED_KEPT_S = 30 * 86_400


def forget_old(home: Path, now_s: float | None = None) -> list[Path]:
    """Remove the worker directories in `home` that are too old, and give them.

    A worker that still runs is never too old. What cannot be removed stays for the next time.
    """
    now_s = time.time() if now_s is None else now_s
    entries = [p.parent for p in sorted(home.glob(f"*/{WORKER_MANIFEST}"))]
    old = [path for path in entries if _is_old(WorkerDirectory(path), now_s)]
    for path in old:
        shutil.rmtree(path, ignore_errors=True)
    return [path for path in old if not path.exists()]


def forget(directory: WorkerDirectory) -> bool:
    """Remove the directory of a worker that ended on this machine; tell whether it had."""
    if not _is_local(directory) or is_running(directory):
        return False
    shutil.rmtree(directory.path, ignore_errors=True)
    return not directory.path.exists()


def note_fetched(directory: WorkerDirectory) -> None:
    """Note that the evidence was handed out. Raises OSError."""
    (directory.path / FETCHED).touch()


def is_running(directory: WorkerDirectory) -> bool:
    """Tell whether the worker's tracer still writes."""
    trace = directory.find_trace()
    return trace is not None and trace.suffix != ".zst" and bool(find_writers(trace))


def _is_old(directory: WorkerDirectory, now_s: float) -> bool:
    fetched = directory.path / FETCHED
    kept_s = FETCHED_KEPT_S if fetched.exists() else UNFETCHED_KEPT_S
    try:
        trace = directory.find_trace() or directory.path / WORKER_MANIFEST
        idle_s = now_s - trace.stat().st_mtime
        return idle_s > kept_s and _is_local(directory) and not is_running(directory)
    except (OSError, RunDirectoryError):
        return False  # it is being made, or removed


def _is_local(directory: WorkerDirectory) -> bool:
    """Tell whether the worker is this machine's: of others we cannot tell whether they run."""
    return directory.read_manifest().host.name == (platform.node() or "localhost")
