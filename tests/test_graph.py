"""Folded touches become PROV statements: edges, versions, footprints, derivations."""

from __future__ import annotations

from nbrepro import graph
from nbrepro.model import (
    Access,
    Certainty,
    Edge,
    Evidence,
    Exit,
    Mode,
    Node,
    OwnedAccess,
    OwnedExit,
    Owner,
    Ownership,
    Package,
    Process,
    RunId,
    Sighting,
    Tid,
    Touch,
)
from nbrepro.provenance import RunFacts
from nbrepro.rundir import CellRecord, Host, Kernel, Manifest, Tracer, WorkerManifest
from nbrepro.vocabulary import KINDS, RELATIONS, content_iri

BASE = "arcp://uuid,u/"
NUMPY = Package("numpy", "2.1.0", "pip", "pkg:pypi/numpy@2.1.0", "/v/lib", "f" * 64)
MANIFEST = Manifest(
    run=RunId("r"), uuid="u", notebook="/study/n.ipynb", notebook_sha256="0" * 64, cwd="/study",
    token="t", started_ns=1, ended_ns=10**9 + 1, status="ok", host=Host("h"),
    tracer=Tracer("strace"), kernel=Kernel("python3", "python", 7),
    roots={"project": "/study", "prefix": "/v", "home": "/root", "temporary": "/tmp"},
)  # fmt: skip
CELLS = [
    CellRecord(1, 1, "a", 1, "read()", "ok", 100, 200),
    CellRecord(2, 2, "b", 2, "write()", "ok", 300, 400),
]


def touch(execution, mode, at, path, **known):
    values = {"named": path, "target": "", "kind": "", "process": "7 python", "host": "h"} | known
    return Touch(Owner(execution), mode, path, values["named"], values["target"], values["kind"],
                 values["process"], values["host"], Evidence.MARK, Certainty.EXACT,
                 1, at, at, at, False)  # fmt: skip


TOUCHES = [
    touch(0, Mode.READ, 50, "/v/lib/numpy/a.py"),
    touch(1, Mode.READ, 110, "/study/in.csv"),
    touch(1, Mode.READ, 115, "/v/lib/numpy/a.py"),
    touch(1, Mode.WRITE, 120, "/study/mid.csv"),
    touch(1, Mode.CONNECT, 130, "10.0.0.1", target="80", kind="inet"),
    touch(2, Mode.READ, 310, "/study/mid.csv"),
    touch(2, Mode.RENAME, 320, "/study/mid.csv", target="/study/end.csv"),
]
SIGHTINGS = [
    Sighting("/study/in.csv", "file", 3, 1, 1, 1, "a" * 64, "", 0, 60),
    Sighting("/study/mid.csv", "file", 4, 1, 1, 2, "b" * 64, "", 1, 205),
]
HOSTS = [graph.HostFiles("h", SIGHTINGS)]
OWNERS = [Ownership("/v/lib/numpy/a.py", NUMPY, "")]
SOFTWARE = [graph.HostSoftware("h", MANIFEST.roots, OWNERS)]


def described(touches=TOUCHES):
    facts = RunFacts(MANIFEST, CELLS, [], {})
    return list(graph.statements(facts, touches, HOSTS, SOFTWARE))


def edges(statements, relation):
    return {
        (e.source.removeprefix(BASE), e.target.removeprefix(BASE), e.properties.get("mode", ""))
        for e in statements
        if isinstance(e, Edge) and e.relation == relation
    }


def paths(statements):
    return {
        s.uid.removeprefix(BASE): s.properties["path"]
        for s in statements
        if isinstance(s, Node) and s.kind == "FileVersion"
    }


def test_cells_use_and_generate_versions():
    statements = described()
    assert paths(statements) == {
        "file/1": "/study/in.csv",
        "file/2": "/study/mid.csv",
        "file/3": "/study/end.csv",
    }
    used = {e for e in edges(statements, "used") if e[1].startswith(("file", "endpoint"))}
    assert used == {
        ("execution/1", "file/1", "read"),
        ("execution/2", "file/2", "read"),
        ("execution/1", "endpoint/1", "connect"),
    }
    assert edges(statements, "wasGeneratedBy") == {
        ("file/2", "execution/1", "write"),
        ("file/3", "execution/2", "write"),
    }
    assert edges(statements, "wasInvalidatedBy") == {("file/2", "execution/2", "rename")}


def test_made_files_derive_from_what_the_cell_had_read_and_renamed_ones_from_the_old_name():
    assert {e[:2] for e in edges(described(), "wasDerivedFrom")} == {
        ("file/2", "file/1"),
        ("file/3", "file/2"),
    }


def test_versions_specialise_content_that_is_the_same_everywhere():
    statements = described()
    assert ("file/3", content_iri("b" * 64), "") in edges(statements, "specializationOf")


def test_equal_software_of_two_activities_is_one_footprint():
    statements = described()
    footprints = [s for s in statements if isinstance(s, Node) and s.kind == "Footprint"]
    assert len({s.uid for s in footprints}) == 1
    users = {e[0] for e in edges(statements, "used") if e[1] == footprints[0].uid}
    assert users == {"session", "execution/1"}


def test_tasks_that_list_their_own_sandboxes_share_a_footprint():
    touches = [
        touch(1, Mode.READ, 110 + number, path, kind=kind)._replace(
            owner=Owner(1, f"9123.{number}", "w1")
        )
        for number in (1, 2)
        for path, kind in (("/v/lib/numpy/a.py", ""), (f"/tmp/w-0-1/task.{number}", "directory"))
    ]
    statements = described(touches)
    assert len([s for s in statements if isinstance(s, Node) and s.kind == "Footprint"]) == 1
    assert set(paths(statements).values()) == {"/tmp/w-0-1/task.1", "/tmp/w-0-1/task.2"}


def test_one_version_with_two_lists_of_files_is_two_packages():
    other = Package("numpy", "2.1.0", "pip", NUMPY.purl, "/w/lib", "e" * 64)
    facts = RunFacts(MANIFEST, CELLS, [], {})
    owners = [*OWNERS, Ownership("/v/lib/numpy/b.py", other, "")]
    software = [graph.HostSoftware("h", MANIFEST.roots, owners)]
    touches = [*TOUCHES, touch(2, Mode.READ, 350, "/v/lib/numpy/b.py")]
    packages = {
        s.uid
        for s in graph.statements(facts, touches, HOSTS, software)
        if isinstance(s, Node) and s.kind == "Package"
    }
    assert packages == {
        "pkg:pypi/numpy@2.1.0?record=" + "f" * 16,
        "pkg:pypi/numpy@2.1.0?record=" + "e" * 16,
    }


def test_a_task_known_by_its_sandbox_has_the_engine_of_its_worker():
    worker = WorkerManifest(
        worker="worker-1", engine="taskvine", host=Host("w"), tracer=Tracer("strace"), command=(),
        pid=1, cwd="/", started_ns=1, roots={},
    )  # fmt: skip
    touches = [
        touch(1, Mode.READ, 110, "/in.csv")._replace(owner=Owner(1, "task.3", "worker-1")),
        touch(1, Mode.READ, 120, "/in.csv")._replace(owner=Owner(1, "task.4", "worker-2")),
    ]
    found = {task.task: task.engine for task in graph.all_tasks([], touches, [worker])}
    assert found == {"task.3": "taskvine", "task.4": "unknown"}


def test_every_statement_speaks_the_vocabulary_and_is_deterministic():
    statements = described()
    assert statements == described()
    assert {s.kind for s in statements if isinstance(s, Node)} <= set(KINDS)
    assert {s.relation for s in statements if isinstance(s, Edge)} <= set(RELATIONS)
    uids = [s.uid for s in statements if isinstance(s, Edge) and s.uid]
    assert len(uids) == len(set(uids))


def test_every_edge_ends_in_a_node():
    statements = described()
    nodes = {s.uid for s in statements if isinstance(s, Node)}
    for edge in (s for s in statements if isinstance(s, Edge)):
        assert edge.source in nodes, edge
        assert edge.target in nodes, edge


def test_processes_are_the_children_not_the_kernel():
    kernel, child = Process(7, 1, 1, "/py"), Process(9, 1, 7, "")
    fold = graph.ProcessFold(7)
    owner = Owner(2)
    for process, mode, path in [
        (kernel, Mode.READ, "/a"),
        (child, Mode.EXECUTE, "/bin/ls"),
        (child, Mode.READ, "/b"),
    ]:
        access = Access(1, 310, Tid(process.pid), process, mode, path, path)
        fold.add(OwnedAccess(access, owner, Evidence.MARK, Certainty.EXACT))
    fold.add(OwnedExit(Exit(1, 390, Tid(9), child, "0"), owner))
    (record,) = fold.records()
    assert (record.pid, record.executable, record.owner, record.status, record.ended_ns) == (
        9,
        "/bin/ls",
        owner,
        "0",
        390,
    )
