"""Put a run's folded touches together with versions, packages and roles into statements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from nbrepro.classifier import Classifier, File, HostFiles, HostSoftware, file_of
from nbrepro.footprints import Taken
from nbrepro.model import (
    Mode,
    OwnedAccess,
    OwnedExit,
    Owner,
    Role,
    Sighting,
    Statement,
    Touch,
)
from nbrepro.packages.standins import find_source
from nbrepro.provenance import (
    FileStatements,
    Footprint,
    Footprints,
    ProcessRecord,
    RunFacts,
    RunStatements,
    Scribe,
    SoftwareUse,
    settings,
    tasks,
    workers,
)
from nbrepro.rundir import Host, Manifest, Tracer, WorkerManifest
from nbrepro.sandboxes import Declarations
from nbrepro.tasks import EngineWorker, TaskRecord
from nbrepro.versions import VersionedTouch, Versions


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


def all_tasks(
    tasks: Sequence[TaskRecord],
    touches: Iterable[Touch | Taken],
    workers: Iterable[WorkerManifest] = (),
) -> list[TaskRecord]:
    """Add the tasks that only their marks or sandboxes tell of; what was touched was observed.

    Their engine is that of their worker. The touches may come in any order.
    """
    engines = {worker.worker: worker.engine for worker in workers}
    known = {task.task for task in tasks}
    seen: set[str] = set()
    others: dict[str, list[Touch | Taken]] = defaultdict(list)
    for touch in touches:
        name = touch.owner.task
        if name in known:
            seen.add(name)
        elif name:
            others[name].append(touch)
    found = sorted((sorted(group, key=_began) for group in others.values()), key=_first_began)
    return [
        *(t if t.observed or t.task not in seen else replace(t, observed=True) for t in tasks),
        *(_task_of(group, engines) for group in found),
    ]


def _began(touch: Touch | Taken) -> tuple[int, str, int]:
    return (touch.at_ns, touch.owner.worker, touch.line)


def _first_began(group: Sequence[Touch | Taken]) -> tuple[int, str, int]:
    return _began(group[0])


def _task_of(group: Sequence[Touch | Taken], engines: Mapping[str, str]) -> TaskRecord:
    first, owner = group[0], group[0].owner
    engine = engines.get(owner.worker) or "unknown"
    return TaskRecord(
        owner.task, engine, "", owner.execution, 1, owner.worker, first.host,
        first.at_ns, max(touch.last_ns for touch in group), "unknown",
    )  # fmt: skip


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
) -> Iterator[Statement]:
    """Yield every statement of a run, nodes before the edges that need them."""
    yield from Graph(facts, touches, hosts, software).statements()


class Graph:
    """A run's touches, mapped and classified; `taken` is the software that is kept as sets.

    `opened` is what workers took in outside their tasks where the touches have it for the cell that
    started them: the software of it is the workers' too.
    """

    def __init__(
        self,
        facts: RunFacts,
        touches: Sequence[Touch],
        hosts: Sequence[HostFiles],
        software: Sequence[HostSoftware],
        taken: Sequence[Taken] = (),
        opened: Sequence[Touch] = (),
    ) -> None:
        self.facts = facts
        self._hosts = hosts
        self._taken = taken
        self._opened = opened
        self._declarations = Declarations(facts.tasks, facts.manifest.host.name)
        self._touches = list(self._declarations.map(touches))
        self._roles = Classifier(facts.manifest, self._touches, hosts, software)

    def misjudged(self) -> set[File]:
        """Give the files that are no software although they were kept as such."""
        return self._roles.misjudged(self._taken)

    def statements(self) -> Iterator[Statement]:
        """Yield every statement of the run, nodes before the edges that need them. Call it once."""
        scribe = Scribe(self.facts)
        describer = FileStatements(scribe, self._declarations)
        yield from RunStatements(scribe).statements()
        yield from workers(scribe)
        yield from tasks(scribe, self._declarations)
        yield from settings(scribe)
        footprints = _Footprints(scribe, self._roles)
        files: list[Touch] = []
        for touch in self._touches:
            if self._roles.is_software(touch):
                footprints.add(touch)
            elif touch.mode is Mode.CONNECT:
                yield from describer.connection(touch, self._roles.role(file_of(touch)))
            else:
                files.append(touch)
        self._touches.clear()
        for touch in self._opened:
            if self._roles.is_software(touch):
                footprints.add(touch)
        versions, sources = assign_versions(files, self._hosts), _sources_of_code(self._hosts)
        yield from _file_statements(describer, self._roles, versions, sources)
        yield from footprints.statements(self._taken)


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


def _sources_of_code(hosts: Sequence[HostFiles]) -> dict[File, str]:
    """Give the digests of the Python sources that were seen, the last of each.

    An interpreter that finds byte-code looks at its source without opening it.
    """
    return {
        (host.host, sighting.path): sighting.sha256
        for host in hosts
        for sighting in host.sightings
        if sighting.sha256 and sighting.path.endswith(".py")
    }


def _file_statements(
    describer: FileStatements,
    roles: Classifier,
    touched: Sequence[VersionedTouch],
    sources: Mapping[File, str],
) -> Iterator[Statement]:
    versions = {
        version.number: (file_of(one.touch)[0], version)
        for one in touched
        for version in (one.used, one.generated, one.invalidated)
        if version is not None
    }
    for number in sorted(versions):
        host, version = versions.pop(number)
        file = (host, version.path)
        made_of = sources.get((host, find_source(version.path)), "")
        yield from describer.version(version, roles.role(file), roles.package(file), host, made_of)
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


class _Footprints:
    """Gathers the software of each owner, from single touches and from sets."""

    def __init__(self, scribe: Scribe, roles: Classifier) -> None:
        self._scribe = scribe
        self._roles = roles
        self._single: dict[Owner, set[File]] = defaultdict(set)
        self._told = Footprints()
        self._of_sets: dict[tuple[str, frozenset[str]], Footprint] = {}

    def add(self, touch: Touch) -> None:
        """Take in one touch of software."""
        self._single[touch.owner].add(file_of(touch))

    def statements(self, taken: Iterable[Taken]) -> Iterator[Statement]:
        """Describe the footprint of each owner, in their order."""
        sets: dict[Owner, list[Taken]] = defaultdict(list)
        for one in taken:
            sets[one.owner].append(one)
        for owner in sorted({*self._single, *sets}):
            activity = self._scribe.base + self._scribe.activity(owner)
            yield from self._told.statements(activity, self._footprint(owner, sets.get(owner, [])))

    def _footprint(self, owner: Owner, taken: Sequence[Taken]) -> Footprint:
        if len(taken) == 1 and owner not in self._single:
            return self._known(taken[0].host, taken[0].paths)
        files = {(one.host, path) for one in taken for path in one.paths}
        return self._told.footprint(map(self._use, files | self._single.get(owner, set())))

    def _known(self, host: str, paths: frozenset[str]) -> Footprint:
        """Give the footprint of a set that other owners may have as well."""
        # Equal sets of one trace are one object, so that this costs no comparison.
        footprint = self._of_sets.get((host, paths))
        if footprint is None:
            footprint = self._told.footprint(self._use((host, path)) for path in paths)
            self._of_sets[host, paths] = footprint
        return footprint

    def _use(self, file: File) -> SoftwareUse:
        roles = self._roles
        return SoftwareUse(file[1], roles.role(file), roles.package(file), roles.altered(file))
