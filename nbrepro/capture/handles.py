"""See which cells use a file through a handle or a memory map that an earlier cell opened.

A tracer that shows opens but not reads cannot tell. Here it is told from outside the kernel, at the
cell's start and end only: a one-shot inotify(7) watch on every file that is held open as the cell
starts fires at its first read and its first write, and costs nothing after that; where a watch is
not to be had, offsets that moved (/proc/PID/fdinfo, proc(5)) stand in. Touched pages of mapped
files show in /proc/PID/smaps, once /proc/PID/clear_refs has forgotten the earlier touches.

Not seen: what a cell takes from a buffer that an earlier cell filled.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from inotify_simple import INotify, flags

from nbrepro.capture.digests import FileKey
from nbrepro.capture.survey import Scope, descendants, workers
from nbrepro.model import Evidence, Mode

_DETAILS_BYTES = 4096
_FILE_MAPPED_PAGES = "3"
_DELETED = " (deleted)"
_MAPPING = re.compile(rb"^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ (\d+) +(/.*)$", re.MULTILINE)
_MAPPED_PART = re.compile(rb"^\S+ (\S{4}) \S+ \S+ \d+ +(/.*)$", re.MULTILINE)
_NEXT_MAPPING = re.compile(rb"^[0-9a-f]+-", re.MULTILINE)
_REFERENCED = re.compile(rb"^Referenced: +(\d+) kB$", re.MULTILINE)


class Use(NamedTuple):
    """A file was used through a handle or map of an earlier cell.

    `unsure` says that the map can be written to: only the content tells whether the cell wrote.
    """

    path: str
    mode: Mode
    evidence: Evidence
    unsure: bool = False


class Held(NamedTuple):
    """A regular file that a process holds open; `flags` are those of its open."""

    pid: int
    descriptor: int
    path: str
    key: FileKey
    flags: int
    offset: int
    mtime_ns: int

    @property
    def modes(self) -> tuple[Mode, ...]:
        """Give what the handle can be used for."""
        by_flag = {os.O_RDONLY: (Mode.READ,), os.O_WRONLY: (Mode.WRITE,)}
        return by_flag.get(self.flags & os.O_ACCMODE, (Mode.READ, Mode.WRITE))


class Mapped(NamedTuple):
    """A file mapped into a process; `shared_writable` maps can change the file."""

    pid: int
    start: int
    end: int
    path: str
    key: FileKey
    shared_writable: bool
    referenced: int = 0


def held_files(pid: int, scope: Scope) -> Iterator[Held]:
    """Yield the data files that a process holds open. Raises OSError where it may not be asked."""
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            path, facts = str(link.readlink()), link.stat()
            path = path if facts.st_nlink else path.removesuffix(_DELETED)
            if scope.is_candidate(path) and stat.S_ISREG(facts.st_mode):
                yield _held(pid, int(link.name), path)


def _held(pid: int, descriptor: int, path: str) -> Held:
    facts = Path(f"/proc/{pid}/fd/{descriptor}").stat()
    words = Path(f"/proc/{pid}/fdinfo/{descriptor}").read_text().split()
    values = dict(zip(words[::2], words[1::2], strict=False))
    key = FileKey(facts.st_dev, facts.st_ino)
    return Held(pid, descriptor, path, key, int(values["flags:"], 8), int(values["pos:"]),
                facts.st_mtime_ns)  # fmt: skip


def mapped_files(pid: int, scope: Scope, counted: bool = False) -> Iterator[Mapped]:
    """Yield the data files mapped into a process, if `counted` with the touched kB.

    A file with an executable part is a program or library.
    """
    text = Path(f"/proc/{pid}/{'smaps' if counted else 'maps'}").read_bytes()
    parts = set(_MAPPED_PART.findall(text))
    code = {name for permissions, name in parts if b"x" in permissions}
    wanted = {name for _, name in parts if name not in code and scope.is_candidate(_path(name))}
    for match in _MAPPING.finditer(text) if wanted else ():
        if match[5] in wanted:
            mapped = _mapped(pid, match)
            details = text[match.end() : match.end() + _DETAILS_BYTES]
            touched = _REFERENCED.search(_NEXT_MAPPING.split(details, 1)[0]) if counted else None
            yield mapped._replace(referenced=int(touched[1])) if touched else mapped


def _path(name: bytes) -> str:
    # Only newlines are escaped in these files.
    return os.fsdecode(name.replace(b"\\012", b"\n"))


def _mapped(pid: int, match: re.Match[bytes]) -> Mapped:
    path = _path(match[5])
    try:
        facts = Path(path).stat()
        key = FileKey(facts.st_dev, facts.st_ino)
    except OSError:
        path, key = path.removesuffix(_DELETED), FileKey(0, int(match[4]))
    writable = match[3].startswith(b"rw") and match[3].endswith(b"s")
    return Mapped(pid, int(match[1], 16), int(match[2], 16), path, key, writable)


@dataclass(slots=True)
class _Cell:
    """What earlier cells left open when a cell started, and what was seen of it since.

    `shared` files are open in other processes too; on `blind` ones the watch had to pause.
    """

    held: dict[FileKey, list[Held]] = field(default_factory=lambda: defaultdict(list))
    mapped: dict[FileKey, list[Mapped]] = field(default_factory=lambda: defaultdict(list))
    fired: dict[FileKey, set[Mode]] = field(default_factory=lambda: defaultdict(set))
    shared: set[FileKey] = field(default_factory=set)
    blind: set[FileKey] = field(default_factory=set)
    touched: dict[FileKey, Mapped] = field(default_factory=dict)


class _Watches:
    """One-shot watches of one kind (read or write) on open files."""

    def __init__(self, mask: int) -> None:
        self._notices = INotify()
        self._mask = mask | flags.ONESHOT
        self._keys: dict[int, FileKey] = {}
        self._numbers: dict[FileKey, int] = {}

    def add(self, held: Held) -> None:
        """Watch a file through its handle, which works when it was renamed or removed too."""
        number = self._notices.add_watch(f"/proc/{held.pid}/fd/{held.descriptor}", self._mask)
        self._keys[number], self._numbers[held.key] = held.key, number

    def remove(self, key: FileKey) -> None:
        """Stop watching; what was noticed stays to be read."""
        number = self._numbers.pop(key, None)
        if number is not None:
            with contextlib.suppress(OSError):  # It has fired, or the file is gone.
                self._notices.rm_watch(number)

    def clear(self) -> None:
        """Stop watching everything."""
        for key in list(self._numbers):
            self.remove(key)

    def fired(self) -> set[FileKey]:
        """Give the files that were used since the last call."""
        events = self._notices.read(timeout=0)
        used = {event.wd for event in events if event.mask & self._mask & ~flags.ONESHOT}
        return {self._keys[number] for number in used if number in self._keys}

    def close(self) -> None:
        """Give the watches back to the system."""
        self._notices.close()


class Handles:
    """Watches what the kernel holds open, from one cell's start to its end."""

    def __init__(self, scope: Scope) -> None:
        self.gaps: list[str] = []
        self._scope = scope
        self._kernel = 0
        self._lock = threading.RLock()
        self._cell: _Cell | None = None
        self._reading: Counter[FileKey] = Counter()
        self._watches = self._make_watches()

    def kernel_started(self, pid: int) -> None:
        """Take `pid` for the kernel from here on."""
        self._kernel = pid

    def cell_started(self) -> None:
        """Begin to watch everything that is open now."""
        with self._lock:
            self._disarm()
            self._cell = cell = _Cell()
            if self._kernel:
                self._list_all(cell)
            for key in cell.held:
                self._watch(key, cell)
            self._forget_touches(cell)

    def cell_ended(self) -> list[Use]:
        """Stop watching, and give what was used since the cell started."""
        with self._lock:
            cell = self._cell
            if cell is None:
                return []
            self._drain(cell)
            self._collect_touches(cell, set(+self._reading))
            self._cell = None
            self._disarm()
            return [*_handle_uses(cell), *_map_uses(cell)]

    @contextlib.contextmanager
    def reading(self, key: FileKey) -> Iterator[None]:
        """Do not take reading of our own, inside of this context, for the kernel's."""
        with self._lock:
            self._reading[key] += 1
            self._look_away(key)
        try:
            yield
        finally:
            with self._lock:
                self._reading[key] -= 1
                self._look_again(key)

    def close(self) -> None:
        """Stop watching for good."""
        with self._lock:
            self._cell = None
            for watches in self._watches.values():
                watches.close()
            self._watches = {}

    def _make_watches(self) -> dict[Mode, _Watches]:
        try:
            return {Mode.READ: _Watches(flags.ACCESS), Mode.WRITE: _Watches(flags.MODIFY)}
        except OSError as error:
            self._note(f"inotify is not available ({error.strerror}): of handles that earlier "
                       "cells opened, only uses that move the offset are seen")  # fmt: skip
            return {}

    def _note(self, gap: str) -> None:
        if gap not in self.gaps:
            self.gaps.append(gap)

    def _list_all(self, cell: _Cell) -> None:
        ours = workers(self._kernel)
        for pid in ours:
            self._list(pid, cell)
        for pid in descendants(self._kernel) if cell.held else ():
            if pid not in ours:
                # A watch is on the file: it cannot tell this process's reading from the kernel's.
                with contextlib.suppress(OSError):
                    cell.shared.update(held.key for held in held_files(pid, self._scope))

    def _list(self, pid: int, cell: _Cell) -> None:
        try:
            for held in held_files(pid, self._scope):
                cell.held[held.key].append(held)
            for mapped in mapped_files(pid, self._scope):
                cell.mapped[mapped.key].append(mapped)
        except PermissionError as error:
            self._note(f"the open files of the kernel cannot be listed ({error.strerror}): uses "
                       "of handles and maps that earlier cells opened are not seen")  # fmt: skip
        except (FileNotFoundError, ProcessLookupError):
            return  # The process ended: it uses nothing any more.

    # Handles.

    def _watch(self, key: FileKey, cell: _Cell) -> None:
        if self._reading[key] or not self._watches:
            cell.blind.add(key)
            return
        if key in cell.shared:
            return
        for held in cell.held[key]:
            for mode in held.modes:
                if mode not in cell.fired.get(key, ()):
                    self._add_watch(held, mode, cell)

    def _add_watch(self, held: Held, mode: Mode, cell: _Cell) -> None:
        try:
            self._watches[mode].add(held)
        except (FileNotFoundError, ProcessLookupError):
            return  # It was closed meanwhile.
        except OSError as error:
            cell.blind.add(held.key)
            self._note(f"an open file could not be watched ({error.strerror}): of such handles "
                       "only uses that move the offset are seen")  # fmt: skip

    def _drain(self, cell: _Cell) -> None:
        for mode, watches in self._watches.items():
            for key in watches.fired():
                cell.fired[key].add(mode)

    def _disarm(self) -> None:
        for watches in self._watches.values():
            watches.clear()
            watches.fired()

    # Our own reading.

    def _look_away(self, key: FileKey) -> None:
        cell = self._cell
        if cell is None:
            return
        if key in cell.held:
            for watches in self._watches.values():
                watches.remove(key)
            cell.blind.add(key)
        if key in cell.mapped:
            self._collect_touches(cell, {k for k, n in self._reading.items() if n and k != key})

    def _look_again(self, key: FileKey) -> None:
        cell = self._cell
        if cell is None or self._reading[key]:
            return
        if key in cell.held:
            self._watch(key, cell)
        if key in cell.mapped:
            self._collect_touches(cell, {key, *(+self._reading)})
            self._forget_touches(cell)

    # Maps.

    def _forget_touches(self, cell: _Cell) -> None:
        for pid in {m.pid for found in cell.mapped.values() for m in found}:
            try:
                Path(f"/proc/{pid}/clear_refs").write_text(_FILE_MAPPED_PAGES)
            except (FileNotFoundError, ProcessLookupError):
                continue
            except OSError as error:
                cell.mapped.clear()
                self._note(f"touched pages cannot be asked for ({error.strerror}): uses of "
                           "memory maps that earlier cells made are not seen")  # fmt: skip

    def _collect_touches(self, cell: _Cell, without: Iterable[FileKey]) -> None:
        """Keep which maps were touched; `without` are files whose touches may be ours."""
        for pid in {m.pid for found in cell.mapped.values() for m in found}:
            try:
                for now in mapped_files(pid, self._scope, counted=True):
                    if now.referenced and now.key not in without:
                        _touch(now, cell)
            except OSError as error:
                if not isinstance(error, FileNotFoundError | ProcessLookupError):
                    self._note(f"the maps of a process cannot be read ({error.strerror})")


def _touch(now: Mapped, cell: _Cell) -> None:
    """Keep a touched map if it overlaps one that was there when the cell started."""
    for then in cell.mapped.get(now.key, ()):
        if then.pid == now.pid and then.start < now.end and now.start < then.end:
            known = cell.touched.get(now.key)
            writable = now.shared_writable or bool(known and known.shared_writable)
            cell.touched[now.key] = now._replace(shared_writable=writable)


def _handle_uses(cell: _Cell) -> Iterator[Use]:
    for key, found in cell.held.items():
        modes = set(cell.fired.get(key, ()))
        if key in cell.blind or key in cell.shared:
            modes |= {mode for held in found if (mode := _moved(held))}
        if modes:
            mode = modes.pop() if len(modes) == 1 else Mode.READ_WRITE
            yield Use(found[0].path, mode, Evidence.HANDLE)


def _moved(held: Held) -> Mode | None:
    """Tell by a handle's offset what it was used for, None if it stands where it stood."""
    try:
        now = _held(held.pid, held.descriptor, held.path)
    except OSError:
        return None
    if now.key != held.key or now.offset == held.offset:
        return None
    if len(held.modes) == 1:
        return held.modes[0]
    return Mode.READ if now.mtime_ns == held.mtime_ns else Mode.WRITE


def _map_uses(cell: _Cell) -> Iterator[Use]:
    for mapped in cell.touched.values():
        yield Use(mapped.path, Mode.READ, Evidence.MAP, unsure=mapped.shared_writable)
