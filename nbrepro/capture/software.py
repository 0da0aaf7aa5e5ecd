"""Look up packages beside a running notebook, so that little is left to do when it has ended.

What a growing trace shows of software is noted here, and its owners are looked up while the kernel
works. After the run only what is new is asked, unless something was installed meanwhile: then
everything is.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterable, Iterator

from nbrepro.model import Ownership
from nbrepro.packages import Shelf, is_lasting, owners

MANY_MODULES = 1500
"""So many new ones are worth a look-up beside a cell, once the kernel's own are known."""
_NICENESS = 10


class Software:
    """Collects the software that a kernel opens, and reads ahead who owns it.

    `opened` holds the ends of the trace's lines, `<path>` and a newline, of the modules seen;
    `other` the paths of other files that some package may own, and `executables` the programs.
    `found_ahead` holds, by path, the answers that last while no record changes.
    """

    def __init__(self) -> None:
        self.opened: set[bytes] = set()
        self.other: set[str] = set()
        self.executables: set[str] = set()
        self._shelf = Shelf()
        self.found_ahead: dict[str, Ownership] = {}
        self._known = 0
        self._turn = threading.Lock()
        self._wanted = threading.Event()
        self._ending = threading.Event()

    @property
    def paths(self) -> set[str]:
        """Give the paths of the modules seen."""
        return {end[1:-2].decode() for end in self.opened.copy()}

    def note(self, end: bytes) -> None:
        """Note the end of a line that opens a module; what is not plain text is left to others."""
        if b"\\" not in end and end.isascii():
            self.opened.add(end)

    def read_ahead(self, least: int) -> None:
        """Ask for a look-up, if it is the first or there are at least so many new files."""
        if not self._known or self._seen() >= self._known + least:
            self._wanted.set()

    def stop(self) -> None:
        """End `work` once the look-up that it is at has ended."""
        self._ending.set()
        self._wanted.set()

    def work(self) -> None:
        """Look up what was asked for until `stop`; runs in a thread of its own."""
        # On Linux a thread has a niceness of its own: the notebook goes first.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
        while self._wanted.wait() and not self._ending.is_set():
            self._wanted.clear()
            self.look_ahead()

    def look_ahead(self) -> None:
        """Look up what is known now, if it is more than before; the caller's niceness holds."""
        with self._turn:
            if self._known and self._seen() <= self._known:
                return
            self._known = self._seen()
            ahead = owners(self.paths | self.other.copy(), self.executables.copy(), self._shelf)
            self.found_ahead = {found.path: found for found in ahead if is_lasting(found)}

    def _seen(self) -> int:
        return len(self.opened) + len(self.other)

    def ownerships(self, paths: Collection[str], executables: Iterable[str]) -> Iterator[Ownership]:
        """Yield which package owns each path that one may own, sorted by path."""
        known = self.found_ahead if self._shelf.is_unchanged() else {}
        new = owners([path for path in paths if path not in known], executables, self._shelf)
        old = (known[path] for path in paths if path in known)
        return iter(sorted([*new, *old], key=lambda found: found.path))
