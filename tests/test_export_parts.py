"""A part of a run is what some activities did, what describes that, and nothing else."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

import nbrepro
from nbrepro.cli.program import program
from nbrepro.errors import ExitCode, NotFoundError, UsageError
from nbrepro.export.asked import find_part, open_extract
from nbrepro.stores import open_store
from nbrepro.validity.checking import check_parsed
from nbrepro.validity.provjson import parse_document
from tests.recorded import LAST, make_project
from tests.test_conformance import WORKER, described


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("project")
    make_project(root)
    with nbrepro.open(root) as provenance:
        yield provenance.run(LAST)


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    path = tmp_path_factory.mktemp("store")
    with open_store(path) as store:
        store.load("r", "u", described())
    with nbrepro.open(store=path) as provenance:
        yield provenance.run("r")


def told(run, **asked):
    """Give the activities and the paths that a part tells of, and check that no end is lacking."""
    with open_extract(run, find_part(run, **asked)) as extract:
        nodes = {node.uid: node for node in extract.nodes()}
        for edge in extract.edges():
            assert {edge.source, edge.target} <= nodes.keys()
        names = [uid.split("/", 3)[3] for uid, n in nodes.items() if uid.startswith(extract.base)]
        activities = {n.partition("/")[0] + "/" + n.partition("/")[2] for n in names
                      if n.startswith(("execution/", "task/", "session", "process/"))}  # fmt: skip
        files = {
            n.properties["path"].rpartition("/")[2]
            for n in nodes.values()
            if n.kind == "FileVersion"
        }
        return activities, files, extract.run.get("part"), extract.counts


def test_a_cell_with_all_its_executions_and_what_they_touched(run):
    activities, files, part, counts = told(run, cell=2)
    assert activities == {"execution/2", "execution/4"}
    assert {name for name in files if "odd" not in name} == {"mid.csv", "x.nc", "own.py"}
    assert part == "cell 2"
    assert counts["SoftwareFile"] == 3
    assert counts["Package"] == 1
    assert counts["Cell"] == 1


def test_what_a_cell_did_not_touch_is_not_told(run):
    activities, files, _, counts = told(run, cell=1)
    assert activities == {"execution/1"}
    assert files == {"in.csv", "conf.toml", "mid.csv"}
    assert counts["SoftwareFile"] == 0


def test_the_lineage_of_a_file_has_its_steps_and_only_the_files_on_the_way(run):
    activities, files, part, _ = told(run, lineage_of="mid.csv")
    assert activities == {"execution/1"}
    assert files == {"mid.csv", "in.csv", "conf.toml"}
    assert part == "lineage of mid.csv"


def test_a_task_and_a_worker(tasks):
    activities, files, *_ = told(tasks, task="9123.4")
    assert activities == {"task/1", "process/w1-7-00aa/9-1"}
    assert files == {"in.csv", "out.csv", "hidden.csv"}
    activities, files, *_ = told(tasks, worker=WORKER.worker)
    assert {"task/1", "session/w1-7-00aa"} <= activities
    assert "hidden.csv" in files


def test_a_part_is_valid_by_prov_constraints(run):
    from tests.test_export_formats import written

    for asked in ({"cell": 1}, {"cell": 2}, {"cell": 3}, {"lineage_of": "mid.csv"}):
        with open_extract(run, find_part(run, **asked)) as extract:
            document = parse_document(written("prov-json", list(extract.statements())))
        assert document.unread == []
        assert check_parsed(document, "part").findings == []


def test_parts_that_are_not_there_or_too_many_are_refused(run):
    with pytest.raises(NotFoundError, match="cell '9'"):
        find_part(run, cell=9)
    with pytest.raises(NotFoundError):
        find_part(run, lineage_of="nowhere.csv")
    with pytest.raises(UsageError, match="one of"):
        find_part(run, cell=1, lineage_of="mid.csv")
    assert find_part(run) is None


@pytest.fixture
def ask(run, monkeypatch):
    monkeypatch.chdir(run.provenance.project.root)
    return lambda *words: CliRunner().invoke(program, ["export", *words])


def test_the_command_writes_a_file_in_one_step_and_says_so(ask, tmp_path):
    target = tmp_path / "x.prov.json"
    said = ask("-f", "prov-json", "-o", str(target), "--cell", "1")
    assert said.exit_code == 0, said.output
    assert f"{target}: " in said.stderr
    assert said.stdout == ""
    assert json.loads(target.read_text())["activity"].keys() == {"run:", "run:execution/1"}
    assert [p.name for p in tmp_path.iterdir()] == ["x.prov.json"]


def test_the_command_writes_to_standard_output(ask, tmp_path):
    said = ask("-f", "prov-o", "-o", "-")
    assert said.exit_code == 0
    assert said.stdout.startswith("PREFIX nbr:")
    assert said.stderr == ""


def test_without_a_name_the_file_is_called_as_the_run(ask, run, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    said = ask("-f", "nquads", "--from", str(run.provenance.project.store))
    assert said.exit_code == 0, said.output
    assert [p.name for p in tmp_path.iterdir()] == [f"{LAST}.nq"]


def test_what_does_not_fit_together_is_said(ask, tmp_path):
    assert ask("-f", "docx").exit_code == ExitCode.USAGE
    assert ask("-f", "dot", "--with-data").exit_code == ExitCode.USAGE
    assert ask("-f", "dot", "-o", str(tmp_path)).exit_code == ExitCode.USAGE
    assert ask("-f", "dot", "-o", str(tmp_path / "no" / "x")).exit_code == ExitCode.NOT_FOUND
    assert ask("-f", "dot", "--cell", "77").exit_code == ExitCode.NOT_FOUND
    assert list(tmp_path.iterdir()) == []
