"""Give every file of a run its role, from all that its touches tell together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nbrepro.config import RoleRule
from nbrepro.footprints import TAKING, Judge, Taken, belongs_to_footprint
from nbrepro.model import Classification, Mode, Owner, Ownership, Package, Role, Sighting, Touch
from nbrepro.roles import FileFacts, Places, classify
from nbrepro.rundir import Manifest

_MAKING = (Mode.WRITE, Mode.READ_WRITE)

File = tuple[str, str]
"""A host and a path on it."""


@dataclass(frozen=True, slots=True)
class HostFiles:
    """What files of one host were, as somebody saw them there."""

    host: str
    sightings: Sequence[Sighting]


@dataclass(frozen=True, slots=True)
class HostSoftware:
    """The named places of one host, and which package owns which path there."""

    host: str
    roots: Mapping[str, str]
    owners: Sequence[Ownership]


def file_of(touch: Touch) -> File:
    """Give the file that a touch is about."""
    return (touch.place or touch.host, touch.path)


def configured_rules(manifest: Manifest) -> list[RoleRule]:
    """Give the project's own rules."""
    return [RoleRule(r["pattern"], Role(r["role"])) for r in manifest.settings.get("roles", ())]


def judge_of(manifest: Manifest, host: HostSoftware, apart: Iterable[File] = ()) -> Judge:
    """Make what tells sure software on a host, except the files in `apart`."""
    return Judge(
        Places.from_roots(host.roots),
        configured_rules(manifest),
        {owner.path: owner.package for owner in host.owners},
        frozenset(path for name, path in apart if name == host.host),
    )


@dataclass(slots=True)
class _Known:
    """What the touches of one file tell, in order of time."""

    made: bool
    last: Mode
    owner: Owner
    kind: str = ""
    executed: bool = False
    shared: bool = False

    def add(self, mode: Mode, owner: Owner, kind: str) -> None:
        self.last = mode
        self.kind = self.kind or kind
        self.executed = self.executed or mode is Mode.EXECUTE
        self.shared = self.shared or owner != self.owner


class Classifier:
    """Gives each file of a run its role, once.

    `touches` are all of them in order of time, but those by later owners of software. Kinds that
    they do not tell are those of sightings.
    """

    def __init__(
        self,
        manifest: Manifest,
        touches: Iterable[Touch],
        hosts: Iterable[HostFiles],
        software: Iterable[HostSoftware],
    ) -> None:
        self._own = configured_rules(manifest)
        self._places: dict[str, Places] = {}
        self._nowhere = Places.from_roots({})
        self._packages: dict[File, Package | None] = {}
        for host in software:
            self._places.setdefault(host.host, Places.from_roots(host.roots))
            self._packages.update({(host.host, o.path): o.package for o in host.owners})
        self._known = _gather(touches, _kinds(hosts))
        self._roles: dict[File, Classification] = {}

    def role(self, file: File) -> Classification:
        """Classify a touched file."""
        role = self._roles.get(file)
        if role is None:
            role = self._roles[file] = classify(self._facts(file), self._places_of(file), self._own)
        return role

    def package(self, file: File) -> Package | None:
        """Give the package that owns a file."""
        return self._packages.get(file)

    def is_software(self, touch: Touch) -> bool:
        """Tell whether a touch goes into a footprint: software that was only taken in."""
        return touch.mode in TAKING and self._is_in_footprints(file_of(touch))

    def misjudged(self, taken: Iterable[Taken]) -> set[File]:
        """Give the files that were taken for software too early: the run made them, or what others
        did to them shows that they are something else."""
        files = {(host, path) for host, paths in {(t.host, t.paths) for t in taken}
                 for path in paths}  # fmt: skip
        return {f for f in files if self._known[f].made or not self._is_in_footprints(f)}

    def _is_in_footprints(self, file: File) -> bool:
        return belongs_to_footprint(file[1], self.role(file).role, self._places_of(file))

    def _places_of(self, file: File) -> Places:
        return self._places.get(file[0], self._nowhere)

    def _facts(self, file: File) -> FileFacts:
        known = self._known.get(file)
        if known is None:
            # A path below a renamed directory was never touched by its new name.
            return FileFacts(file[1], "", self.package(file))
        removed = known.made and known.last is Mode.REMOVE
        return FileFacts(
            path=file[1],
            kind=known.kind,
            package=self.package(file),
            executed=known.executed,
            passing=removed and not known.shared,
            removed=removed,
        )


def _kinds(hosts: Iterable[HostFiles]) -> dict[str, dict[str, str]]:
    kinds: dict[str, dict[str, str]] = {}
    for host in hosts:
        known = kinds.setdefault(host.host, {})
        known.update({s.path: s.kind for s in host.sightings if s.kind not in ("missing", "")})
    return kinds


def _gather(touches: Iterable[Touch], kinds: Mapping[str, Mapping[str, str]]) -> dict[File, _Known]:
    nothing: dict[str, str] = {}
    files: dict[File, _Known] = {}
    for touch in touches:
        file = file_of(touch)
        kind = touch.kind or kinds.get(file[0], nothing).get(touch.path, "")
        _see(files, file, touch, kind)
        if touch.mode is Mode.RENAME:
            # Made by a rename is not made by the run: its content was there before.
            _see(files, (file[0], touch.target), touch, kind)
    return files


def _see(files: dict[File, _Known], file: File, touch: Touch, kind: str) -> None:
    known = files.get(file)
    if known is None:
        known = files[file] = _Known(touch.mode in _MAKING, touch.mode, touch.owner)
    known.add(touch.mode, touch.owner, kind)
