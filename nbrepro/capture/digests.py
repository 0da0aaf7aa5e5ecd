"""Look at files from outside, and digest their content without ever standing in the way."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple

from nbrepro.model import Sighting
from nbrepro.rundir import SIGHTINGS, Logs

CHANGED_BEFORE = "changed before it could be read"
CHANGED_DURING = "changed while it was read"
ABOVE_LIMIT = "larger than the digest limit, to be read after the run"
STOPPED = "the run ended before it could be read"

_WORKERS = 2
_TURNS = 64
_NICENESS = 10
_WAIT_S = 60.0
_SLOWEST_BYTES_PER_S = 20e6
_BUFFER_BYTES = 1 << 20
# Two changes within one tick of the kernel's clock leave the same time stamp.
_TICK_NS = 20_000_000
_OPEN_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY
_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
    stat.S_IFLNK: "symlink",
}


class FileKey(NamedTuple):
    """A file whatever its names: inode numbers are unique on one device."""

    device: int
    inode: int


class Look(NamedTuple):
    """What a file is without its content; `reason` says why nothing is known."""

    kind: str
    size: int = -1
    mtime_ns: int = -1
    ctime_ns: int = -1
    device: int = 0
    inode: int = 0
    reason: str = ""

    @property
    def key(self) -> FileKey:
        """Give the file's identity."""
        return FileKey(self.device, self.inode)

    def same_content(self, other: Look) -> bool:
        """Tell whether the file was not replaced, resized or written between two looks."""
        return self[:3] == other[:3] and self.key == other.key


class Digest(NamedTuple):
    """A look with the content's sha256, or the reason why there is none."""

    look: Look
    sha256: str
    reason: str
    at_ns: int

    def sighting(self, path: str, execution: int) -> Sighting:
        """Give the record of this digest."""
        look = self.look
        return Sighting(path, look.kind, look.size, look.mtime_ns, look.device, look.inode,
                        self.sha256, self.reason, execution, self.at_ns)  # fmt: skip


def look_at(path: str) -> Look:
    """Tell what is at `path` without opening it; a symbolic link is not followed."""
    try:
        return _look(os.lstat(path))
    except (FileNotFoundError, NotADirectoryError):
        return Look("missing")
    except (OSError, ValueError) as error:
        return Look("file", reason=_cannot(error))


def _look(facts: os.stat_result) -> Look:
    return Look(
        _KINDS.get(stat.S_IFMT(facts.st_mode), "device"),
        facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_dev, facts.st_ino,
    )  # fmt: skip


def _cannot(error: OSError | ValueError) -> str:
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"cannot be read ({said})"


Guard = Callable[[FileKey], AbstractContextManager[None]]
"""Announces that we read a file, so that our reading is not taken for the kernel's."""


@dataclass(slots=True)
class _Known:
    sha256: str
    look: Look


class Digester:
    """Digests regular files; remembers each by device, inode, size and times."""

    def __init__(self, guard: Guard | None = None) -> None:
        self._guard = guard or (lambda _: contextlib.nullcontext())
        self._known: dict[FileKey, _Known] = {}
        self._lock = threading.Lock()
        self._turns = [threading.Lock() for _ in range(_TURNS)]
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Give up all reading that is under way."""
        self._stopped.set()

    def digest(self, path: str, expected: Look | None = None, fresh: bool = False) -> Digest:
        """Digest what is at `path`; what is no regular file comes with its kind.

        With `expected`, only that state of the file counts. `fresh` distrusts the time stamps:
        writing through a memory map need not move them.
        """
        digest = self._attempt(path, fresh)
        if digest.reason == CHANGED_DURING:
            digest = self._attempt(path, fresh)
        if expected is not None and not digest.look.same_content(expected):
            return Digest(expected, "", CHANGED_BEFORE, time.time_ns())
        return digest

    def _attempt(self, path: str, fresh: bool) -> Digest:
        look = look_at(path)
        if look.kind != "file" or look.reason:
            return Digest(look, "", look.reason or _without_content(look.kind), time.time_ns())
        # Two threads that ask for one file at once read it once.
        with self._turns[hash(look.key) % len(self._turns)]:
            known = None if fresh else self._recall(look)
            if known:
                return Digest(look, known, "", time.time_ns())
            with self._guard(look.key):
                return self._read(path, look)

    def _recall(self, look: Look) -> str:
        with self._lock:
            known = self._known.get(look.key)
        return known.sha256 if known and known.look == look else ""

    def _read(self, path: str, look: Look) -> Digest:
        started_ns = time.time_ns()
        try:
            descriptor = os.open(path, _OPEN_FLAGS)
            try:
                before = _look(os.fstat(descriptor))
                sha256 = self._hash(descriptor) if before.kind == "file" else ""
                after = _look(os.fstat(descriptor))
            finally:
                os.close(descriptor)
        except (FileNotFoundError, NotADirectoryError):
            return Digest(Look("missing"), "", "", time.time_ns())
        except OSError as error:
            return Digest(look, "", _cannot(error), time.time_ns())
        return self._judge(look, before, after, sha256, started_ns)

    def _judge(
        self, look: Look, before: Look, after: Look, sha256: str | None, started_ns: int
    ) -> Digest:
        now_ns = time.time_ns()
        if sha256 is None:
            return Digest(look, "", STOPPED, now_ns)
        if not look.same_content(before) or before[:4] != after[:4]:
            return Digest(after, "", CHANGED_DURING, now_ns)
        if max(after.mtime_ns, after.ctime_ns) < started_ns - _TICK_NS:
            with self._lock:
                self._known[after.key] = _Known(sha256, after)
        return Digest(after, sha256, "", now_ns)

    def _hash(self, descriptor: int) -> str | None:
        sha256 = hashlib.sha256()
        buffer = bytearray(_BUFFER_BYTES)
        view = memoryview(buffer)
        while count := os.readv(descriptor, [buffer]):
            if self._stopped.is_set():
                return None
            sha256.update(view[:count])
        return sha256.hexdigest()


def _without_content(kind: str) -> str:
    return "" if kind == "missing" else f"a {kind} has no content of its own"


class Sightings:
    """Writes down what files were, each time that they changed; digests in threads of its own."""

    def __init__(self, directory: Logs, digester: Digester, limit_bytes: int) -> None:
        self.execution = 0
        """The cell execution that ended last."""
        self.gaps: list[str] = []
        self._directory = directory
        self._digester = digester
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._last: dict[str, Digest] = {}
        self._deferred: dict[str, tuple[Look, int]] = {}
        self._waited: dict[Future[Digest | None], int] = {}
        self._glances: set[str] = set()
        self._pool = ThreadPoolExecutor(_WORKERS, "nbrepro-digest", _step_back)

    @property
    def paths(self) -> list[str]:
        """List the paths that were looked at."""
        with self._lock:
            return list(self._last)

    def last(self, path: str) -> Digest | None:
        """Give the latest look at `path`."""
        with self._lock:
            return self._last.get(path)

    def glance(self, path: str) -> None:
        """Digest soon what is read now, unless it is known; the cell's end will look again."""
        with self._lock:
            if path in self._glances:
                return
            self._glances.add(path)
        self._submit(0, self._glance, path)

    def settle(
        self, path: str, execution: int, always: bool = False, fresh: bool = False
    ) -> Future[Digest | None]:
        """Write down the state of `path` as `execution` left it, its digest when it is read.

        Without `always` only if it changed; `fresh` as for `Digester.digest`.
        """
        look = look_at(path)
        known = self.last(path)
        if known and not always and known.look.same_content(look):
            return _finished(known)
        if look.kind != "file" or look.reason:
            reason = look.reason or _without_content(look.kind)
            return _finished(self._write(path, Digest(look, "", reason, time.time_ns()), execution))
        if look.size > self._limit_bytes:
            self._deferred[path] = look, execution
            undigested = Digest(look, "", ABOVE_LIMIT, time.time_ns())
            return _finished(self._write(path, undigested, execution))
        return self._submit(look.size, self._settle, path, look, fresh, execution)

    def settle_deferred(self) -> None:
        """Digest the files above the limit, now that nothing runs beside us any more."""
        deferred, self._deferred = self._deferred, {}
        for path, (look, execution) in deferred.items():
            self._submit(look.size, self._settle, path, look, False, execution)

    def wait(self) -> int:
        """Wait for the digests that are on their way; give how many took too long."""
        with self._lock:
            waited = dict(self._waited)
        _, late = wait(waited, _WAIT_S + sum(waited.values()) / _SLOWEST_BYTES_PER_S)
        return len(late)

    def finish(self) -> None:
        """Wait for all digests; those that take too long are given up, and a gap says so."""
        late = self.wait()
        self._digester.stop()
        self._pool.shutdown(wait=False, cancel_futures=True)
        if late:
            self.gaps.append(f"{late} files could not be read in time and have no digest")

    def _submit(
        self, size: int, act: Callable[..., Digest | None], *arguments: object
    ) -> Future[Digest | None]:
        future = self._pool.submit(act, *arguments)
        with self._lock:
            self._waited[future] = size
        future.add_done_callback(self._forget)
        return future

    def _forget(self, future: Future[Digest | None]) -> None:
        error = None if future.cancelled() else future.exception()
        with self._lock:
            self._waited.pop(future, None)
            gap = f"files could not be digested ({type(error).__name__}: {error})"
            if error and gap not in self.gaps:
                self.gaps.append(gap)

    def _glance(self, path: str) -> Digest | None:
        with self._lock:
            self._glances.discard(path)
        # Asked before reading: a cell that ends meanwhile may write until its end.
        execution = self.execution
        look = look_at(path)
        if look.kind != "file" or look.size > self._limit_bytes:
            return None
        if known := self._known(path, look):
            return known
        digest = self._digester.digest(path)
        if not digest.sha256:
            return None
        return self._known(path, digest.look) or self._write(path, digest, execution)

    def _known(self, path: str, look: Look) -> Digest | None:
        last = self.last(path)
        return last if last and last.sha256 and last.look.same_content(look) else None

    def _settle(self, path: str, look: Look, fresh: bool, execution: int) -> Digest:
        return self._write(path, self._digester.digest(path, look, fresh), execution)

    def _write(self, path: str, digest: Digest, execution: int) -> Digest:
        with self._lock:
            known = self._last.get(path)
            if known and known.at_ns > digest.at_ns:  # Two threads; the log is in order of time.
                digest = digest._replace(at_ns=known.at_ns)
            self._directory.append(SIGHTINGS, digest.sighting(path, execution))
            self._last[path] = digest
        return digest


def _finished(digest: Digest) -> Future[Digest | None]:
    future: Future[Digest | None] = Future()
    future.set_result(digest)
    return future


def _step_back() -> None:
    """Let the kernel go first: on Linux a niceness is of one thread."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
