"""A proxy before a Bolt server that loses the answer to chosen messages, as a network may."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

COMMIT = b"\x00\x02\xb0\x12\x00\x00"
"""A Bolt COMMIT as it goes over the wire: length, structure of no fields, its tag, the end."""


class LossyProxy:
    """Passes bytes both ways; after the chosen commits it drops the answer and the connection."""

    def __init__(self, port: int, lost_commits: set[int]) -> None:
        self._port = port
        self._lost = lost_commits
        self._commits = 0
        self._lock = threading.Lock()
        self.dropped = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(("127.0.0.1", self._port))
                losing = threading.Event()
                for source, target, both in ((client, server, True), (server, client, False)):
                    threading.Thread(
                        target=self._pass, args=(source, target, both, losing), daemon=True
                    ).start()

    def _pass(
        self, source: socket.socket, target: socket.socket, asking: bool, losing: threading.Event
    ) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if asking and data.endswith(COMMIT) and self._is_lost():
                    losing.set()
                elif not asking and losing.is_set():
                    # The server has answered: the transaction is committed, and nobody is told.
                    self.dropped += 1
                    break
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _is_lost(self) -> bool:
        with self._lock:
            self._commits += 1
            return self._commits in self._lost


@contextmanager
def lossy_proxy(port: int, lost_commits: set[int]) -> Iterator[LossyProxy]:
    """Give a proxy before a port; the answers to the commits of these numbers are lost."""
    proxy = LossyProxy(port, lost_commits)
    try:
        yield proxy
    finally:
        proxy.close()
