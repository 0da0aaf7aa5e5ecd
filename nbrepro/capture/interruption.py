"""Ctrl-C and polite termination of our own process, turned into one request to stop the run."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """While it is entered, the first signal asks the run to stop; `signal` says which came.

    Only Python's main thread receives signals: elsewhere `request` does the same. While nothing
    waits for the request (before the kernel and after it), it raises KeyboardInterrupt.
    """

    def __init__(self) -> None:
        self.signal = 0
        self._previous: dict[int, Any] = {}
        self._wake: Callable[[], None] | None = None

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                # A program started with nohup is not to be ended by a hang-up.
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def attach(self) -> asyncio.Event:
        """Give an event of the running loop that the request sets."""
        event = asyncio.Event()
        loop = asyncio.get_running_loop()

        def wake() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

        self._wake = wake
        if self.signal:
            event.set()
        return event

    def detach(self) -> None:
        """Stop waking the loop."""
        self._wake = None

    def request(self, number: int = signal.SIGINT) -> None:
        """Ask the run to stop, as signal `number` does."""
        self.signal = self.signal or int(number)
        if self._wake is not None:
            self._wake()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        waited_for = self._wake is not None
        self.request(number)
        if not waited_for:
            raise KeyboardInterrupt


def describe_signal(number: int) -> str:
    """Give a signal's name, or its number where it has none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
