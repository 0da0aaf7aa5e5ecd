"""Follow a trace while the tracer writes it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

POLL_S = 0.02
_BLOCK_BYTES = 1 << 18


class Following:
    """Yields a growing file as blocks of whole lines, and knows how far its reader has come.

    It polls: the tracer writes once a line, so that a notice for each write would cost more than
    looking fifty times a second does.
    """

    def __init__(self, path: Path, poll_s: float = POLL_S) -> None:
        self.path = path
        self._poll_s = poll_s
        self._look = threading.Event()
        self._stopping = threading.Event()
        self._advanced = threading.Condition()
        self._done_bytes = 0
        self._ended = False

    def __iter__(self) -> Iterator[bytes]:
        """Yield blocks of whole lines until `stop`, then what is left, a half line included."""
        try:
            stream = self._open()
            if stream is not None:
                with stream:
                    yield from self._blocks(stream)
        finally:
            with self._advanced:
                self._ended = True
                self._advanced.notify_all()

    def stop(self) -> None:
        """End the iteration once all that is in the file now has been yielded."""
        self._stopping.set()
        self._look.set()

    def catch_up(self, timeout_s: float) -> bool:
        """Wait until every line that is in the file now has been dealt with; tell whether so."""
        try:
            size_bytes = self.path.stat().st_size
        except FileNotFoundError:
            size_bytes = 0
        self._look.set()
        with self._advanced:
            self._advanced.wait_for(
                lambda: self._done_bytes >= size_bytes or self._ended, max(timeout_s, 0)
            )
            return self._done_bytes >= size_bytes

    def _open(self) -> IO[bytes] | None:
        """Open the file as soon as the tracer has made it."""
        while True:
            try:
                return self.path.open("rb", buffering=0)
            except FileNotFoundError:
                if self._stopping.is_set():
                    return None
                self._pause()

    def _blocks(self, stream: IO[bytes]) -> Iterator[bytes]:
        rest = b""
        while True:
            # Asked before reading: what was written before the stop is then surely read.
            stopping = self._stopping.is_set()
            block = stream.read(_BLOCK_BYTES)
            if block:
                end = block.rfind(b"\n") + 1
                if end:
                    yield rest + block[:end]
                    rest = b""
                rest += block[end:]
                self._advance(stream.tell())
            elif stopping:
                break
            else:
                self._pause()
        if rest:
            yield rest

    def _advance(self, position: int) -> None:
        """Note that the consumer came back for more: it has dealt with what it was given."""
        with self._advanced:
            self._done_bytes = position
            self._advanced.notify_all()

    def _pause(self) -> None:
        self._look.wait(self._poll_s)
        self._look.clear()
