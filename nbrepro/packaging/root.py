"""Fills an empty root with files of this host, at the same absolute paths."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from nbrepro.errors import NbreproError
from nbrepro.packaging.elf import LOADER_CACHE, find_interpreters, find_library, read_needs

_LINKS_AT_MOST = 40  # as the kernel
FRESH = ("/proc", "/sys", "/dev")
"""What is made anew in every root, or is not there at all."""


class PackagingError(NbreproError):
    """A package that cannot be made or used: what stands in the way."""


@dataclass(slots=True)
class Filled:
    """What a root was filled with.

    `files`, `links` and `directories` are absolute paths without symbolic links above them, in the
    order in which they came; `missing` says why a wanted path is not there; `added` why one is that
    was not asked for. `size_bytes` counts the files' contents.
    """

    files: dict[str, None] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    directories: dict[str, None] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    added: dict[str, str] = field(default_factory=dict)
    size_bytes: int = 0


def fill_root(
    root: Path, paths: Iterable[str], *, link: bool = False, needs: bool = True
) -> Filled:
    """Put host files into `root`, an existing directory, at their absolute paths.

    Symbolic links on the way stay links. With `needs`, so come the loader and the libraries that
    programs ask for, and the interpreters of scripts. `link` makes hard links where it can (the
    root must then never be written to). A directory is made, its contents are not taken. Never
    follows a link out of the root. Raises PackagingError where the root holds something else at a
    place, OSError where it cannot be written.
    """
    filling = Filling(root, link)
    filling.add(paths, needs)
    return filling.filled


class Filling:
    """A root that is being filled; `add` may be called again and again."""

    def __init__(self, root: Path, link: bool = False) -> None:
        self.filled = Filled()
        self._root = os.fspath(root)
        self._link = link
        self._names: set[str] = set()
        self._readlinks: dict[str, str | None] = {}
        self._made = {"/"}
        for path in ("/proc", "/dev", "/tmp"):  # noqa: S108 (in the root)
            self._make_directory(path)
        Path(self._root, "tmp").chmod(0o1777)

    def add(self, paths: Iterable[str], needs: bool = True) -> list[str]:
        """Put these paths there, with what they need; give the new files."""
        before = len(self.filled.files)
        pending = deque((path, "") for path in paths)
        while pending:
            path, reason = pending.popleft()
            placed = self._place(path, reason)
            if placed and needs:
                pending.extend(self._needs(placed))
        return list(self.filled.files)[before:]

    def _needs(self, path: str) -> list[tuple[str, str]]:
        if os.access(path, os.X_OK) and not _is_module(path):
            scripts = [(p, f"interpreter of {path}") for p in find_interpreters(path)]
            if scripts:
                return scripts
        needs = read_needs(path)
        if needs is None:
            return []
        found = []
        if needs.interpreter:
            found = [(needs.interpreter, f"loader of {path}"), (LOADER_CACHE, "the loader's cache")]
        for name in needs.libraries:
            if name in self._names:
                continue
            library = find_library(name, needs)
            if library:
                found.append((library, f"needed by {path}"))
            else:
                self.filled.missing.setdefault(name, f"library needed by {path}, not found")
        return found

    def _place(self, path: str, reason: str) -> str:
        """Put one path there; give the path of a file that is new, else nothing."""
        filled = self.filled
        try:
            real = self._follow(path, reason)
            if real in filled.files or real in filled.directories:
                return ""
            if is_fresh(real):
                filled.missing[path] = "made anew in every root"
                return ""
            status = os.lstat(real)
        except OSError as error:
            filled.missing[path] = (error.strerror or str(error)).lower()
            return ""
        if stat.S_ISDIR(status.st_mode):
            self._make_directory(real)
            filled.directories[real] = None
            return ""
        if not stat.S_ISREG(status.st_mode):
            filled.missing[path] = "neither a file nor a directory"
            return ""
        if not self._copy(real, status):
            return ""
        if reason:
            filled.added[real] = reason
        filled.files[real] = None
        filled.size_bytes += status.st_size
        self._names.update((os.path.basename(real), os.path.basename(path)))
        return real

    def _copy(self, real: str, status: os.stat_result) -> bool:
        parent, name = os.path.split(real)
        self._make_directory(parent)
        target = f"{self._root}{parent.rstrip('/')}/{name}"
        if os.path.lexists(target):
            raise PackagingError(f"{target}: is in the root already; give an empty one")
        if not os.access(real, os.R_OK):
            self.filled.missing[real] = "permission denied"
            return False
        if not (self._link and _hard_link(real, target)):
            shutil.copyfile(real, target, follow_symlinks=False)
            os.chmod(target, stat.S_IMODE(status.st_mode) & 0o777 | 0o400)
            os.utime(target, ns=(status.st_mtime_ns, status.st_mtime_ns))
        return True

    def _follow(self, path: str, reason: str) -> str:
        """Give the path without links, making those links in the root."""
        current, links = "/", 0
        pending = path.split("/")[::-1]
        while pending:
            name = pending.pop()
            if name in ("", "."):
                continue
            if name == "..":
                current = os.path.dirname(current)
                continue
            step = f"{current.rstrip('/')}/{name}"
            target = self._target(step)
            if target is None:
                current = step
                continue
            links += 1
            if links > _LINKS_AT_MOST:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            self._make_link(step, target, reason)
            pending += target.split("/")[::-1]
            current = "/" if target.startswith("/") else current
        return current

    def _target(self, path: str) -> str | None:
        if path not in self._readlinks:
            self._readlinks[path] = None if is_fresh(path) else _read_link(path)
        return self._readlinks[path]

    def _make_link(self, path: str, target: str, reason: str) -> None:
        if path in self.filled.links:
            return
        self._make_directory(os.path.dirname(path))
        os.symlink(target, self._root + path)
        self.filled.links[path] = target
        self._names.add(os.path.basename(path))
        if reason:
            self.filled.added[path] = reason

    def _make_directory(self, path: str) -> None:
        """Make a directory and those above it; everything on the way must be a real directory."""
        if path in self._made:
            return
        self._make_directory(os.path.dirname(path))
        target = self._root + path
        try:
            os.mkdir(target, 0o755)
        except FileExistsError:
            if not stat.S_ISDIR(os.lstat(target).st_mode):
                raise PackagingError(
                    f"{target}: is no directory, and could lead out of the root; give an empty one"
                ) from None
        self._made.add(path)


def _is_module(path: str) -> bool:
    # Many modules of the standard library are executable scripts too, and are not run as such.
    return path.endswith(".py") and ("/lib/python" in path or "-packages/" in path)


def is_fresh(path: str) -> bool:
    """Tell whether a path is made anew in every root: /proc, /sys, /dev and what is in them."""
    return path.startswith(FRESH) and f"/{path.split('/')[1]}" in FRESH


def _read_link(path: str) -> str | None:
    try:
        return os.readlink(path)
    except OSError as error:
        if error.errno == errno.EINVAL:
            return None
        raise


def _hard_link(source: str, target: str) -> bool:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        return False
    return True
