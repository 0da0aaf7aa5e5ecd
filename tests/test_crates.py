"""Crates of runs: the profile's validator has nothing against them, and rocrate reads all of it."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from requests import Response
from requests.adapters import BaseAdapter
from rocrate.rocrate import ROCrate

import nbrepro
from nbrepro.cli.program import program
from nbrepro.errors import NotFoundError, UsageError
from nbrepro.export.crates import write_crate
from nbrepro.export.extract import Extract
from nbrepro.model import Edge, Node
from nbrepro.rundir import RunDirectory
from tests.graphs import demo, plausible_run
from tests.planted import PRIVATE, RUN, make_planted, text_of
from tests.recorded import make_project
from tests.test_conformance import described

pytestmark = [
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning:(rdflib|pyshacl|rocrate.*|requests.*).*"
    ),
    pytest.mark.filterwarnings("ignore:(Dataset|ConjunctiveGraph):DeprecationWarning"),
    pytest.mark.xdist_group("crates"),
]

CONTEXTS = {
    "https://w3id.org/ro/crate/1.1/context": "ro-crate-1.1-context.jsonld",
    "https://w3id.org/ro/crate/1.2/context": "ro-crate-1.2-context.jsonld",
    "https://w3id.org/ro/crate/1.3/context": "ro-crate-1.3-context.jsonld",
    "https://w3id.org/ro/terms/workflow-run": "workflow-run-context.jsonld",
    "https://w3id.org/ro/terms/workflow-run/context": "workflow-run-context.jsonld",
}


class _Folder(BaseAdapter):
    """Answers requests for contexts from a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def send(self, request, **_):
        from urllib3 import HTTPResponse

        body = (self._folder / CONTEXTS[request.url]).read_bytes()
        headers = {"Content-Type": "application/ld+json"}
        answer = Response()
        answer.status_code, answer.url, answer.request = 200, request.url, request
        answer.headers.update(headers)
        answer.raw = HTTPResponse(
            body=io.BytesIO(body), status=200, headers=headers, preload_content=False
        )
        answer._content = body
        return answer

    def close(self):
        """Nothing is open."""


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """The validator's cache, filled from the folder that NBREPRO_CONTEXTS names."""
    folder = os.environ.get("NBREPRO_CONTEXTS")
    if not folder:
        pytest.skip("NBREPRO_CONTEXTS names no folder with the JSON-LD contexts of RO-Crate")
    from requests_cache import CachedSession

    path = tmp_path_factory.mktemp("contexts") / "cache"
    with CachedSession(cache_name=str(path), backend="sqlite", expire_after=-1) as session:
        session.mount("https://", _Folder(Path(folder)))
        for url in CONTEXTS:
            session.get(url)
    return path


def issues(crate: Path, cache: Path) -> list[str]:
    from rocrate_validator import models, services

    settings = services.ValidationSettings(
        rocrate_uri=models.URI(str(crate)), profile_identifier="provenance-run-crate-0.5",
        requirement_severity=models.Severity.REQUIRED, offline=True, cache_path=str(cache),
    )  # fmt: skip
    result = services.validate(settings)
    return [f"{issue.check.identifier}: {issue.message}" for issue in result.get_issues()]


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    return make_planted(tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="module")
def crate(planted, tmp_path_factory):
    """A crate of a run with its evidence, redacted."""
    target = tmp_path_factory.mktemp("crates") / "planted"
    directory = RunDirectory(planted.runs / RUN)
    with (
        nbrepro.open(planted.root) as provenance,
        Extract(provenance.run().statements()) as extract,
    ):
        write_crate(extract, directory, target, redact=True, license_="CC0-1.0")
    return target


def crate_of(statements, target: Path, **options) -> Path:
    with Extract(statements) as extract:
        write_crate(extract, None, target, **options)
    return target


@pytest.mark.live("rocrate_validator")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("graph", [lambda: demo().statements, described], ids=["demo", "tasks"])
def test_the_validator_has_no_issue_with_a_graph_alone(graph, tmp_path, cache):
    assert issues(crate_of(graph(), tmp_path / "crate"), cache) == []


@pytest.mark.live("rocrate_validator")
@pytest.mark.timeout(600)
def test_the_validator_has_no_issue_with_evidence_and_would_have_one(crate, tmp_path, cache):
    assert issues(crate, cache) == []
    broken = crate_of(demo().statements, tmp_path / "broken")
    metadata = broken / "ro-crate-metadata.json"
    metadata.write_text(metadata.read_text().replace('"HowToStep"', '"HowToSection"'))
    assert issues(broken, cache) != []


def by_type(crate: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for entity in ROCrate(crate).get_entities():
        types = entity.type if isinstance(entity.type, list) else [entity.type]
        for type_ in types:
            found.setdefault(type_, set()).add(entity.id)
    return found


@pytest.mark.parametrize(
    "graph", [lambda: demo().statements, described, lambda: plausible_run(1, 4, 4, 9).statements],
    ids=["demo", "tasks", "plausible"],
)  # fmt: skip
def test_rocrate_reads_every_step_action_package_and_file(graph, tmp_path):
    statements = graph()
    nodes = {s.uid: s for s in statements if isinstance(s, Node)}
    of_kind = {
        k: [n for n in nodes.values() if n.kind == k] for k in {n.kind for n in nodes.values()}
    }
    found = by_type(crate_of(statements, tmp_path / "crate"))
    assert len(found["HowToStep"]) == len(of_kind["Cell"])
    assert len(found["ControlAction"]) == len(of_kind["CellExecution"])
    tasks = of_kind.get("Task", [])
    assert len(found["CreateAction"]) == 1 + len(of_kind["CellExecution"]) + len(tasks)
    assert {p.uid for p in of_kind["Package"]} <= found["SoftwareApplication"]
    files = {
        n.uid for n in of_kind["FileVersion"] if n.properties["role"] in ("data", "config", "code")
    }
    assert files == {id_ for id_ in found["File"] if id_.startswith("arcp:")}


def test_actions_have_the_files_that_the_graph_says(tmp_path):
    statements = demo().statements
    crate = ROCrate(crate_of(statements, tmp_path / "crate"))
    described_ = {entity.id for entity in crate.get_by_type("File")}
    for relation, name in (("used", "object"), ("wasGeneratedBy", "result")):
        expected = set()
        for edge in statements:
            if isinstance(edge, Edge) and edge.relation == relation:
                ends = (edge.source, edge.target)
                activity, file = ends if relation == "used" else ends[::-1]
                if file in described_ and "/execution/" in activity:
                    expected.add((activity.rpartition("/execution/")[2], file))
        told = set()
        for action in crate.get_by_type("CreateAction"):
            if "/execution/" in action.id:
                files = action.get(name, [])
                for file in files if isinstance(files, list) else [files]:
                    told.add((action.id.rpartition("/")[2], file.id))
        assert told == expected


def test_a_crate_holds_what_it_names(crate):
    metadata = json.loads((crate / "ro-crate-metadata.json").read_text())
    entities = {entity["@id"]: entity for entity in metadata["@graph"]}
    parts = [part["@id"] for part in entities["./"]["hasPart"]]
    assert len(parts) == len(set(parts))
    local = [part for part in parts if ":" not in part]
    assert sorted([*local, "ro-crate-metadata.json"]) == sorted(
        p.relative_to(crate).as_posix() for p in crate.rglob("*") if p.is_file()
    )
    for name in local:
        assert entities[name]["contentSize"] == str((crate / name).stat().st_size)
    assert entities["./"]["license"] == "CC0-1.0"
    lock = (crate / "environment.lock.txt").read_text()
    assert "numpy==2.1.0" in lock


def test_nothing_private_is_in_a_redacted_crate(crate):
    for path in crate.rglob("*"):
        if path.is_file() and path.suffix != ".zst":
            told = text_of(path.read_bytes()) + str(path.relative_to(crate))
            assert [word for word in PRIVATE if word in told] == [], path


def test_data_is_included_where_it_still_is_what_the_run_saw(tmp_path, monkeypatch):
    root = tmp_path / "project"
    root.mkdir()
    make_project(root)
    (root / "data").mkdir()
    (root / "data/in.csv").write_text("in")
    (root / "mid.csv").write_text("changed since")
    monkeypatch.chdir(root)
    said = CliRunner().invoke(
        program, ["export", "-f", "ro-crate", "--with-data", "-o", str(tmp_path / "c.zip")]
    )
    assert said.exit_code == 0, said.output
    with zipfile.ZipFile(tmp_path / "c.zip") as packed:
        data = [name for name in packed.namelist() if name.startswith("data/")]
        assert [packed.read(name) for name in data] == [b"in"]
        metadata = json.loads(packed.read("ro-crate-metadata.json"))
    entities = {entity["@id"]: entity for entity in metadata["@graph"]}
    [read] = [e for e in entities.values() if e.get("name") == "cell 1" and "object" in e]
    assert {"@id": data[0]} in read["object"]
    [other] = [e for e in entities.values() if str(e.get("name", "")).endswith("/mid.csv")]
    assert other["contentUrl"].endswith("/mid.csv")


def test_a_zip_of_the_same_run_has_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        crate_of(demo().statements, tmp_path / f"{name}.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_a_directory_that_exists_is_not_written_into(tmp_path):
    with pytest.raises(UsageError, match="exists already"):
        crate_of(demo().statements, tmp_path)
    with pytest.raises(NotFoundError, match="no such directory"):
        crate_of(demo().statements, tmp_path / "nowhere" / "crate")
