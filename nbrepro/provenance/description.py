"""Write the statements of one run: cells, processes, file versions and what touched them.

Every node is named by the run's own IRI and a counter, so the same evidence gives the same
statements in the same order.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from nbrepro.model import (
    Classification,
    Edge,
    FileVersion,
    Mode,
    Node,
    Owner,
    Package,
    Statement,
    Touch,
    Value,
)
from nbrepro.provenance.identity import (
    digest_of,
    filled,
    known,
    moment,
    package_iri,
    period,
    relative,
    segment,
)
from nbrepro.provenance.software import package_node
from nbrepro.rundir import CellRecord, Manifest
from nbrepro.versions import VersionedTouch
from nbrepro.vocabulary import content_iri, run_iri, to_text


class ProcessRecord(NamedTuple):
    """A child process of the kernel: who started it, what it ran and how it ended."""

    pid: int
    generation: int
    owner: Owner
    executable: str
    started_ns: int
    ended_ns: int
    status: str


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What the graph of one run is made of, besides its files."""

    manifest: Manifest
    cells: Sequence[CellRecord]
    processes: Sequence[ProcessRecord]
    counts: Mapping[str, int] = field(default_factory=dict)


class Describer:
    """Writes the statements of one run."""

    def __init__(self, facts: RunFacts) -> None:
        self._facts = facts
        self._run = facts.manifest.run
        self._base = run_iri(facts.manifest.uuid)
        self._edges = 0
        self._endpoints: dict[tuple[str, str], str] = {}

    # -- the run itself --

    def run(self) -> Iterator[Statement]:
        """Describe the run, its notebook, kernel, host, cells and executions."""
        yield from self._run_node()
        yield from self._agents()
        yield from self._session()
        for record in self._facts.cells:
            yield from self._execution(record)
        yield from self._cells()
        yield from self._order()
        for process in self._facts.processes:
            yield from self._process(process)

    def _run_node(self) -> Iterator[Statement]:
        manifest = self._facts.manifest
        source = digest_of([record.source for record in self._facts.cells])
        root, path = relative(manifest.notebook, manifest.roots)
        key = digest_of(["notebook", root, path])
        yield self._node(
            "Run",
            "",
            uuid=manifest.uuid,
            notebook=to_text(manifest.notebook),
            status=manifest.status,
            error=manifest.error,
            **period(manifest.started_ns, manifest.ended_ns),
            host=manifest.host.name,
            tracer=manifest.tracer.name,
            tracer_unseen=" ".join((*manifest.tracer.unseen, *manifest.notes)),
            parameters=json.dumps(manifest.parameters, sort_keys=True),
            notebook_sha256=manifest.notebook_sha256,
            source_digest=source,
            logical_key=key,
            cells=len(self._facts.cells),
            **self._facts.counts,
        )
        yield self._node(
            "Notebook",
            "notebook",
            path=to_text(manifest.notebook),
            sha256=manifest.notebook_sha256,
            source_digest=source,
            logical_key=key,
        )

    def _agents(self) -> Iterator[Statement]:
        kernel, host = self._facts.manifest.kernel, self._facts.manifest.host
        yield self._node(
            "Kernel",
            "kernel",
            name=kernel.name,
            language=kernel.language,
            version=kernel.version,
            executable=to_text(kernel.executable),
            pid=kernel.pid,
        )
        location = f"host/{segment(host.name)}"
        yield self._node(
            "Host",
            location,
            name=host.name,
            system=host.system,
            release=host.release,
            distribution=host.distribution,
            machine=host.machine,
            cpus=host.cpus,
        )
        yield Edge("atLocation", self._base + "kernel", self._base + location)
        yield self._edge("wasAssociatedWith", "", "kernel", plan=self._base + "notebook")

    def _session(self) -> Iterator[Statement]:
        label = "the kernel itself: its start, the time between cells, its own threads"
        yield self._node("Session", "session", label=label)
        yield Edge("partOfRun", self._base + "session", self._base)
        yield self._edge("wasAssociatedWith", "session", "kernel")

    def _execution(self, record: CellRecord) -> Iterator[Statement]:
        name = f"execution/{record.execution}"
        children = sum(p.owner.execution == record.execution for p in self._facts.processes)
        yield self._node(
            "CellExecution",
            name,
            execution=record.execution,
            cell=record.position,
            cell_id=record.cell_id,
            **_present(execution_count=record.execution_count),
            status=record.status,
            error=record.error,
            **period(record.started_ns, record.ended_ns),
            processes=children,
            logical_key=digest_of([_cell_key(record), self._ordinal(record)]),
            label=f"cell {record.position}",
        )
        yield Edge("partOfRun", self._base + name, self._base)
        yield Edge("correspondsToStep", self._base + name, self._base + _cell_name(record))
        yield self._edge("wasAssociatedWith", name, "kernel", plan=self._base + _cell_name(record))

    def _ordinal(self, record: CellRecord) -> int:
        return sum(
            other.position == record.position and other.execution <= record.execution
            for other in self._facts.cells
        )

    def _cells(self) -> Iterator[Statement]:
        for position, record in sorted({r.position: r for r in self._facts.cells}.items()):
            yield self._node(
                "Cell",
                _cell_name(record),
                position=position,
                cell_id=record.cell_id,
                source=_storable(record.source),
                source_digest=digest_of(record.source),
                logical_key=_cell_key(record),
            )
            yield Edge("isStepOfPlan", self._base + _cell_name(record), self._base + "notebook")

    def _order(self) -> Iterator[Statement]:
        executions = sorted(record.execution for record in self._facts.cells)
        for earlier, later in pairwise(executions):
            yield self._edge("wasInformedBy", f"execution/{later}", f"execution/{earlier}")

    def _process(self, process: ProcessRecord) -> Iterator[Statement]:
        name = f"process/{process.pid}-{process.generation}"
        yield self._node(
            "ProcessRun",
            name,
            pid=process.pid,
            generation=process.generation,
            executable=to_text(process.executable),
            status=process.status,
            **period(process.started_ns, process.ended_ns),
        )
        yield Edge("partOfRun", self._base + name, self._base)
        yield self._edge("wasInformedBy", name, self._activity(process.owner))

    # -- files --

    def versions(
        self, versions: Iterable[tuple[FileVersion, Classification, Package | None]]
    ) -> Iterator[Statement]:
        """Describe file versions: their nodes, contents and revisions."""
        for version, classification, package in versions:
            yield from self._version(version, classification)
            if package is not None:
                yield package_node(package)
                yield Edge("ofPackage", self._file(version.number), package_iri(package))

    def _version(self, version: FileVersion, role: Classification) -> Iterator[Statement]:
        name = f"file/{version.number}"
        root, path = relative(version.path, self._facts.manifest.roots)
        yield self._node(
            "FileVersion",
            name,
            path=to_text(version.path),
            root=root,
            relative_path=to_text(path),
            kind=version.kind,
            **known(size=version.size, mtime_ns=version.mtime_ns),
            **filled(sha256=version.sha256, undigested=version.undigested),
            role=role.role.value,
            rule=role.rule,
            logical_key=digest_of(["file", root, to_text(path)]),
        )
        if version.sha256:
            content = content_iri(version.sha256)
            yield Node(content, "Content", {"sha256": version.sha256, "size": version.size})
            yield Edge("specializationOf", self._base + name, content)
        if version.revision_of:
            yield self._edge("wasRevisionOf", name, f"file/{version.revision_of}")
        if version.derived_from:
            yield self._edge("wasDerivedFrom", name, f"file/{version.derived_from}")

    def touch(self, touched: VersionedTouch, role: Classification) -> Iterator[Statement]:
        """Describe what one touch used, generated and invalidated."""
        touch = touched.touch
        activity = self._activity(touch.owner)
        about = self._about(touch, role)
        if touched.used is not None:
            yield self._edge("used", activity, f"file/{touched.used.number}", **about)
        if touched.generated is not None:
            mode = Mode.WRITE if touch.mode is Mode.RENAME else touch.mode
            made = about | {"mode": mode.value}
            if touch.mode is Mode.RENAME:
                made["named"] = to_text(touch.target)
            made.pop("target", None)
            yield self._edge("wasGeneratedBy", f"file/{touched.generated.number}", activity, **made)
        if touched.invalidated is not None:
            yield self._edge(
                "wasInvalidatedBy", f"file/{touched.invalidated.number}", activity, **about
            )

    def derivations(self, pairs: Iterable[tuple[int, int]]) -> Iterator[Statement]:
        """Describe which file versions were made from which."""
        for made, source in pairs:
            yield self._edge("wasDerivedFrom", f"file/{made}", f"file/{source}")

    def connection(self, touch: Touch, role: Classification) -> Iterator[Statement]:
        """Describe a connection to a network endpoint."""
        key = (touch.path, touch.target)
        if key not in self._endpoints:
            self._endpoints[key] = f"endpoint/{len(self._endpoints) + 1}"
            yield self._node(
                "Endpoint",
                self._endpoints[key],
                address=to_text(touch.path),
                port=touch.target,
                kind=touch.kind,
                role=role.role.value,
                rule=role.rule,
            )
        yield self._edge(
            "used", self._activity(touch.owner), self._endpoints[key], **self._about(touch, role)
        )

    # -- parts --

    def _file(self, number: int) -> str:
        return f"{self._base}file/{number}"

    def activity_iri(self, owner: Owner) -> str:
        """Give the IRI of an owner's activity."""
        return self._base + self._activity(owner)

    def _activity(self, owner: Owner) -> str:
        return f"execution/{owner.execution}" if owner.execution else "session"

    def _about(self, touch: Touch, role: Classification) -> dict[str, Value]:
        return {
            "mode": touch.mode.value,
            "named": to_text(touch.named),
            "role": role.role.value,
            "rule": role.rule,
            "evidence": touch.evidence.value,
            "certainty": touch.certainty.value,
            "process": to_text(touch.process),
            "host": touch.host,
            "accesses": touch.accesses,
            "at": moment(touch.at_ns),
            "line": touch.line,
            **filled(target=to_text(touch.target), task=touch.owner.task,
                      worker=touch.owner.worker),
        }  # fmt: skip

    def _node(self, kind: str, name: str, /, **properties: Value) -> Node:
        return Node(self._base + name, kind, {"run": self._run, **properties})

    def _edge(self, relation: str, source: str, target: str, /, **properties: Value) -> Edge:
        self._edges += 1
        uid = f"{self._base}edge/{self._edges}"
        return Edge(relation, self._base + source, self._base + target, uid, properties)


def _cell_key(record: CellRecord) -> str:
    return digest_of(["cell", record.cell_id, digest_of(record.source)])


def _cell_name(record: CellRecord) -> str:
    return f"cell/{record.position}"


def _present(**properties: Value | None) -> dict[str, Value]:
    return {name: value for name, value in properties.items() if value is not None}


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
