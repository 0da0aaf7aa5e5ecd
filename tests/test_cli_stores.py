"""`nbrepro store`: names of stores, copies between them and their state; where names are heard."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pyoxigraph as ox
import pytest
from click.testing import CliRunner
from recorded import FIRST, LAST, first_run, last_run, make_project

from nbrepro.cli.program import program
from nbrepro.config import Project
from nbrepro.errors import NotFoundError, StoreError, UsageError
from nbrepro.model import Edge, Node
from nbrepro.stores import open_store
from nbrepro.stores.copies import check_run
from nbrepro.stores.credentials import Credentials, find_credentials
from nbrepro.stores.names import add_name, locate, read_names, use_name
from nbrepro.vocabulary import KINDS
from tests.graphs import GraphMaker, demo


@pytest.fixture
def root(tmp_path, monkeypatch):
    root = (tmp_path / "project").resolve()
    root.mkdir()
    make_project(root)
    monkeypatch.chdir(root)
    return root


def nbrepro(*words):
    return CliRunner().invoke(program, [str(word) for word in words])


def told(*words):
    """Give what a command that succeeds prints."""
    result = nbrepro(*words)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def dumps(location):
    with open_store(location) as store:
        return {run: list(store.dump(run)) for (run, *_) in store.runs().rows}


def test_stores_are_named_listed_and_used(root):
    assert json.loads(told("store", "list", "--json")) == [
        {"name": "project", "location": f"{root}/.nbrepro/store", "default": True}
    ]
    told("store", "add", "near", "stores/near")
    told("store", "add", "far", "sparql+http://127.0.0.1:9/ds")
    told("store", "use", "near")
    listed = {r["name"]: (r["location"], r["default"]) for r in
              json.loads(told("store", "list", "--json"))}  # fmt: skip
    assert listed == {
        "project": (f"{root}/.nbrepro/store", False),
        "near": (f"{root}/stores/near", True),
        "far": ("sparql+http://127.0.0.1:9/ds", False),
    }
    assert told("store", "list").splitlines()[0].split() == ["store", "location", "default"]
    told("store", "use", "project")
    assert read_names(Project(root)).default == "project"


def test_runs_are_copied_by_name_and_found_by_every_command(root):
    told("store", "add", "near", "stores/near")
    said = nbrepro("store", "copy", "project", "near")
    assert said.exit_code == 0
    assert said.stdout.startswith("2 runs copied to near (")
    assert said.stderr.splitlines() == [
        f"1 of 2: copying {FIRST}", f"2 of 2: copying {LAST}",
    ]  # fmt: skip
    assert dumps(root / "stores/near") == dumps(root / ".nbrepro/store")
    shutil.rmtree(root / ".nbrepro/store")
    assert nbrepro("runs").exit_code == 3
    for words in (["runs"], ["data"], ["packages"], ["show"], ["query", "runs"],
                  ["why", "mid.csv"], ["lineage", "mid.csv"], ["tasks"], ["workers"]):  # fmt: skip
        assert told(*words, "--store", "near", "--json")
    told("store", "use", "near")
    assert [row["run"] for row in json.loads(told("runs", "--json"))] == [LAST, FIRST]
    assert told("store", "copy", "near", root / "third", "--run", "last").startswith("1 runs")
    assert list(dumps(root / "third")) == [LAST]


def test_a_project_that_moves_takes_its_names_along(root, tmp_path, monkeypatch):
    told("store", "add", "near", "stores/near")
    told("store", "copy", "project", "near")
    moved = root.rename(tmp_path / "moved")
    monkeypatch.chdir(moved)
    assert told("store", "check", "near").count("whole") == 2
    assert locate("near", Project(moved)) == f"{moved}/stores/near"


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ("store add project x", 2, "nbrepro: 'project' cannot name a store"),
        ("store add a/b x", 2, "nbrepro: 'a/b' cannot name a store"),
        ("store add -- -x y", 2, "nbrepro: '-x' cannot name a store"),
        ("store add x mysql://h", 5, "nbrepro: mysql://...: no store of this kind"),
        ("store add x sparql+http://u:pw@h", 5, "nbrepro: sparql+http://h: a user and password"),
        ("store add x sparql+http://", 5, "nbrepro: sparql+http://: is not the URL"),
        ("store use none", 3, "nbrepro: no store is called 'none' here; there are: project"),
        ("store check none", 3, "nbrepro: none: no store of this name or at this path"),
        ("store copy none new", 3, "nbrepro: none: no store of this name or at this path"),
        ("store copy project project", 2, "nbrepro: project: is the store that is copied from"),
        ("store copy project .nbrepro/store", 2, "nbrepro: .nbrepro/store: is the store"),
        ("store copy project new --run none", 3, "nbrepro: run 'none'"),
        ("runs --store sparql+http://127.0.0.1:9", 5, "nbrepro: sparql+http://127.0.0.1:9: the"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_one_sentence(root, words, code, sentence):
    result = nbrepro(*words.split())
    assert (result.exit_code, result.stderr[: len(sentence)]) == (code, sentence)
    assert result.stderr.count("\n") == 1
    assert "pw" not in result.stderr.replace("NBREPRO_STORE_PASSWORD", "")
    assert not (root / ".nbrepro/stores.json").exists()


def test_outside_a_project_stores_are_named_by_path(root, tmp_path, monkeypatch):
    away = tmp_path / "away"
    away.mkdir()
    monkeypatch.chdir(away)
    assert nbrepro("store", "check").exit_code == 2
    assert told("store", "check", root / ".nbrepro/store").count("whole") == 2
    told("store", "add", "other", root / ".nbrepro/store")
    assert told("store", "check", "other").count("whole") == 2


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"format": 2}', '{"format": 1, "default": "x", "stores": {}}',
             '{"format": 1, "default": "project", "stores": {"a": 1}}'],
)  # fmt: skip
def test_names_that_cannot_be_read_are_an_error(root, text):
    (root / ".nbrepro/stores.json").write_text(text)
    with pytest.raises(UsageError, match="the named stores cannot be read"):
        read_names(Project(root))
    assert nbrepro("runs").exit_code == 2


def test_a_name_is_heard_before_a_path_and_anything_else_is_as_it_is(root):
    project = Project(root)
    add_name(project, "near", "elsewhere")
    assert locate("near", project) == f"{root}/elsewhere"
    assert locate("./near", project) == "./near"
    assert locate("neo4j://near", project) == "neo4j://near"
    assert locate(None, project) == str(project.store)
    use_name(project, "near")
    assert locate(None, project) == f"{root}/elsewhere"
    with pytest.raises(NotFoundError):
        use_name(project, "none")


def test_a_store_with_whole_runs_is_checked_well(root):
    checked = json.loads(told("store", "check", "--json"))
    assert checked["store"] == f"{root}/.nbrepro/store"
    assert [(r["run"], r["faults"]) for r in checked["runs"]] == [(FIRST, []), (LAST, [])]
    assert checked["leftovers"] == []


def test_a_run_that_lost_a_node_or_a_member_is_found_and_leftovers_are_named(root):
    path = str(root / ".nbrepro/store/oxigraph")
    raw = ox.Store(path)
    base = next(graph for graph in raw.named_graphs() if "arcp" in graph.value).value
    file = ox.NamedNode(f"{base}file/1")
    for quad in list(raw.quads_for_pattern(file, None, None, None)):
        raw.remove(quad)
    member = ox.NamedNode("http://www.w3.org/ns/prov#hadMember")
    raw.remove(next(raw.quads_for_pattern(None, member, None, None)))
    left = ox.NamedNode("arcp://uuid,left/")
    raw.add(ox.Quad(left, member, left, left))
    del raw
    result = nbrepro("store", "check")
    assert result.exit_code == 5
    assert f"{base}file/1 is missing, and 1 edges lead there" in result.stdout
    assert "has 2 of its 3 files" in result.stdout
    assert "left by a load that did not end: arcp://uuid,left/" in result.stdout
    assert told("store", "compact").startswith("1 unfinished loads and ")
    assert "left by" not in nbrepro("store", "check").stdout


def test_compacting_gives_space_back_and_changes_no_run(root):
    with open_store(root / ".nbrepro/store") as store:
        other = demo("more", 3)
        store.load(other.run, other.uuid, other.statements)
        store.remove(other.run)
    before = dumps(root / ".nbrepro/store")
    said = told("store", "compact")
    kept = {s.uid for maker in (first_run(root), last_run(root)) for s in maker.statements
            if isinstance(s, Node)}  # fmt: skip
    alone = [s.uid for s in other.statements if isinstance(s, Node) and KINDS[s.kind].shared]
    unused = len(set(alone) - kept)
    assert said.startswith(f"0 unfinished loads and {unused} unused shared nodes dropped")
    assert dumps(root / ".nbrepro/store") == before


def test_a_check_says_what_is_wrong_with_statements(tmp_path):
    maker = GraphMaker()
    maker.start()
    maker.statements.append(Edge("used", maker.base + "session", maker.base + "file/9"))
    with open_store(tmp_path / "s") as store:
        store.load(maker.run, maker.uuid, maker.statements)
        found = check_run(store, maker.run)
    assert (found.noted, found.found) == (len(maker.statements),) * 2
    assert found.faults == [f"{maker.base}file/9 is missing, and 1 edges lead there"]


@pytest.fixture
def no_credentials(monkeypatch):
    for name in ("USER", "PASSWORD", "CREDENTIALS"):
        monkeypatch.delenv(f"NBREPRO_STORE_{name}", raising=False)
    return monkeypatch


def test_credentials_come_from_the_environment_or_a_file(no_credentials, tmp_path):
    assert find_credentials() is None
    file = tmp_path / "secret"
    file.write_text("alice\npass word\n")
    file.chmod(0o600)
    no_credentials.setenv("NBREPRO_STORE_CREDENTIALS", str(file))
    assert find_credentials() == Credentials("alice", "pass word")
    no_credentials.setenv("NBREPRO_STORE_USER", "bob")
    no_credentials.setenv("NBREPRO_STORE_PASSWORD", "")
    assert find_credentials() == Credentials("bob", "")
    assert repr(Credentials("alice", "hidden")) == "Credentials(user='alice')"


@pytest.mark.parametrize(
    ("text", "mode", "sentence"),
    [
        ("alice\npw\n", 0o644, "others may read these credentials; run: chmod 600"),
        ("alice\n", 0o600, "write the user on the first line"),
        ("", 0o600, "write the user on the first line"),
        (None, 0, r"cannot be read \(No such file"),
        (b"\xff\n\xff", 0o600, "not UTF-8 text"),
    ],
)
def test_a_file_of_credentials_that_will_not_do_is_refused(
    no_credentials, tmp_path, text, mode, sentence
):
    file: Path = tmp_path / "secret"
    if text is not None:
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        file.chmod(mode)
    no_credentials.setenv("NBREPRO_STORE_CREDENTIALS", os.fspath(file))
    with pytest.raises(StoreError, match=sentence) as caught:
        find_credentials()
    assert "pw" not in str(caught.value)


def test_half_of_the_credentials_are_refused(no_credentials):
    no_credentials.setenv("NBREPRO_STORE_USER", "alice")
    with pytest.raises(StoreError, match="NBREPRO_STORE_PASSWORD is not set"):
        find_credentials()
