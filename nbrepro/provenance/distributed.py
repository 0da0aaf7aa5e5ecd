"""Describe what a distributed engine did for the run: its workers and their tasks."""

from __future__ import annotations

import json
from collections.abc import Iterator

from nbrepro.model import Owner, Statement, Value
from nbrepro.provenance.identity import period, segment
from nbrepro.provenance.runs import host_name, host_node, of_cell
from nbrepro.provenance.scribe import Scribe
from nbrepro.rundir import CellRecord, WorkerManifest
from nbrepro.sandboxes import Declarations
from nbrepro.tasks import TaskRecord
from nbrepro.vocabulary import to_text


def workers(scribe: Scribe) -> Iterator[Statement]:
    """Describe the workers: agents on their hosts, on behalf of the kernel."""
    known = {scribe.facts.manifest.host.name}
    for worker in scribe.facts.workers:
        name = _worker_name(worker.worker)
        if worker.host.name not in known:
            known.add(worker.host.name)
            yield host_node(scribe, worker.host)
        yield scribe.node("Worker", name, **_about_worker(worker))
        yield scribe.plain("atLocation", name, host_name(worker.host.name))
        yield scribe.edge("actedOnBehalfOf", name, "kernel")
        session = scribe.activity(Owner(worker=worker.worker))
        yield scribe.node("Session", session, label=f"worker {worker.worker} itself")
        yield scribe.plain("partOfRun", session, "")
        yield scribe.edge("wasAssociatedWith", session, name)


def tasks(scribe: Scribe, declarations: Declarations) -> Iterator[Statement]:
    """Describe every attempt at a task, with what it declared and never used."""
    records = {record.execution: record for record in scribe.facts.cells}
    observed = {worker.worker for worker in scribe.facts.workers}
    for task in scribe.facts.tasks:
        name = scribe.activity(Owner(task.execution, task.task, task.worker))
        record = records.get(task.execution)
        yield scribe.node("Task", name, **_about_task(task, record, declarations))
        yield scribe.plain("partOfRun", name, "")
        if record is not None:
            yield scribe.edge("wasInformedBy", name, f"execution/{task.execution}")
        if task.worker in observed:
            yield scribe.edge("wasAssociatedWith", name, _worker_name(task.worker))


def _about_worker(worker: WorkerManifest) -> dict[str, Value]:
    return {
        "worker": worker.worker,
        "engine": worker.engine,
        "address": worker.address,
        "host": worker.host.name,
        "pid": worker.pid,
        "executable": to_text(worker.executable),
        "version": worker.version,
        "tracer": worker.tracer.name,
        "tracer_unseen": " ".join((*worker.tracer.unseen, *worker.notes)),
        "status": worker.status,
        "error": worker.error,
        "clock_offset_ns": worker.clock_offset_ns,
        "clock_error_ns": worker.clock_error_ns,
        **period(worker.started_ns, worker.ended_ns),
    }


def _about_task(
    task: TaskRecord, record: CellRecord | None, declarations: Declarations
) -> dict[str, Value]:
    ran = period(task.started_ns, task.ended_ns) if task.started_ns else {}
    return {
        "task": task.task,
        "engine": task.engine,
        "function": task.function,
        "attempt": task.attempt,
        "worker": task.worker,
        "host": task.host,
        "status": task.status,
        "observed": task.observed,
        "unused_inputs": json.dumps(declarations.unused(task)) if task.observed else "[]",
        **ran,
        **(of_cell(record) if record is not None else {}),
    }


def _worker_name(worker: str) -> str:
    return f"worker/{segment(worker)}"
