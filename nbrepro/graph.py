"""Put a run's folded touches together with versions, packages and roles into statements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

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
from nbrepro.provenance import (
    FileStatements,
    Footprints,
    ProcessRecord,
    RunFacts,
    RunStatements,
    Scribe,
    SoftwareUse,
    tasks,
    workers,
)
from nbrepro.roles import FileFacts, Places, classify, under
from nbrepro.rundir import Host, Manifest, Tracer, WorkerManifest
from nbrepro.sandboxes import Declarations
from nbrepro.tasks import EngineWorker, TaskRecord
from nbrepro.versions import VersionedTouch, Versions

TAKING = (Mode.READ, Mode.EXECUTE)
"""Modes that only take a file in: software that was so used goes into a footprint."""

_MAKING = (Mode.WRITE, Mode.READ_WRITE)


class ProcessFold:
    """Collects the child processes of a kernel or worker (threads are not processes)."""

    def __init__(self, root_pid: int, offset_ns: int = 0) -> None:
        self._root = root_pid
        self._offset_ns = offset_ns
        self._records: dict[tuple[int, int], ProcessRecord] = {}

    def add(self, item: OwnedAccess | OwnedExit) -> None:
        """Note the process of an access or of a thread's end."""
        step = item.access if isinstance(item, OwnedAccess) else item.exit
        process = step.process
        key = (process.pid, process.generation)
        known = self._records.get(key)
        if known is None:
            began = step.at_ns + self._offset_ns
            known = ProcessRecord(*key, item.owner, process.executable, began, 0, "")
        if isinstance(item, OwnedExit):
            if step.tid == process.pid:
                known = known._replace(
                    ended_ns=step.at_ns + self._offset_ns, status=item.exit.status
                )
        elif item.access.mode is Mode.EXECUTE:
            known = known._replace(executable=item.access.path)
        self._records[key] = known

    def records(self) -> list[ProcessRecord]:
        """Give the children in order of their start; the trace's root is none."""
        ordered = sorted(self._records.values(), key=lambda p: (p.started_ns, p.pid))
        return [p for p in ordered if p.pid != self._root]


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


_File = tuple[str, str]
"""A host and a path on it."""


def file_of(touch: Touch) -> _File:
    """Give the file that a touch is about."""
    return (touch.place or touch.host, touch.path)


class Classifier:
    """Gives each file of a run its role, once."""

    def __init__(
        self, facts: RunFacts, touches: Sequence[Touch], software: Iterable[HostSoftware]
    ) -> None:
        settings = facts.manifest.settings
        self._own = [RoleRule(r["pattern"], Role(r["role"])) for r in settings.get("roles", ())]
        self._places: dict[str, Places] = {}
        self._packages: dict[_File, Package | None] = {}
        for host in software:
            self._places.setdefault(host.host, Places.from_roots(host.roots))
            self._packages.update({(host.host, o.path): o.package for o in host.owners})
        self._facts = _file_facts(touches, self._packages)
        self._roles: dict[_File, Classification] = {}

    def role(self, file: _File) -> Classification:
        """Classify a touched file."""
        known = self._roles.get(file)
        if known is None:
            # A path below a renamed directory was never touched by its new name.
            facts = self._facts.get(file) or FileFacts(file[1], "", self.package(file))
            known = self._roles[file] = classify(facts, self._places_of(file), self._own)
        return known

    def package(self, file: _File) -> Package | None:
        """Give the package that owns a file."""
        return self._packages.get(file)

    def is_software(self, touch: Touch) -> bool:
        """Tell whether a touch goes into a footprint: software that was only taken in."""
        if touch.mode not in TAKING:
            return False
        file = file_of(touch)
        role = self.role(file).role
        if role is Role.DIRECTORY:
            return not under(touch.path, self._places_of(file).project) or any(
                part in touch.path for part in ("/site-packages", "/lib/python")
            )
        return role in SOFTWARE_ROLES

    def _places_of(self, file: _File) -> Places:
        return self._places.get(file[0]) or Places.from_roots({})


def _file_facts(
    touches: Sequence[Touch], packages: Mapping[_File, Package | None]
) -> dict[_File, FileFacts]:
    by_file: dict[_File, list[Touch]] = defaultdict(list)
    for touch in touches:
        file = file_of(touch)
        by_file[file].append(touch)
        if touch.mode is Mode.RENAME:
            # Made by a rename is not made by the run: its content was there before.
            by_file[file[0], touch.target].append(touch)
    return {file: _facts_of(file[1], group, packages.get(file)) for file, group in by_file.items()}


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


def all_tasks(
    tasks: Sequence[TaskRecord],
    touches: Iterable[Touch],
    workers: Iterable[WorkerManifest] = (),
) -> list[TaskRecord]:
    """Add the tasks that only their marks or sandboxes tell of; what was touched was observed.

    Their engine is that of their worker.
    """
    engines = {worker.worker: worker.engine for worker in workers}
    known = {task.task for task in tasks}
    seen: set[str] = set()
    found: dict[str, TaskRecord] = {}
    for touch in touches:
        name = touch.owner.task
        if name in known:
            seen.add(name)
        elif name:
            found[name] = _later(found.get(name) or _task_of(touch, engines), touch)
    return [replace(t, observed=t.observed or t.task in seen) for t in tasks] + [*found.values()]


def _task_of(touch: Touch, engines: Mapping[str, str]) -> TaskRecord:
    owner = touch.owner
    engine = engines.get(owner.worker) or "unknown"
    return TaskRecord(
        owner.task, engine, "", owner.execution, 1, owner.worker, touch.host,
        touch.at_ns, touch.last_ns, "unknown",
    )  # fmt: skip


def _later(task: TaskRecord, touch: Touch) -> TaskRecord:
    return replace(task, ended_ns=max(task.ended_ns, touch.last_ns))


def all_workers(
    manifest: Manifest,
    workers: Sequence[WorkerManifest],
    tasks: Sequence[TaskRecord],
    told: Sequence[EngineWorker] = (),
) -> list[WorkerManifest]:
    """Add the workers that have no directory: the kernel's own children, and unobserved ones.

    `told` are the workers that an engine's client told of; the others are known by their tasks.
    """
    found = {worker.worker: worker for worker in told}
    for task in tasks:
        if task.worker and task.worker not in found:
            found[task.worker] = EngineWorker(
                task.worker, task.engine, task.worker, task.host, 0, 0, task.observed
            )
    known = {worker.worker for worker in workers}
    return [*workers, *(_undirected(w, manifest) for w in found.values() if w.worker not in known)]


def _undirected(worker: EngineWorker, manifest: Manifest) -> WorkerManifest:
    """Describe a worker without a directory: the kernel's own trace covers it, or none does."""
    nothing = Tracer("none", "", ("nothing was observed",))
    return WorkerManifest(
        worker=worker.worker,
        engine=worker.engine,
        host=manifest.host if worker.observed else Host(worker.host or "unknown"),
        tracer=manifest.tracer if worker.observed else nothing,
        command=(),
        pid=worker.pid,
        cwd="",
        started_ns=worker.started_ns or manifest.started_ns,
        roots={},
        address=worker.address,
        status="ok" if worker.observed else "unobserved",
        error="" if worker.observed else "no trace of this worker came home",
    )


def statements(
    facts: RunFacts,
    touches: Sequence[Touch],
    hosts: Sequence[HostFiles],
    software: Sequence[HostSoftware],
    opened: Sequence[Touch] = (),
) -> Iterator[Statement]:
    """Yield every statement of a run, nodes before the edges that need them.

    `opened` is what workers took in outside their tasks where the touches have it for the cell that
    started them: the software of it is the workers' too.
    """
    declarations = Declarations(facts.tasks, facts.manifest.host.name)
    touches = list(declarations.map(touches))
    roles = Classifier(facts, _with_kinds(touches, hosts), software)
    scribe = Scribe(facts)
    describer = FileStatements(scribe, declarations)
    yield from RunStatements(scribe).statements()
    yield from workers(scribe)
    yield from tasks(scribe, declarations)
    for touch in touches:
        if touch.mode is Mode.CONNECT:
            yield from describer.connection(touch, roles.role(file_of(touch)))
    files = [t for t in touches if t.mode is not Mode.CONNECT and not roles.is_software(t)]
    yield from _file_statements(describer, roles, assign_versions(files, hosts))
    yield from _footprints(scribe, roles, [t for t in (*touches, *opened) if roles.is_software(t)])


def assign_versions(touches: Sequence[Touch], hosts: Sequence[HostFiles]) -> list[VersionedTouch]:
    """Give the touches their versions, each host's files by themselves."""
    seen: dict[str, list[Sighting]] = defaultdict(list)
    for host in hosts:
        seen[host.host] += host.sightings
    by_host: dict[str, list[Touch]] = defaultdict(list)
    for touch in touches:
        by_host[file_of(touch)[0]].append(touch)
    first, found = 1, []
    for name, group in by_host.items():
        versions = Versions(sorted(seen[name], key=lambda s: s.at_ns), first)
        found += versions.assign(group)
        first = versions.next_number
    return sorted(found, key=lambda one: (one.touch.at_ns, one.touch.line))


def _with_kinds(touches: Sequence[Touch], hosts: Sequence[HostFiles]) -> list[Touch]:
    """Add what sightings know of a path's kind to the touches that do not."""
    kinds = {
        (host.host, sighting.path): sighting.kind
        for host in hosts
        for sighting in host.sightings
        if sighting.kind not in ("missing", "")
    }
    return [touch._replace(kind=touch.kind or kinds.get(file_of(touch), "")) for touch in touches]


def _file_statements(
    describer: FileStatements, roles: Classifier, touched: Sequence[VersionedTouch]
) -> Iterator[Statement]:
    versions = {
        version.number: version
        for one in touched
        for version in (one.used, one.generated, one.invalidated)
        if version is not None
    }
    hosts = {
        version.number: file_of(one.touch)[0]
        for one in touched
        for version in (one.used, one.generated, one.invalidated)
        if version is not None
    }
    for number, version in sorted(versions.items()):
        file = (hosts[number], version.path)
        yield from describer.version(version, roles.role(file), roles.package(file), file[0])
    for one in touched:
        host, path = file_of(one.touch)
        role = roles.role((host, path))
        made = roles.role((host, one.generated.path)) if one.generated else role
        yield from describer.touch(one, role, made)
    yield from describer.derivations(_derivations(touched, roles))


def _derivations(touched: Sequence[VersionedTouch], roles: Classifier) -> Iterator[tuple[int, int]]:
    """Pair every version with the data that its maker had taken in before making it, once."""
    paired: set[tuple[int, int]] = set()
    taken: dict[Owner, dict[int, None]] = defaultdict(dict)
    for one in touched:
        if roles.role(file_of(one.touch)).role not in (Role.DATA, Role.CONFIG, Role.CODE):
            continue
        owner = one.touch.owner
        if one.used is not None:
            taken[owner][one.used.number] = None
        if one.generated is not None and one.touch.mode is not Mode.RENAME:
            made = one.generated.number
            pairs = {(made, source) for source in taken[owner] if source != made} - paired
            paired |= pairs
            yield from sorted(pairs)


def _footprints(scribe: Scribe, roles: Classifier, touches: Sequence[Touch]) -> Iterator[Statement]:
    by_owner: dict[Owner, dict[_File, SoftwareUse]] = defaultdict(dict)
    for touch in touches:
        file = file_of(touch)
        use = SoftwareUse(touch.path, roles.role(file), roles.package(file))
        by_owner[touch.owner].setdefault(file, use)
    footprints = Footprints()
    for owner in sorted(by_owner):
        activity = scribe.base + scribe.activity(owner)
        yield from footprints.statements(activity, list(by_owner[owner].values()))
