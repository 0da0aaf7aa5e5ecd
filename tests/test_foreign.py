"""PROV-JSON of other tools can be asked: what it tells, and that it was only told."""

from __future__ import annotations

import io
import json
from pathlib import Path

import prov
import pytest
from click.testing import CliRunner
from prov.tests import examples

import nbrepro
from nbrepro.cli.program import program
from nbrepro.errors import DocumentError, ExitCode
from nbrepro.export.extract import Extract
from nbrepro.export.foreign import read_foreign
from nbrepro.export.writers import FORMATS
from nbrepro.model import Edge, Node
from nbrepro.stores import open_store
from tests.graphs import demo, plausible_run
from tests.test_conformance import described

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:(prov|rdflib).*")

PRIMER = {
    "prefix": {"ex": "http://example.org/"},
    "entity": {
        "ex:dataset": {"prov:label": "regions", "ex:sha256": "a" * 64,
                       "ex:size": {"$": "7", "type": "xsd:int"}},
        "ex:chart1": {"prov:type": {"$": "ex:Chart", "type": "xsd:QName"}},
        "ex:chart2": {},
    },
    "activity": {"ex:draw": {"prov:startTime": "2012-03-31T09:21:00+01:00"}},
    "agent": {"ex:derek": {}},
    "used": {"_:u": {"prov:activity": "ex:draw", "prov:entity": "ex:dataset"}},
    "wasGeneratedBy": {"_:g": {"prov:entity": "ex:chart1", "prov:activity": "ex:draw",
                               "prov:time": "2012-03-31T08:21:30.5Z"}},
    "wasDerivedFrom": {"_:d": {"prov:generatedEntity": "ex:chart2", "prov:usedEntity": "ex:chart1",
                               "prov:type": {"$": "prov:Revision", "type": "xsd:QName"}}},
    "wasAssociatedWith": {"_:a": {"prov:activity": "ex:draw", "prov:agent": "ex:derek"}},
    "wasAttributedTo": {"_:t": {"prov:entity": "ex:chart1", "prov:agent": "ex:derek"}},
    "hadMember": {"_:m": {"prov:collection": "ex:undeclared", "prov:entity": "ex:chart1"}},
}  # fmt: skip


@pytest.fixture
def primer(tmp_path):
    path = tmp_path / "primer.json"
    path.write_text(json.dumps(PRIMER))
    return path


def ask(*words):
    said = CliRunner().invoke(program, [str(word) for word in words])
    assert said.exit_code == 0, said.output
    return said


def test_the_lineage_goes_through_activities_and_through_derivations(primer):
    tree = json.loads(ask("lineage", "ex:chart2", "--json", "--from", primer).stdout)
    [step] = tree["generated_by"]
    assert "not told" in step["task"]
    [chart] = step["used"]
    assert chart["path"] == "ex:chart1"
    [step] = chart["generated_by"]
    assert step["task"] == "ex:draw"
    assert [(f["path"], f["sha256"]) for f in step["used"]] == [("ex:dataset", "a" * 64)]


def test_what_was_only_told_says_so(primer):
    with nbrepro.open(store=primer) as provenance:
        run = provenance.run()
        rows = run.data()
        assert {(row.path, row.mode, row.task) for row in rows} >= {
            ("ex:dataset", "read", "ex:draw"), ("ex:chart1", "write", "ex:draw"),
        }  # fmt: skip
        assert {(row.evidence, row.certainty) for row in rows} == {("document", "unobserved")}
        [task] = [task for task in run.tasks() if task.task == "ex:draw"]
        assert task.started == "2012-03-31T08:21:00.000000000Z"
        assert [worker.worker for worker in run.workers()] == ["ex:derek"]
        report = run.check()
        assert report.valid
        assert report.unread


def test_everything_that_was_said_is_kept_or_counted(primer):
    told = read_foreign(primer)
    nodes = {s.properties.get("origin"): s for s in told.statements if isinstance(s, Node)}
    said = json.loads(nodes["http://example.org/dataset"].properties["said"])
    assert said["http://example.org/size"] == 7
    said = json.loads(nodes["http://example.org/chart1"].properties["said"])
    assert said["http://www.w3.org/ns/prov#type"] == ["http://example.org/Chart"]
    assert "http://example.org/undeclared" in nodes
    assert told.left == ["1 wasAttributedTo not taken: our graphs have no such relation"]


def test_an_imported_document_is_a_run_like_others(primer, tmp_path, monkeypatch):
    there = tmp_path / "there"
    there.mkdir()
    monkeypatch.chdir(there)
    said = ask("import", primer)
    assert "wasAttributedTo" in said.stdout
    [run] = json.loads(ask("runs", "--json").stdout)
    assert run["run"].startswith("imported-primer-")
    assert run["status"] == "imported"
    lineage = ("query", "lineage-of-file", "-p", "file=ex:chart2", "--json")
    rows = json.loads(ask(*lineage).stdout)
    assert json.loads(ask(*lineage, "--timeout", "9", "--from", primer).stdout)
    assert {"ex:chart1", "ex:dataset"} <= {row["path"] for row in rows}
    again = CliRunner().invoke(program, ["import", str(primer)])
    assert again.exit_code == ExitCode.USAGE
    ask("import", "--replace", primer)
    assert len(json.loads(ask("runs", "--json").stdout)) == 1


GRAPHS = {
    "demo": lambda: demo(),
    "plausible": lambda: plausible_run(1, 3, 3, 20),
    "tasks": described,
}


@pytest.mark.parametrize("name", GRAPHS)
def test_our_own_export_comes_back_as_it_was(name, tmp_path):
    made = GRAPHS[name]()
    statements = made if isinstance(made, list) else made.statements
    run, uuid = ("r", "u") if isinstance(made, list) else (made.run, made.uuid)
    path = tmp_path / "own.json"
    with Extract(statements) as extract, path.open("wb") as out:
        FORMATS["prov-json"].write(extract, out)
    told = read_foreign(path)
    assert (told.run, told.uuid, told.left) == (run, uuid, [])
    dumps = []
    for number, given in enumerate((statements, told.statements)):
        with open_store(tmp_path / f"store{number}") as store:
            store.load(run, uuid, given)
            # What a made-up graph says twice is counted twice when it is first kept.
            dumps.append({line for line in store.dump(run) if "terms#statements>" not in line})
    assert dumps[0] == dumps[1]


EXAMPLES = [name for name, _ in examples.tests]


@pytest.mark.parametrize(("name", "make"), examples.tests, ids=EXAMPLES)
def test_documents_of_the_prov_library_can_be_asked(name, make, tmp_path):
    document = make()
    path = tmp_path / f"{name}.json"
    stream = io.StringIO()
    document.serialize(stream, format="json")
    path.write_text(stream.getvalue())
    told = read_foreign(path)
    nodes = {s.uid for s in told.statements if isinstance(s, Node)}
    edges = [s for s in told.statements if isinstance(s, Edge)]
    assert {end for edge in edges for end in (edge.source, edge.target)} <= nodes
    with nbrepro.open(store=path) as provenance:
        run = provenance.run()
        assert len(list(run.statements())) > 0
        assert run.check().unread


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "not JSON"), ("[]", "no object"), ("{}", "no PROV record"), ("{" * 9, "not JSON"),
     ('{"entity": 3}', "no PROV record")],
)  # fmt: skip
def test_what_is_no_prov_json_is_refused(tmp_path, text, reason):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(DocumentError, match=reason):
        read_foreign(path)
    said = CliRunner().invoke(program, ["data", "--from", str(path)])
    assert said.exit_code == ExitCode.BAD_INPUT


def test_the_examples_are_those_of_the_library():
    assert len(EXAMPLES) >= 8
    assert Path(prov.__file__).is_file()
