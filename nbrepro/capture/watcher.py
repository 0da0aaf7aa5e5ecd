"""Watch files beside a running notebook: their contents while these last, and the uses of handles.

Runs in threads of our own process and never in the kernel. Files are looked at when the growing
trace shows a read, again when the cell has ended, and once more after the run; so a version that a
later cell overwrites or removes is known by its digest where that was possible, else by a reason.
A failure in here is a sentence in `gaps`, and the notebook goes on.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from pathlib import Path
from typing import TypeVar

from nbrepro.capture.digests import Digest, Digester, Sightings, look_at
from nbrepro.capture.following import Following
from nbrepro.capture.handles import Handles, Use
from nbrepro.capture.software import MANY_MODULES, Software
from nbrepro.capture.survey import (
    Names,
    Scope,
    Survey,
    resolved_names,
    survey,
    take_inventory,
    touched_paths,
    without_imports,
)
from nbrepro.model import Access, Mode
from nbrepro.processes import steps
from nbrepro.rundir import HANDLES, NAMES, SOFTWARE, HandleUse, RunDirectory
from nbrepro.trace import events

CELL_WAIT_S = 0.1
"""How long a cell's end waits for the digests of what the cell touched, at most."""
_CATCH_UP_S = 5.0
_JOIN_S = 60.0
_READS = (Mode.READ, Mode.EXECUTE)
_LOOKED_AT = (*_READS, Mode.READ_WRITE)

T = TypeVar("T")


class _CellEnd:
    """A cell that ended: what it used through handles, and the digests that are on their way."""

    def __init__(self, execution: int, uses: list[Use]) -> None:
        self.execution = execution
        self.uses = uses
        self.futures: list[Future[Digest | None]] = []
        self.looked = threading.Event()

    def wait(self, deadline: float) -> None:
        """Wait until all is digested, or until `deadline` on the monotonic clock."""
        if self.looked.wait(max(deadline - time.monotonic(), 0)):
            wait(self.futures, max(deadline - time.monotonic(), 0))


class Watcher:
    """Keeps sightings, handle uses, names and software of one run; call it in the run's order.

    `gaps` holds, in plain sentences, what could not be watched. `digest_limit_bytes` is the size
    above which files are digested after the run only.
    """

    def __init__(
        self,
        run_directory: RunDirectory,
        token: str,
        roots: dict[str, str],
        digest_limit_bytes: int,
        started_ns: int,
    ) -> None:
        self._directory = run_directory
        self._token = token
        self._roots = roots
        self._started_ns = started_ns
        self._own_gaps: list[str] = []
        self._scope = Scope(roots, str(run_directory.path))
        self._names = Names()
        self._handles = Handles(self._scope)
        digester = Digester(self._handles.reading)
        self._sightings = Sightings(run_directory, digester, digest_limit_bytes)
        self._lock = threading.Lock()
        self._touched: dict[str, bool] = {}
        self._software = Software()
        self._following: Following | None = None
        self._threads: list[threading.Thread] = []
        self._ends: queue.SimpleQueue[_CellEnd | None] = queue.SimpleQueue()
        self._cwd = ""
        self._execution = 0

    @property
    def gaps(self) -> list[str]:
        """List what could not be watched."""
        return [*self._own_gaps, *self._handles.gaps, *self._sightings.gaps]

    def start(self, trace_path: Path) -> None:
        """Follow the growing trace, and digest the project's files beside the starting kernel."""
        self._following = Following(trace_path)
        self._spawn("the growing trace could not be followed", self._follow, self._following)
        self._spawn("cells' ends could not be watched", self._close_cells, self._following)
        self._spawn("the project folder could not be listed", self._take_inventory)
        self._spawn("packages could not be looked up ahead", self._software.work)

    def kernel_started(self, pid: int) -> None:
        """Take `pid` for the kernel."""
        with contextlib.suppress(OSError):
            self._cwd = os.readlink(f"/proc/{pid}/cwd")  # noqa: PTH115 (a magic link, not a path)
        self._handles.kernel_started(pid)

    def cell_started(self, execution: int) -> None:
        """Begin to watch what earlier cells left open; call it before the cell can run."""
        self._execution = execution
        self._software.read_ahead(MANY_MODULES)
        self._guard("handles could not be watched", self._handles.cell_started)

    def cell_ended(self, execution: int) -> None:
        """Look at what the cell touched; return within `CELL_WAIT_S`, the rest follows later."""
        deadline = time.monotonic() + CELL_WAIT_S
        uses = self._guard("uses of handles could not be told", self._handles.cell_ended) or []
        self._sightings.execution = self._execution = execution
        end = _CellEnd(execution, uses)
        self._ends.put(end)
        end.wait(deadline)

    def kernel_stopping(self) -> None:
        """Use the time that the kernel takes to end: no cell is held back any more."""
        self._spawn("packages could not be looked up ahead", self._software.look_ahead)

    def finish(self, trace_path: Path) -> None:
        """Complete the evidence once kernel and tracer have ended: files, names and packages."""
        self._handles.close()
        if self._following:
            self._following.stop()
        self._ends.put(None)
        self._software.stop()
        self._join()
        found = self._guard("the trace could not be surveyed", self._survey, trace_path)
        if found:
            self._guard("files could not be looked at again", self._look_again, found)
        self._sightings.finish()
        self._guard("names could not be written", self._write_names)
        if found:
            self._guard("packages could not be told", self._write_software, found)

    # Threads, and failures in them.

    def _spawn(self, trouble: str, act: Callable[..., object], *arguments: object) -> None:
        thread = threading.Thread(
            target=self._guard, args=(trouble, act, *arguments), name="nbrepro-watcher", daemon=True
        )
        self._threads.append(thread)
        thread.start()

    def _guard(self, trouble: str, act: Callable[..., T], *arguments: object) -> T | None:
        """Do `act`; a failure becomes a sentence, since the notebook must go on."""
        try:
            return act(*arguments)
        except Exception as error:
            self._note(f"{trouble} ({type(error).__name__}: {error})")
            return None

    def _note(self, gap: str) -> None:
        if gap not in self._own_gaps:
            self._own_gaps.append(gap)

    def _join(self) -> None:
        deadline = time.monotonic() + _JOIN_S
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0))
        if any(thread.is_alive() for thread in self._threads):
            self._note(f"the trace could not be followed to its end within {_JOIN_S:.0f} s")

    # Beside the kernel.

    def _take_inventory(self) -> None:
        found = take_inventory(self._roots.get("project", ""), self._scope)
        for path in found.paths:
            self._sightings.glance(path)
        if not found.complete:
            self._note("the project folder is large: beyond its first files, contents that a cell "
                       "replaces without reading them are not known")  # fmt: skip

    def _follow(self, following: Following) -> None:
        lines = without_imports(following, self._software.note)
        for step in steps(events(lines), None, token=self._token):
            if isinstance(step, Access):
                self._see(step)

    def _see(self, access: Access) -> None:
        """Note which files an access touches, and look at once at those that it reads."""
        wrote = access.mode not in _READS
        paths = touched_paths(access, self._names)
        for path in paths:
            if self._scope.is_candidate(path):
                self._touch(path, wrote)
                if access.mode in _LOOKED_AT and access.kind in ("", "file"):
                    self._sightings.glance(path)
            if access.mode is Mode.EXECUTE:
                self._software.executables.add(path)
            elif access.mode is Mode.READ and self._scope.may_be_packaged(path):
                self._software.other.add(path)
        if access.mode is Mode.RENAME and len(paths) == 2:
            self._follow_renamed(*paths)

    def _touch(self, path: str, wrote: bool) -> None:
        with self._lock:
            self._touched[path] = self._touched.get(path, False) or wrote

    def _follow_renamed(self, old: str, new: str) -> None:
        """Look at the files below a renamed directory under their new names."""
        if look_at(new).kind != "directory":
            return
        with self._lock:
            known = [*self._touched, *self._sightings.paths]
        for path in known:
            if path.startswith(old + "/"):
                self._touch(path, True)
                self._touch(new + path[len(old) :], True)

    # When cells end.

    def _close_cells(self, following: Following) -> None:
        while end := self._ends.get():
            try:
                following.catch_up(_CATCH_UP_S)
                self._guard("what a cell touched could not be looked at", self._close, end)
            finally:
                end.looked.set()

    def _close(self, end: _CellEnd) -> None:
        with self._lock:
            touched, self._touched = self._touched, {}
        self._names.forget_parents()
        for use in end.uses:
            end.futures.append(self._settle_use(use, end.execution))
            touched.pop(use.path, None)
        for path, wrote in touched.items():
            end.futures.append(self._sightings.settle(path, end.execution, always=wrote))

    def _settle_use(self, use: Use, execution: int) -> Future[Digest | None]:
        """Write down a use of a handle, and the state in which it left the file."""
        before = self._sightings.last(use.path)
        always = use.unsure or use.mode is not Mode.READ
        future = self._sightings.settle(use.path, execution, always, fresh=use.unsure)
        if use.unsure:
            future.add_done_callback(lambda done: self._judge(use, execution, before, done))
        else:
            self._record(use, execution)
        return future

    def _judge(
        self, use: Use, execution: int, before: Digest | None, done: Future[Digest | None]
    ) -> None:
        """Tell by the content whether a cell wrote through a map."""
        after = None if done.cancelled() or done.exception() else done.result()
        changed = before and after and _differ(before, after)
        self._record(use._replace(mode=Mode.WRITE) if changed else use, execution)

    def _record(self, use: Use, execution: int) -> None:
        with self._lock:
            record = HandleUse(execution, use.path, use.mode.value, use.evidence.value)
            self._directory.append(HANDLES, record)

    # After the run.

    def _survey(self, trace_path: Path) -> Survey:
        opened = self._software.opened
        found = survey(trace_path, self._token, self._scope, self._names, self._cwd, opened=opened)
        found.packaged.update(filter(self._scope.may_be_packaged, self._software.paths))
        return found

    def _look_again(self, found: Survey) -> None:
        self._sightings.settle_deferred()
        self._sightings.wait()
        with self._lock:
            late, self._touched = self._touched, {}
        for path, wrote in found.touched.items():
            self._sightings.settle(path, self._execution, always=late.get(path, False) and wrote)
        self._sightings.settle_deferred()

    def _write_names(self) -> None:
        self._directory.write_log(NAMES, resolved_names(self._names))

    def _write_software(self, found: Survey) -> None:
        ownerships = self._software.ownerships(found.packaged, found.executables)
        self._directory.write_log(SOFTWARE, ownerships)


def _differ(before: Digest, after: Digest) -> bool:
    if before.sha256 and after.sha256:
        return before.sha256 != after.sha256
    return before.look.mtime_ns != after.look.mtime_ns
