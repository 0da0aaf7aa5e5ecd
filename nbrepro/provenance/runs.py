"""Describe a run: its notebook, kernel, host, cells, executions and child processes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from itertools import pairwise

from nbrepro.model import Statement, Value
from nbrepro.provenance.identity import digest_of, filled, period, relative, segment
from nbrepro.provenance.scribe import ProcessRecord, Scribe
from nbrepro.rundir import CellRecord, Host
from nbrepro.vocabulary import to_text


class RunStatements:
    """The statements of a run without its files."""

    def __init__(self, scribe: Scribe) -> None:
        self._scribe = scribe

    def statements(self) -> Iterator[Statement]:
        """Yield them in order."""
        yield from self._run_node()
        yield from self._agents()
        yield from self._session()
        for record in self._scribe.facts.cells:
            yield from self._execution(record)
        yield from self._cells()
        yield from self._order()
        for process in self._scribe.facts.processes:
            yield from self._process(process)

    def _run_node(self) -> Iterator[Statement]:
        manifest = self._scribe.facts.manifest
        source = digest_of([record.source for record in self._scribe.facts.cells])
        root, path = relative(manifest.notebook, manifest.roots)
        key = digest_of(["notebook", root, path])
        yield self._scribe.node(
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
            roots=json.dumps({n: to_text(p) for n, p in manifest.roots.items()}, sort_keys=True),
            notebook_sha256=manifest.notebook_sha256,
            source_digest=source,
            logical_key=key,
            cells=len(self._scribe.facts.cells),
            **self._scribe.facts.counts,
        )
        yield self._scribe.node(
            "Notebook",
            "notebook",
            path=to_text(manifest.notebook),
            sha256=manifest.notebook_sha256,
            source_digest=source,
            logical_key=key,
        )

    def _agents(self) -> Iterator[Statement]:
        kernel, host = self._scribe.facts.manifest.kernel, self._scribe.facts.manifest.host
        yield self._scribe.node(
            "Kernel",
            "kernel",
            name=kernel.name,
            language=kernel.language,
            version=kernel.version,
            executable=to_text(kernel.executable),
            pid=kernel.pid,
        )
        yield host_node(self._scribe, host)
        yield self._scribe.plain("atLocation", "kernel", host_name(host.name))
        yield self._scribe.edge(
            "wasAssociatedWith", "", "kernel", plan=self._scribe.base + "notebook"
        )

    def _session(self) -> Iterator[Statement]:
        label = "the kernel itself: its start, the time between cells, its own threads"
        yield self._scribe.node("Session", "session", label=label)
        yield self._scribe.plain("partOfRun", "session", "")
        yield self._scribe.edge("wasAssociatedWith", "session", "kernel")

    def _execution(self, record: CellRecord) -> Iterator[Statement]:
        name = f"execution/{record.execution}"
        children = sum(p.owner.execution == record.execution for p in self._scribe.facts.processes)
        yield self._scribe.node(
            "CellExecution",
            name,
            **of_cell(record),
            status=record.status,
            error=record.error,
            **period(record.started_ns, record.ended_ns),
            processes=children,
            **filled(outputs_digest=self._scribe.facts.outputs.get(record.execution, "")),
            logical_key=digest_of([_cell_key(record), self._ordinal(record)]),
            label=f"cell {record.position}",
        )
        yield self._scribe.plain("partOfRun", name, "")
        yield self._scribe.plain("correspondsToStep", name, _cell_name(record))
        plan = self._scribe.base + _cell_name(record)
        yield self._scribe.edge("wasAssociatedWith", name, "kernel", plan=plan)

    def _ordinal(self, record: CellRecord) -> int:
        return sum(
            other.position == record.position and other.execution <= record.execution
            for other in self._scribe.facts.cells
        )

    def _cells(self) -> Iterator[Statement]:
        for position, record in sorted({r.position: r for r in self._scribe.facts.cells}.items()):
            yield self._scribe.node(
                "Cell",
                _cell_name(record),
                position=position,
                cell_id=record.cell_id,
                source=_storable(record.source),
                source_digest=digest_of(record.source),
                logical_key=_cell_key(record),
            )
            yield self._scribe.plain("isStepOfPlan", _cell_name(record), "notebook")

    def _order(self) -> Iterator[Statement]:
        executions = sorted(record.execution for record in self._scribe.facts.cells)
        for earlier, later in pairwise(executions):
            yield self._scribe.edge("wasInformedBy", f"execution/{later}", f"execution/{earlier}")

    def _process(self, process: ProcessRecord) -> Iterator[Statement]:
        host = f"{segment(process.owner.worker)}/" if process.owner.worker else ""
        name = f"process/{host}{process.pid}-{process.generation}"
        yield self._scribe.node(
            "ProcessRun",
            name,
            pid=process.pid,
            generation=process.generation,
            executable=to_text(process.executable),
            status=process.status,
            **period(process.started_ns, process.ended_ns),
        )
        yield self._scribe.plain("partOfRun", name, "")
        yield self._scribe.edge("wasInformedBy", name, self._scribe.activity(process.owner))


def host_node(scribe: Scribe, host: Host) -> Statement:
    """Describe a machine."""
    return scribe.node("Host", host_name(host.name), **dataclasses.asdict(host))


def host_name(name: str) -> str:
    """Name a machine's node."""
    return f"host/{segment(name)}"


def of_cell(record: CellRecord) -> dict[str, Value]:
    """Name the cell of an execution, or of the task that it submitted."""
    count = record.execution_count
    return {
        "execution": record.execution,
        "cell": record.position,
        "cell_id": record.cell_id,
        **({} if count is None else {"execution_count": count}),
    }


def _cell_key(record: CellRecord) -> str:
    return digest_of(["cell", record.cell_id, digest_of(record.source)])


def _cell_name(record: CellRecord) -> str:
    return f"cell/{record.position}"


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
