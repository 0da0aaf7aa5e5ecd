"""Asking about tasks and workers, from a run's touches through graph and store to the faces."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

import nbrepro
from nbrepro import graph
from nbrepro.cli.program import program
from nbrepro.config import Project
from nbrepro.errors import NotFoundError, UsageError
from nbrepro.model import (
    Certainty,
    Evidence,
    Mode,
    Owner,
    Ownership,
    Package,
    RunId,
    Sighting,
    Touch,
)
from nbrepro.provenance import RunFacts
from nbrepro.rundir import CellRecord, Host, Kernel, Manifest, Tracer, WorkerManifest
from nbrepro.stores import open_store
from nbrepro.tasks import TaskFile, TaskRecord

RUN = RunId("20261122-204501-tasks-aa01")
S = 10**9


def package(version, record="f"):
    return Package(
        "numpy", version, "pip", f"pkg:pypi/numpy@{version}", "/v/lib", record * 64
    )  # fmt: skip


NUMPY, LIBC = "/v/lib/numpy/a.py", "/usr/lib/libc.so.6"
CELLS = [
    CellRecord(1, 1, "a", 1, "connect()", "ok", 1 * S, 2 * S),
    CellRecord(2, 2, "b", 2, "submit()", "ok", 3 * S, 9 * S),
]


def worker(name, host, **more):
    values = {
        "worker": name, "engine": "taskvine", "host": Host(host, distribution=f"OS of {host}"),
        "tracer": Tracer("strace"), "command": ("vine_worker",), "pid": 5, "cwd": "/w",
        "started_ns": S, "roots": {"prefix": "/v"}, "executable": "/v/bin/python3",
        "version": "3.11.2", "status": "ok", "clock_offset_ns": 2_000_000,
        "clock_error_ns": 100_000,
    }  # fmt: skip
    return WorkerManifest(**values | more)


def task(name, on, host, **more):
    number = name.partition(".")[2].partition("#")[0]
    values = {
        "task": name, "engine": "taskvine", "function": "count", "execution": 2, "attempt": 1,
        "worker": on, "host": host, "started_ns": 4 * S, "ended_ns": 5 * S, "status": "ok",
        "inputs": (TaskFile("in.csv", "/study/in.csv"), TaskFile("spare", "/study/spare.csv")),
        "outputs": (TaskFile("out", f"/study/out{number}.csv"),), "sandbox": f"task.{number}",
    }  # fmt: skip
    return TaskRecord(**values | more)


TASKS = [
    task("9000.1", "w1-aa", "h1"),
    task("9000.2", "w3-cc", "h3", status="lost", observed=False),
    task("9000.2#2", "w2-bb", "h2", attempt=2),
]
WORKERS = [worker("w1-aa", "h1"), worker("w2-bb", "h2", version="3.12.1")]


def touch(owner, host, mode, at, path, **more):
    values = {
        "owner": owner, "mode": mode, "path": path, "named": path, "target": "", "kind": "",
        "process": "7 python", "host": host, "evidence": Evidence.SANDBOX,
        "certainty": Certainty.EXACT, "accesses": 1, "at_ns": at, "last_ns": at, "line": 1,
        "created": False,
    }  # fmt: skip
    return Touch(**values | more)


def on_worker(name, on, host, at, sandbox):
    """What one task does on its worker: two declared files, one undeclared, and numpy."""
    me, inside = Owner(2, name, on), f"/w/{on}/{sandbox}"
    return [
        touch(me, host, Mode.READ, at, f"{inside}/in.csv"),
        touch(me, host, Mode.READ, at + 1, "/srv/site.csv"),
        touch(me, host, Mode.READ, at + 2, NUMPY),
        touch(me, host, Mode.WRITE, at + 3, "/srv/scratch.csv"),
        touch(me, host, Mode.READ, at + 4, "/srv/scratch.csv"),
        touch(me, host, Mode.WRITE, at + 5, f"{inside}/out"),
    ]


TOUCHES = [
    touch(Owner(1), "mgr", Mode.READ, 1 * S + 1, "/study/in.csv"),
    touch(Owner(1), "mgr", Mode.READ, 1 * S + 2, NUMPY),
    *on_worker("9000.1", "w1-aa", "h1", 4 * S, "task.1"),
    *on_worker("9000.2#2", "w2-bb", "h2", 5 * S, "task.2"),
    touch(Owner(0, "func.7", "w2-bb"), "h2", Mode.READ, 5 * S + 50, "/srv/stray.csv"),
    touch(Owner(0, "", "w1-aa"), "h1", Mode.READ, 3 * S, "/srv/worker.toml"),
    touch(Owner(2), "mgr", Mode.READ, 8 * S, "/study/out1.csv"),
    touch(Owner(2), "mgr", Mode.WRITE, 8 * S + 5, "/study/plot.png"),
]


def sighting(path, letter, at=2 * S):
    return Sighting(path, "file", 3, 1, 1, 1, letter * 64, "", 0, at)


HOSTS = [
    graph.HostFiles("mgr", [sighting("/study/in.csv", "a", S)]),
    graph.HostFiles("h1", [sighting("/srv/site.csv", "b", 4 * S + 10),
                           sighting("/srv/scratch.csv", "1", 4 * S + 10)]),
    graph.HostFiles("h2", [sighting("/srv/site.csv", "c", 5 * S + 10),
                           sighting("/srv/scratch.csv", "2", 5 * S + 10)]),
]  # fmt: skip


def manifest(root):
    return Manifest(
        run=RUN, uuid="00000000-0000-4000-8000-000000000001", notebook=f"{root}/n.ipynb",
        notebook_sha256="0" * 64, cwd="/study", token="t", started_ns=S, ended_ns=10 * S,
        status="ok", host=Host("mgr", distribution="OS of mgr"), tracer=Tracer("strace"),
        kernel=Kernel("python3", "python", 7, version="3.11.2", executable="/v/bin/python3"),
        roots={"project": "/study", "prefix": "/v"},
    )  # fmt: skip


def statements(root):
    tasks = graph.all_tasks(TASKS, TOUCHES)
    facts = RunFacts(
        manifest(root), CELLS, [], {}, tasks, graph.all_workers(manifest(root), WORKERS, tasks)
    )
    software = [
        graph.HostSoftware(host, {"project": "/study", "prefix": "/v"},
                           [Ownership(NUMPY, owner, "")])
        for host, owner in [("mgr", package("2.1.0")), ("h1", package("2.1.0", "e")),
                            ("h2", package("1.26.4", "d"))]
    ]  # fmt: skip
    return list(graph.statements(facts, TOUCHES, HOSTS, software))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("tasks").resolve()
    project = Project(root)
    project.home.mkdir()
    with open_store(project.store) as store:
        store.load(RUN, manifest(root).uuid, statements(root))
    return root


@pytest.fixture(scope="module")
def run(root):
    with nbrepro.open(root) as provenance:
        yield provenance.run()


@pytest.fixture
def ask(root, monkeypatch):
    monkeypatch.chdir(root)
    return lambda *words: CliRunner().invoke(program, [str(word) for word in words])


def pick(rows, columns):
    return [tuple(getattr(row, name) for name in columns.split()) for row in rows]


def test_tasks_are_attempts_each_with_cell_worker_and_what_it_touched(run):
    assert pick(run.tasks(), "task function cell attempt worker host status observed files") == [
        ("func.7", None, None, 1, "w2-bb", "h2", "unknown", True, 1),
        ("9000.1", "count", 2, 1, "w1-aa", "h1", "ok", True, 4),
        ("9000.2", "count", 2, 1, "w3-cc", "h3", "lost", False, 0),
        ("9000.2#2", "count", 2, 2, "w2-bb", "h2", "ok", True, 4),
    ]
    assert run.tasks().notes == ("1 task was not observed: see nbrepro workers",)
    assert pick(run.tasks(2), "task") == [("9000.1",), ("9000.2",), ("9000.2#2",)]
    assert run.tasks(1) == []


def test_a_task_is_found_by_its_id_or_a_unique_prefix(run):
    assert run.task("9000.2").attempt == 1
    assert run.task("func").task == "func.7"
    with pytest.raises(UsageError, match=r"task '9000' may mean 9000\.1"):
        run.task("9000")
    with pytest.raises(NotFoundError, match=r"task '8' does not exist; there are 9000\.1"):
        run.task("8")


def test_workers_come_with_their_counts_and_the_unobserved_ones_too(run):
    columns = "worker engine host status tasks packages tracer clock_offset_ns version"
    assert pick(run.workers(), columns) == [
        ("w1-aa", "taskvine", "h1", "ok", 1, 1, "strace", 2_000_000, "3.11.2"),
        ("w2-bb", "taskvine", "h2", "ok", 2, 1, "strace", 2_000_000, "3.12.1"),
        ("w3-cc", "taskvine", "h3", "unobserved", 1, 0, "none", 0, None),
    ]
    assert run.workers()[2].error == "no trace of this worker came home"
    assert pick(run.unobserved(), "worker task reason") == [
        ("w3-cc", None, "no trace of this worker came home"),
        ("w3-cc", "9000.2", "no trace of this worker came home"),
    ]


def test_data_of_a_cell_holds_what_its_tasks_touched_marked_so(run):
    own = [row for row in run.data(2) if row.task is None]
    assert pick(own, "mode path worker") == [
        ("read", "/study/out1.csv", None),
        ("write", "/study/plot.png", None),
    ]
    assert pick(run.data(2, mode="write", task="9000.1"), "path task worker host") == [
        ("/srv/scratch.csv", "9000.1", "w1-aa", "h1"),
        ("/study/out1.csv", "9000.1", "w1-aa", "h1"),
    ]
    assert len(run.data(2)) == 12
    assert {row.cell for row in run.data(2)} == {2}


def test_no_row_is_told_twice_and_tasks_of_no_cell_are_told(run):
    rows = run.data(role="all")
    assert len(rows) == len(set(rows))
    assert ("func.7", None, "/srv/stray.csv") in pick(rows, "task cell path")
    assert ("w1-aa", None, "/srv/worker.toml") in pick(rows, "worker cell path")


def test_cells_are_not_multiplied_by_their_tasks_but_count_what_those_touched(run):
    assert pick(run.cells(), "execution data packages") == [(1, 1, 1), (2, 6, 2)]
    assert len({row.path for row in run.data(2)}) == 6


@pytest.mark.parametrize(
    ("owner", "paths"),
    [
        ({"task": "func.7"}, {"/srv/stray.csv"}),
        ({"worker": "w1"}, {"/srv/worker.toml", "/study/in.csv", "/srv/site.csv",
                            "/srv/scratch.csv", "/study/out1.csv"}),
        ({"host": "mgr"}, {"/study/in.csv", "/study/out1.csv", "/study/plot.png"}),
        ({"worker": "w2-bb", "task": "9000.1"}, set()),
        ({"cell": 1, "worker": "w2-bb"}, set()),
        ({"worker": "w3-cc"}, set()),
    ],
)  # fmt: skip
def test_data_is_asked_by_task_worker_and_host(run, owner, paths):
    rows = run.data(**owner)
    assert {row.path for row in rows} == paths
    for name in {"task", "host"} & set(owner):
        assert all(getattr(row, name) == owner[name] for row in rows)


def test_software_of_a_task_is_told_with_its_worker(run):
    rows = run.data(worker="w2-bb", role="all")
    assert [r.host for r in rows if r.path == NUMPY] == ["h2"]
    assert pick(run.data(task="9000.1", role="package"), "path task worker host") == [
        (NUMPY, "9000.1", "w1-aa", "h1")
    ]


@pytest.mark.parametrize(
    ("owner", "versions"),
    [
        ({}, ["1.26.4", "2.1.0", "2.1.0"]),
        ({"cell": 1}, ["2.1.0"]),
        ({"cell": 2}, ["1.26.4", "2.1.0"]),
        ({"worker": "w2"}, ["1.26.4"]),
        ({"host": "h1"}, ["2.1.0"]),
        ({"host": "mgr"}, ["2.1.0"]),
        ({"task": "9000.2#2"}, ["1.26.4"]),
        ({"task": "func.7"}, []),
    ],
)
def test_packages_are_asked_by_cell_task_worker_and_host(run, owner, versions):
    assert [row.version for row in run.packages(**owner)] == versions


def test_lineage_goes_back_through_the_task_that_made_an_input(run, ask):
    plot = run.lineage("/study/plot.png").root
    (step,) = plot.steps
    assert (step.cell, step.task) == (2, None)
    (out,) = step.files
    (made,) = out.steps
    assert (out.path, made.cell, made.task, made.worker) == (
        "/study/out1.csv", 2, "9000.1", "w1-aa"
    )  # fmt: skip
    assert {file.path for file in made.files} == {"/study/in.csv", "/srv/site.csv"}
    assert "made by task 9000.1 on w1-aa, of cell 2" in ask("lineage", "plot.png").stdout
    used = {(step.execution, step.task) for step in run.impact("/study/in.csv").root.steps}
    assert used == {(1, None), (2, "9000.1"), (2, "9000.2#2")}


def test_what_differs_between_hosts_is_told_and_what_tasks_made_themselves_is_not(run):
    rows = run.drift()
    assert [r for r in pick(rows, "kind subject worker value") if r[0] == "data"] == [
        ("data", "/srv/site.csv", "w1-aa", "b" * 64),
        ("data", "/srv/site.csv", "w2-bb", "c" * 64),
    ]
    assert [r for r in pick(rows, "kind subject worker host value") if r[0] == "package"] == [
        ("package", "numpy (pip)", "w1-aa", "h1", "2.1.0"),
        ("package", "numpy (pip)", "w2-bb", "h2", "1.26.4"),
        ("package", "numpy (pip)", None, "mgr", "2.1.0"),
    ]
    assert {r for r in pick(rows, "subject host value") if r[0].startswith("numpy 2.1.0")} == {
        ("numpy 2.1.0 (pip)", "mgr", "f" * 64),
        ("numpy 2.1.0 (pip)", "h1", "e" * 64),
    }
    assert {r[1:] for r in pick(rows, "kind host value") if r[0] == "interpreter"} == {
        ("mgr", "3.11.2"), ("h1", "3.11.2"), ("h2", "3.12.1"),
    }  # fmt: skip
    assert {row.kind for row in rows} == {
        "data", "package", "package files", "interpreter", "system",
    }  # fmt: skip
    assert rows.notes == ("1 worker was not observed, and so not compared",)


def test_undeclared_and_unused_inputs_are_told_apart_and_scratch_files_are_none(run):
    rows = run.undeclared()
    assert pick(rows, "finding task path worker") == [
        ("undeclared", "9000.1", "/srv/site.csv", "w1-aa"),
        ("unused", "9000.1", "/study/spare.csv", "w1-aa"),
        ("undeclared", "9000.2#2", "/srv/site.csv", "w2-bb"),
        ("unused", "9000.2#2", "/study/spare.csv", "w2-bb"),
    ]
    assert run.undeclared(1) == []
    assert rows.notes == ("1 task was not observed, and so not checked",)


def test_tables_show_tasks_and_workers(ask):
    table = ask("tasks", "--cell", 2).stdout.splitlines()
    assert table[0].split() == [
        "cell", "task", "function", "attempt", "status", "took", "data", "worker", "host",
    ]  # fmt: skip
    assert table[2].split() == [
        "2", "9000.2", "count", "1", "lost", "1.0", "s", "unobserved", "w3-cc", "h3",
    ]  # fmt: skip
    workers = ask("workers").stdout
    assert "unobserved: no trace of this worker came home" in workers
    assert "+2.0 ± 0.1 ms" in workers
    assert "numpy (pip)" in ask("drift").stdout
    assert "unused" in ask("tasks", "--undeclared").stdout


def test_a_table_of_data_has_columns_of_tasks_only_where_there_are_any(ask):
    assert ask("data", "--cell", 2).stdout.split()[:3] == ["cell", "task", "worker"]
    assert ask("data", "--cell", 1).stdout.split()[:3] == ["cell", "count", "mode"]
    assert "worker" in ask("data", "--worker", "w1").stdout.splitlines()[1].split()[0]


@pytest.mark.parametrize("words", ["tasks", "workers", "drift", "tasks --undeclared"])
def test_programs_get_json_and_csv(ask, words):
    rows = json.loads(ask(*words.split(), "--json").stdout)
    lines = ask(*words.split(), "--csv").stdout.splitlines()
    assert lines[0].split(",") == list(rows[0])
    assert len(lines) == len(rows) + 1


def test_json_of_data_fills_task_and_worker(ask):
    rows = json.loads(ask("data", "--cell", 2, "--worker", "w2", "--json").stdout)
    assert {(row["task"], row["worker"]) for row in rows} == {("9000.2#2", "w2-bb")}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("data --task 7", "task '7' does not exist; there are 9000.1, 9000.2, "),
        ("data --worker x", "worker 'x' does not exist; there are w1-aa, w2-bb, w3-cc"),
        ("packages --host x", "host 'x' does not exist; there are h1, h2, h3, mgr"),
    ],
)
def test_an_unknown_task_worker_or_host_is_one_sentence_that_lists_them(ask, words, sentence):
    result = ask(*words.split())
    assert (result.exit_code, result.stdout) == (3, "")
    assert sentence in result.stderr


def test_named_questions_take_owners_as_people_write_them(ask):
    rows = json.loads(ask("query", "data-of-worker", "-p", "worker=w2", "--json").stdout)
    assert {row["worker"] for row in rows} == {"w2-bb"}
    rows = json.loads(ask("query", "packages-of-cell", "-p", "host=h2", "--json").stdout)
    assert [row["version"] for row in rows] == ["1.26.4"]
