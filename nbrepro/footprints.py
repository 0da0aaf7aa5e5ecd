"""Fold what owners take in of software to sets of files: no touch for each, as data has.

Tasks open the same thousands of library files. The first owner of a file has a touch of it, like of
any other. Of a file that is surely software the graph tells only who took it in, so that of the
later owners nothing is kept but the set of their files; equal sets are one. Memory grows with the
files and with the owners, not with their product.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from nbrepro.config import RoleRule
from nbrepro.model import SOFTWARE_ROLES, Access, Mode, Owner, Package, Role
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
        # Only a project's own file is another thing once it was run as a program.
        ways = (False, True) if under(path, self._places.project) else (False,)
        return all(self._belongs(FileFacts(path, kind, self._packages.get(path), w)) for w in ways)

    def _belongs(self, file: FileFacts) -> bool:
        role = classify(file, self._places, self._own).role
        return belongs_to_footprint(file.path, role, self._places)


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
        self._first: dict[tuple[str, Mode, str], Owner] = {}
        self._judged: dict[tuple[str, str], str] = {}
        self._changed: set[str] = set()
        self._takings: dict[Owner, _Taking] = {}
        self._open: list[_Taking] = []
        self._equal: dict[frozenset[str], frozenset[str]] = {}

    def take(self, access: Access, owner: Owner) -> bool:
        """Take in an access of a resolved path by a later owner; tell whether it belongs here.

        One that changes a file, or follows a change, does not.
        """
        path, mode, kind = access.path, access.mode, access.kind
        if mode not in TAKING:
            self._changed.add(path)
            return False
        first = self._first.setdefault((path, mode, kind), owner)
        if first == owner or path in self._changed:
            return False
        known = self._judged.get((path, kind))
        if known is None:
            known = path if self._judge.is_software(path, kind) else ""
            self._judged[path, kind] = known
        if known:
            # Equal texts are one text.
            self._add(owner, known, access.at_ns, access.line)
        return bool(known)

    def _add(self, owner: Owner, path: str, at_ns: int, line: int) -> None:
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

    def taken(self, host: str) -> list[Taken]:
        """Give what each later owner took in."""
        self._close()
        return [
            Taken(owner, host, t.at_ns, t.last_ns, t.line, frozenset(t.paths))
            for owner, t in self._takings.items()
        ]
