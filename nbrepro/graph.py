"""Put a run's folded touches together with versions, packages and roles into statements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from nbrepro.config import RoleRule
from nbrepro.model import (
    SOFTWARE_ROLES,
    Classification,
    Mode,
    OwnedAccess,
    OwnedExit,
    Owner,
    Ownership,
    Package,
    Role,
    Sighting,
    Statement,
    Touch,
)
from nbrepro.provenance import Describer, ProcessRecord, RunFacts, SoftwareUse, footprint
from nbrepro.roles import FileFacts, Places, classify, under
from nbrepro.versions import VersionedTouch, Versions

_TAKING = (Mode.READ, Mode.EXECUTE)
_MAKING = (Mode.WRITE, Mode.READ_WRITE)


class ProcessFold:
    """Collects the child processes of the kernel (threads are not processes)."""

    def __init__(self, kernel_pid: int) -> None:
        self._kernel = kernel_pid
        self._records: dict[tuple[int, int], ProcessRecord] = {}

    def add(self, item: OwnedAccess | OwnedExit) -> None:
        """Note the process of an access or of a thread's end."""
        step = item.access if isinstance(item, OwnedAccess) else item.exit
        process = step.process
        key = (process.pid, process.generation)
        known = self._records.get(key)
        if known is None:
            known = ProcessRecord(*key, item.owner, process.executable, step.at_ns, 0, "")
        if isinstance(item, OwnedExit):
            if step.tid == process.pid:
                known = known._replace(ended_ns=step.at_ns, status=item.exit.status)
        elif item.access.mode is Mode.EXECUTE:
            known = known._replace(executable=item.access.path)
        self._records[key] = known

    def records(self) -> list[ProcessRecord]:
        """Give the children in order of their start; the trace's first process is the kernel."""
        ordered = sorted(self._records.values(), key=lambda p: (p.started_ns, p.pid))
        return [p for p in ordered if p.pid != self._kernel]


class Classifier:
    """Gives each path of a run its role, once."""

    def __init__(
        self, facts: RunFacts, touches: Sequence[Touch], software: Iterable[Ownership]
    ) -> None:
        manifest = facts.manifest
        self._places = Places.from_roots(manifest.roots)
        self._own = [
            RoleRule(r["pattern"], Role(r["role"])) for r in manifest.settings.get("roles", ())
        ]
        self._packages = {o.path: o.package for o in software}
        self._facts = _file_facts(touches, self._packages)
        self._roles: dict[str, Classification] = {}

    def role(self, path: str) -> Classification:
        """Classify a touched path."""
        known = self._roles.get(path)
        if known is None:
            # A path below a renamed directory was never touched by its new name.
            file = self._facts.get(path) or FileFacts(path, "", self.package(path))
            known = self._roles[path] = classify(file, self._places, self._own)
        return known

    def package(self, path: str) -> Package | None:
        """Give the package that owns a path."""
        return self._packages.get(path)

    def is_software(self, touch: Touch) -> bool:
        """Tell whether a touch goes into a footprint: software that was only taken in."""
        if touch.mode not in _TAKING:
            return False
        role = self.role(touch.path).role
        if role is Role.DIRECTORY:
            return not under(touch.path, self._places.project) or any(
                part in touch.path for part in ("/site-packages", "/lib/python")
            )
        return role in SOFTWARE_ROLES


def _file_facts(
    touches: Sequence[Touch], packages: Mapping[str, Package | None]
) -> dict[str, FileFacts]:
    by_path: dict[str, list[Touch]] = defaultdict(list)
    for touch in touches:
        by_path[touch.path].append(touch)
        if touch.mode is Mode.RENAME:
            by_path[touch.target].append(
                touch._replace(mode=Mode.WRITE, path=touch.target, target="")
            )
    return {path: _facts_of(path, group, packages.get(path)) for path, group in by_path.items()}


def _facts_of(path: str, group: Sequence[Touch], package: Package | None) -> FileFacts:
    made = group[0].mode in _MAKING
    removed = made and group[-1].mode is Mode.REMOVE
    owners = {touch.owner for touch in group}
    return FileFacts(
        path=path,
        kind=next((touch.kind for touch in group if touch.kind), ""),
        package=package,
        executed=any(touch.mode is Mode.EXECUTE for touch in group),
        passing=removed and len(owners) == 1,
        removed=removed,
    )


def statements(
    facts: RunFacts,
    touches: Sequence[Touch],
    sightings: Sequence[Sighting],
    software: Sequence[Ownership],
) -> Iterator[Statement]:
    """Yield every statement of a run, nodes before the edges that need them."""
    roles = Classifier(facts, _with_kinds(touches, sightings), software)
    describer = Describer(facts)
    yield from describer.run()
    connections = [t for t in touches if t.mode is Mode.CONNECT]
    files = [t for t in touches if t.mode is not Mode.CONNECT and not roles.is_software(t)]
    for touch in connections:
        yield from describer.connection(touch, roles.role(touch.path))
    yield from _file_statements(describer, roles, Versions(sightings).assign(files))
    yield from _footprints(describer, roles, [t for t in touches if roles.is_software(t)])


def _with_kinds(touches: Sequence[Touch], sightings: Sequence[Sighting]) -> list[Touch]:
    """Add what sightings know of a path's kind to the touches that do not."""
    kinds = {s.path: s.kind for s in sightings if s.kind not in ("missing", "")}
    return [
        touch if touch.kind or touch.path not in kinds
        else touch._replace(kind=kinds[touch.path])
        for touch in touches
    ]  # fmt: skip


def _file_statements(
    describer: Describer, roles: Classifier, touched: Sequence[VersionedTouch]
) -> Iterator[Statement]:
    versions = {
        version.number: version
        for one in touched
        for version in (one.used, one.generated, one.invalidated)
        if version is not None
    }
    yield from describer.versions(
        (version, roles.role(version.path), roles.package(version.path))
        for _, version in sorted(versions.items())
    )
    for one in touched:
        yield from describer.touch(one, roles.role(one.touch.path))
    yield from describer.derivations(_derivations(touched, roles))


def _derivations(touched: Sequence[VersionedTouch], roles: Classifier) -> Iterator[tuple[int, int]]:
    """Pair every version with the data that its maker had taken in before making it, once."""
    paired: set[tuple[int, int]] = set()
    taken: dict[Owner, dict[int, None]] = defaultdict(dict)
    for one in touched:
        if roles.role(one.touch.path).role not in (Role.DATA, Role.CONFIG, Role.CODE):
            continue
        owner = one.touch.owner
        if one.used is not None:
            taken[owner][one.used.number] = None
        if one.generated is not None and one.touch.mode is not Mode.RENAME:
            made = one.generated.number
            pairs = {(made, source) for source in taken[owner] if source != made} - paired
            paired |= pairs
            yield from sorted(pairs)


def _footprints(
    describer: Describer, roles: Classifier, touches: Sequence[Touch]
) -> Iterator[Statement]:
    by_owner: dict[Owner, dict[str, SoftwareUse]] = defaultdict(dict)
    for touch in touches:
        by_owner[touch.owner].setdefault(
            touch.path,
            SoftwareUse(touch.path, roles.role(touch.path), roles.package(touch.path)),
        )
    for owner in sorted(by_owner):
        yield from footprint(describer.activity_iri(owner), list(by_owner[owner].values()))
