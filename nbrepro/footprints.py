"""Fold what owners take in of software to sets of files: no touch for each, as data has.

Tasks open the same thousands of library files. Of a file that is surely software the graph tells
only who took it in, so that of its accesses the first is kept, and for each owner the set of its
files; equal sets are one. Memory grows with the files and the owners, not with their product.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from nbrepro.config import RoleRule
from nbrepro.model import SOFTWARE_ROLES, Access, Mode, Owner, Package, Role, Touch
from nbrepro.roles import FileFacts, Places, classify, is_part_of_environment, under
from nbrepro.sandboxes import split_sandbox

TAKING = (Mode.READ, Mode.EXECUTE)
"""The modes that only take in what a file holds."""

_KINDS = ("", "file", "directory")
_OPEN = 64
"""How many sets may grow at once before they are compared with those that are known."""


class Taken(NamedTuple):
    """The software that one owner took in: its files' paths, and the time from first to last."""

    owner: Owner
    host: str
    at_ns: int
    last_ns: int
    line: int
    paths: frozenset[str]


@dataclass(slots=True)
class Software:
    """What one trace tells of software: who took it in, and the first touch of each file."""

    taken: list[Taken] = field(default_factory=list)
    firsts: list[Touch] = field(default_factory=list)


class Judge:
    """Tells which files of a host are software for sure, whatever owners take them in.

    `packages` are the owners of paths, `apart` paths that are none of it after all.
    """

    def __init__(
        self,
        places: Places,
        own: Sequence[RoleRule],
        packages: Mapping[str, Package | None],
        apart: Collection[str] = (),
    ) -> None:
        self._places = places
        self._own = own
        self._packages = packages
        self._apart = apart

    def is_software(self, path: str, kind: str) -> bool:
        """Tell whether a path is software, be it run as a program or not."""
        if kind not in _KINDS or path in self._apart or split_sandbox(path) is not None:
            return False
        package = self._packages.get(path)
        return all(
            belongs_to_footprint(
                path,
                classify(FileFacts(path, kind, package, run), self._places, self._own).role,
                self._places,
            )
            for run in (False, True)
        )


def belongs_to_footprint(path: str, role: Role, places: Places) -> bool:
    """Tell whether a file that is only taken in is part of a footprint."""
    if role is Role.DIRECTORY:
        if split_sandbox(path) is not None:
            return False  # each task's own: no two tasks would share a footprint
        return not under(path, places.project) or is_part_of_environment(path)
    return role in SOFTWARE_ROLES


@dataclass(slots=True)
class _Taking:
    at_ns: int
    last_ns: int
    line: int
    paths: set[str] | frozenset[str] = field(default_factory=set)


class FootprintFold:
    """Collects who takes in which software, for one trace; `judge` tells what software is."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._judged: dict[tuple[str, str], bool] = {}
        self._changed: set[str] = set()
        self._firsts: dict[tuple[Mode, str, str], Touch] = {}
        self._takings: dict[Owner, _Taking] = {}
        self._open: list[_Taking] = []
        self._equal: dict[frozenset[str], frozenset[str]] = {}

    def takes(self, access: Access) -> bool:
        """Tell whether an access of a resolved path belongs here; one that changes a file, or
        follows a change, does not."""
        path = access.path
        if access.mode not in TAKING:
            self._changed.add(path)
            return False
        key = (path, access.kind)
        judged = self._judged.get(key)
        if judged is None:
            judged = self._judged[key] = self._judge.is_software(path, access.kind)
        return judged and path not in self._changed

    def first(self, access: Access) -> Touch | None:
        """Give the first touch of the access's file, if there was one."""
        return self._firsts.get((access.mode, access.path, access.kind))

    def begin(self, touch: Touch) -> None:
        """Note the first touch of a file."""
        self._firsts[touch.mode, touch.path, touch.kind] = touch

    def add(self, owner: Owner, path: str, at_ns: int, line: int) -> None:
        """Note that an owner took a file in."""
        taking = self._takings.get(owner)
        if taking is None:
            taking = self._takings[owner] = _Taking(at_ns, at_ns, line)
            self._open.append(taking)
        elif at_ns > taking.last_ns:
            taking.last_ns = at_ns
        if path not in taking.paths:
            self._extend(taking, path)

    def _extend(self, taking: _Taking, path: str) -> None:
        paths = taking.paths
        if isinstance(paths, frozenset):
            paths = taking.paths = set(paths)
            self._open.append(taking)
        paths.add(path)
        if len(self._open) > _OPEN:
            self._close()

    def _close(self) -> None:
        """Keep equal sets once; an owner that takes in more gets a set of its own again."""
        for taking in self._open:
            paths = frozenset(taking.paths)
            taking.paths = self._equal.setdefault(paths, paths)
        self._open.clear()

    def software(self, host: str) -> Software:
        """Give what was collected."""
        self._close()
        taken = [
            Taken(owner, host, t.at_ns, t.last_ns, t.line, frozenset(t.paths))
            for owner, t in self._takings.items()
        ]
        return Software(taken, list(self._firsts.values()))
