"""What the pipeline describes, tasks and workers included, satisfies shapes and vocabulary."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from nbrepro import graph
from nbrepro.model import Mode, Owner, Sighting
from nbrepro.provenance import ProcessRecord, RunFacts
from nbrepro.rundir import Host, Tracer, WorkerManifest
from nbrepro.tasks import TaskFile, TaskRecord
from tests.test_graph import CELLS, HOSTS, MANIFEST, OWNERS, SOFTWARE, TOUCHES, touch
from tests.test_schemas import DEFINED, graph_of, ours, violations

SPACE = "/tmp/worker-0-1/task.4"
WORKER = WorkerManifest(
    worker="w1-7-00aa", engine="taskvine", host=Host("w1", "Linux"), tracer=Tracer("strace"),
    command=("vine_worker",), pid=7, cwd="/", started_ns=100, roots={"project": "/"},
    ended_ns=900, address="10.0.0.2:4000", clock_offset_ns=-5, clock_error_ns=10, status="ok",
)  # fmt: skip
TASKS = [
    TaskRecord(
        "9123.4", "taskvine", "convolve", 1, 1, WORKER.worker, "w1", 110, 190, "ok",
        (TaskFile("in.csv", "/study/in.csv"), TaskFile("never", "/study/never")),
        (TaskFile("out.csv", "/study/out.csv"),), True, "task.4",
    ),
    TaskRecord("9123.5", "taskvine", "f", 2, 1, "w2-1-00bb", "w2", 0, 0, "lost", observed=False),
]  # fmt: skip

pytestmark = pytest.mark.filterwarnings(
    "ignore:(Dataset|ConjunctiveGraph):DeprecationWarning", "ignore::DeprecationWarning:rdflib.*",
    "ignore::DeprecationWarning:pyshacl.*",
)  # fmt: skip


def described():
    mine = Owner(1, "9123.4", WORKER.worker)
    of_task = [
        touch(0, mode, at, path)._replace(owner=mine, host="w1")
        for mode, at, path in [
            (Mode.READ, 120, SPACE + "/in.csv"),
            (Mode.WRITE, 130, SPACE + "/out.csv"),
            (Mode.READ, 140, "/data/hidden.csv"),
            (Mode.READ, 145, "/v/lib/numpy/a.py"),
        ]
    ]
    processes = [ProcessRecord(9, 1, mine, "/bin/sh", 115, 150, "0")]
    workers = graph.all_workers(MANIFEST, [WORKER], TASKS)
    facts = RunFacts(MANIFEST, CELLS, processes, {"lines": 3}, TASKS, workers)
    seen = Sighting("/data/hidden.csv", "file", 3, 1, 1, 1, "c" * 64, "", 0, 160)
    hosts = [*HOSTS, graph.HostFiles("w1", [seen])]
    software = [*SOFTWARE, graph.HostSoftware("w1", {"prefix": "/v"}, OWNERS)]
    touches = sorted([*TOUCHES, *of_task], key=lambda t: t.at_ns)
    return list(graph.statements(facts, touches, hosts, software))


def test_the_graph_of_a_distributed_run_satisfies_the_shapes():
    run = graph_of(SimpleNamespace(uuid="u", statements=described()))
    assert violations(run) == set()


def test_every_term_of_ours_is_in_the_vocabulary():
    run = graph_of(SimpleNamespace(uuid="u", statements=described()))
    assert ours(run) <= DEFINED


def test_the_task_says_what_it_declared_and_what_it_did_not():
    statements = described()
    task = next(s for s in statements if s.__class__.__name__ == "Node" and s.kind == "Task")
    assert task.properties["unused_inputs"] == '["/study/never"]'
    undeclared = [s for s in statements if s.properties.get("undeclared")]
    assert [s.properties["named"] for s in undeclared] == ["/data/hidden.csv"]


def test_a_worker_without_a_trace_is_in_the_graph_as_unobserved():
    workers = {
        s.properties["worker"]: s.properties["status"]
        for s in described()
        if s.__class__.__name__ == "Node" and s.kind == "Worker"
    }
    assert workers == {"w1-7-00aa": "ok", "w2-1-00bb": "unobserved"}
