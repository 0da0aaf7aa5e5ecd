"""One writer or many readers at a time, between processes: flock on files beside the data."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from nbrepro.errors import StoreError

WAIT_S = 120.0
"""How long to wait for others before giving up."""

_LOCK = "lock"
# Whoever waits holds the turn: without it readers that overlap would keep a writer out for ever.
_TURN = "turn"
_PAUSES_S = (0.001, 0.005, 0.02, 0.05)


@contextmanager
def locked(directory: Path, exclusive: bool, wait_s: float = WAIT_S) -> Iterator[None]:
    """Hold the lock of a store's directory, which exists. Raises StoreError after `wait_s`."""
    until = time.monotonic() + wait_s
    held = _open(directory / _LOCK, exclusive)
    try:
        turn = _open(directory / _TURN, exclusive)
        try:
            _acquire(turn, fcntl.LOCK_EX, until, directory, wait_s)
            _acquire(held, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH, until, directory, wait_s)
        finally:
            os.close(turn)
        with _signed(held) if exclusive else nullcontext():
            yield
    finally:
        os.close(held)


def _open(path: Path, exclusive: bool) -> int:
    try:
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except PermissionError:
            if exclusive:
                raise
            # Who may only read the store may still wait for its writers.
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise StoreError(
            f"{path.parent}: cannot be locked ({error.strerror}); check its permissions"
        ) from None


def _acquire(lock: int, operation: int, until: float, directory: Path, wait_s: float) -> None:
    pauses = iter(_PAUSES_S)
    pause = 0.0
    while True:
        try:
            fcntl.flock(lock, operation | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise StoreError(
                    f"{directory}: still in use by {_holder(directory)} after {wait_s:g} s; "
                    "wait for it to finish, or end it"
                ) from None
        except OSError as error:
            raise StoreError(
                f"{directory}: its file system cannot lock files ({error.strerror}); "
                "put the store on a local disk"
            ) from None
        else:
            return
        pause = next(pauses, pause)
        time.sleep(pause)


@contextmanager
def _signed(lock: int) -> Iterator[None]:
    with suppress(OSError):  # A full disk must not hide what the writer itself will say.
        os.pwrite(lock, str(os.getpid()).encode(), 0)
    try:
        yield
    finally:
        with suppress(OSError):
            os.ftruncate(lock, 0)


def _holder(directory: Path) -> str:
    try:
        pid = int((directory / _LOCK).read_text())
        os.kill(pid, 0)
    except (OSError, ValueError):
        return "a process that reads it"
    return f"process {pid}"
