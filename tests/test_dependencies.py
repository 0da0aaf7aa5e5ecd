"""Dependency sets of a made-up run: what is in them, why, and nothing else."""

from __future__ import annotations

import json

import networkx
import pytest
from click.testing import CliRunner
from dependency_runs import make_project

import nbrepro
from nbrepro.cli.program import program
from nbrepro.dependencies import Dependency, DependencySet, Need
from nbrepro.errors import NotFoundError, UsageError


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("needs").resolve()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        make_project(root)
        yield root


@pytest.fixture(scope="module")
def run(root):
    with nbrepro.open(root) as provenance:
        yield provenance.run()


@pytest.fixture
def ask(root, monkeypatch):
    monkeypatch.chdir(root)
    return lambda *words: CliRunner().invoke(program, ["deps", *map(str, words)])


def names(members, *kinds, certainty=None):
    return {m.name for m in members.of(*kinds) if certainty in (None, m.certainty)}


def test_direct_is_what_a_cell_opened_itself(run):
    found = run.dependencies(cell=2)
    assert names(found, *Need) == {"/p/data/in.csv", "10.0.0.1:443"}
    assert found.why("in.csv")[0].reason == "read by cell 2"
    assert [m.digest for m in found.of(Need.FILE)] == [
        row.sha256 for row in run.data(2) if row.path == "/p/data/in.csv"
    ]


def test_direct_of_a_cell_has_its_tasks_and_not_what_they_made(run):
    assert names(run.dependencies(cell=6), Need.FILE) == {"/p/a.csv", "/p/b.csv"}


def test_closure_has_the_cells_needed_through_names_and_files(run):
    found = run.dependencies(cell=3, closure=True)
    assert names(found, Need.CELL) == {"1", "2", "3"}
    assert names(found, Need.FILE) == {"/p/data/in.csv"}
    assert found.why("2")[0].reason.startswith("made /p/mid.csv")


def test_an_import_cell_brings_what_is_used_of_it(run):
    found = run.dependencies(cell=3, closure=True)
    assert names(found, Need.PACKAGE, certainty="exact") == {
        "calc", "base", "kernel", "tornado-like",
    }  # fmt: skip
    assert names(found, Need.PACKAGE, certainty="possible") == {"speedups"}
    assert names(found.exact(), Need.PACKAGE) == {"calc", "base", "kernel", "tornado-like"}
    assert names(run.dependencies(cell=4, closure=True).exact(), Need.PACKAGE) == {
        "plots", "base", "colours", "kernel", "tornado-like",
    }  # fmt: skip


def test_the_whole_run_needs_what_any_cell_imports(run):
    found = run.dependencies(closure=True)
    assert names(found, Need.CELL) == {"1", "2", "3", "4", "5", "6"}
    assert names(found, Need.PACKAGE) == {
        "plots", "base", "colours", "kernel", "tornado-like", "calc", "speedups", "distributed",
        "msgs",
    }  # fmt: skip
    assert names(found, Need.INTERPRETER) == {"python"}


def test_reasons_lead_to_what_was_asked_about(run):
    chain = run.dependencies(cell=3, closure=True).why("base")
    assert [(m.kind, m.name) for m in chain] == [
        ("package", "base"), ("package", "calc"), ("cell", "1"), ("cell", "3"),
    ]  # fmt: skip
    assert chain[0].reason == "calc imports base"
    with pytest.raises(NotFoundError, match="colours"):
        run.dependencies(cell=3, closure=True).why("colours")


def test_a_task_needs_its_inputs_what_its_function_uses_and_a_workers_start(run):
    found = run.dependencies(task="work-1", closure=True)
    assert names(found, Need.FILE) == {"/p/a.csv"}
    assert names(found, Need.TASK) == {"work-1"}
    assert names(found, Need.PACKAGE, certainty="exact") == {
        "distributed", "tornado-like", "msgs", "calc", "base",
    }  # fmt: skip
    assert names(found, Need.PACKAGE, certainty="possible") == {"speedups"}
    assert {"1", "5"} <= names(found, Need.CELL)
    assert "4" not in names(found, Need.CELL)


def test_functions_workers_and_hosts_are_unions_of_their_tasks(run):
    function = run.dependencies(function="work", closure=True)
    assert names(function, Need.FILE) == {"/p/a.csv", "/p/b.csv"}
    worker = run.dependencies(worker="w1", closure=True)
    assert names(worker, *Need) == names(function, *Need)
    host = run.dependencies(host="h2", closure=True)
    assert names(host, *Need) == names(worker, *Need)
    assert names(run.dependencies(worker="w1"), Need.PACKAGE) >= {"distributed", "calc"}


def test_sets_are_compared(run):
    third, fourth = (run.dependencies(cell=n, closure=True) for n in (3, 4))
    assert names(third.minus(fourth), Need.PACKAGE) == {"calc"}
    assert names(fourth.minus(third), Need.PACKAGE) == {"plots", "colours"}
    assert not len(third.minus(third))
    assert {m.key for m in third.union(fourth)} == {m.key for m in (*third, *fourth)}


def test_what_is_made_anew_is_noted_and_not_a_member(run):
    found = run.dependencies(cell=3)
    assert names(found, Need.FILE) == {"/p/mid.csv"}
    assert found.notes == ("files that are made anew are no members (cache 1)",)


@pytest.mark.parametrize(
    ("scope", "error"),
    [
        ({"cell": 1, "task": "work-1"}, UsageError), ({"cell": 9}, NotFoundError),
        ({"function": "nothing"}, NotFoundError), ({"worker": "x"}, NotFoundError),
    ],
)  # fmt: skip
def test_unknown_and_mixed_scopes_are_refused(run, scope, error):
    with pytest.raises(error):
        run.dependencies(**scope)


def test_certain_members_take_the_place_of_possible_ones():
    known = Dependency("package", "a", "1", certainty="possible", reason="perhaps")
    sure = Dependency("package", "a", "1", reason="seen")
    for order in ([known, sure], [sure, known]):
        assert [m.reason for m in DependencySet("x", order)] == ["seen"]


def test_the_store_and_networkx_agree_on_what_lies_behind_each_cell(run):
    graph = run.graph()
    flow = networkx.DiGraph()
    for source, target, data in graph.edges(data=True):
        if data["relation"] in ("used", "wasGeneratedBy"):
            flow.add_edge(source, target)
    for cell in range(1, 7):
        own = [node for node, data in graph.nodes(data=True) if data.get("cell") == cell
               and data["kind"] in ("CellExecution", "Task")]  # fmt: skip
        behind = {n for node in own if node in flow for n in networkx.descendants(flow, node)}
        makers = {
            (data.get("execution"), data.get("task"))
            for node, data in graph.nodes(data=True)
            if node in behind and data["kind"] in ("CellExecution", "Task", "Session")
        }
        asked = run.provenance.answer("activities-behind-cell", {"run": run.id, "cell": cell})
        assert {(row["execution"], row["task"]) for row in asked.records()} == makers


def test_deps_prints_a_table_with_reasons(ask):
    done = ask("--cell", 3, "--closure")
    assert done.exit_code == 0, done.output
    lines = [line.split() for line in done.output.splitlines()]
    assert ["package", "base", "1.0", "pip", "exact", "calc", "imports", "base"] in lines
    assert not any("colours" in line for line in lines)


def test_deps_prints_json_with_every_field(ask):
    rows = json.loads(ask("--cell", 2, "--json").output)
    assert [row["name"] for row in rows] == ["/p/data/in.csv", "10.0.0.1:443"]
    assert rows[0]["rule"] == "read"
    assert rows[0]["digest"]


def test_deps_follows_why(ask):
    done = ask("--cell", "cell-3", "--closure", "--why", "base")
    assert done.output.splitlines()[0] == "package base 1.0: calc imports base"
    assert json.loads(ask("--cell", 3, "--closure", "--why", "base", "--json").output)[1]["name"]
    assert ask("--cell", 3, "--closure", "--why", "colours").exit_code == 3


@pytest.mark.parametrize(
    "words",
    [
        ["--cell", 4, "--closure", "--minus", "--cell", 3, "--json"],
        ["--json", "--closure", "--cell", 4, "--minus", "--cell", 3],
    ],
)
def test_deps_takes_another_scope_away(ask, words):
    rows = json.loads(ask(*words).output)
    assert {r["name"] for r in rows if r["kind"] == "package"} == {"plots", "colours"}


def test_deps_draws_who_needs_whom(ask):
    dot = ask("--cell", 3, "--closure", "--dot").output
    assert '"package base 1.0" -> "package calc 1.0"' in dot
    assert '"package calc 1.0" -> "cell 1 1"' in dot
    assert '"package speedups 1.0" -> "package base 1.0" [style=dashed]' in dot


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--minus"], 2), (["-o", "x"], 2), (["--cell", 77], 3), (["--format", "x"], 2),
        (["--cell", 1, "--worker", "w1"], 2), (["--why", "base", "--csv"], 2),
        (["--format", "conda", "-o", "/nowhere/x"], 6),
    ],
)  # fmt: skip
def test_deps_says_what_is_wrong(ask, words, code):
    done = ask(*words)
    assert done.exit_code == code
    assert "Traceback" not in done.output


def test_deps_writes_an_environment_file(ask, tmp_path):
    target = tmp_path / "requirements.txt"
    done = ask("--cell", 3, "--closure", "--format", "requirements", "-o", target)
    assert done.exit_code == 0, done.output
    assert "\nbase==1.0\n" in target.read_text()
    assert "colours" not in target.read_text()
