"""Stores at real SPARQL servers: the contract of every store, and servers that go away."""

from __future__ import annotations

import json

import pytest
import sparql_servers
from click.testing import CliRunner
from sparql_servers import opened

from nbrepro.cli.program import program
from nbrepro.stores import open_store
from nbrepro.stores.credentials import PASSWORD, USER
from tests.recorded import LAST, make_project
from tests.store_contract import (
    Contract,
    KeepingContract,
    QuestionContract,
    SparqlContract,
    SparqlKeepingContract,
)

pytestmark = pytest.mark.live("httpx")

SERVERS = [
    pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in ("oxigraph", "fuseki")
]


@pytest.fixture(scope="module", params=SERVERS)
def server(request, tmp_path_factory):
    """Give each server in turn; Fuseki lets only the user in that the environment names."""
    if request.param == "oxigraph":
        with opened(sparql_servers.oxigraph_server, tmp_path_factory.mktemp("server")) as started:
            yield started
        return
    started = request.getfixturevalue("fuseki")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(USER, started.auth[0])
        patch.setenv(PASSWORD, started.auth[1])
        yield started


class AtServer(Contract):
    @pytest.fixture(scope="class")
    @classmethod
    def make_store(cls, server):
        def make():
            server.empty()
            return open_store(server.location)

        return make


class TestQuestions(AtServer, QuestionContract):
    pass


class TestKeeping(AtServer, KeepingContract):
    pass


class TestSparql(AtServer, SparqlContract):
    pass


class TestSparqlKeeping(AtServer, SparqlKeepingContract):
    pass


ASKED = [
    ["runs"], ["show"], ["data"], ["packages"], ["tasks"], ["workers"], ["drift"],
    ["why", "mid.csv"], ["lineage", "mid.csv"], ["impact", "data/in.csv"],
    ["query", "duplicate-content"], ["query", "first-divergence", "-p", "other=~1"],
    ["query", "data-of-cell", "-p", "cell=2", "--timeout", "100"],
]  # fmt: skip


def test_the_command_line_tells_the_same_from_a_server(server, tmp_path, monkeypatch):
    server.empty()
    make_project(tmp_path.resolve())
    monkeypatch.chdir(tmp_path.resolve())

    def told(*words):
        result = CliRunner().invoke(program, words)
        assert result.exit_code == 0, result.stderr
        return result.stdout

    told("store", "add", "server", server.location)
    told("store", "copy", "project", "server")
    own = [told(*words, "--json") for words in ASKED]
    told("store", "use", "server")
    assert [told(*words, "--json") for words in ASKED] == own
    checked = json.loads(told("store", "check", "--json"))
    assert [run["faults"] for run in checked["runs"]] == [[], []]
    assert told("store", "compact").startswith("0 unfinished loads and 0 unused")
    told("store", "copy", "server", "back", "--run", "last")
    with open_store(tmp_path / "back") as back, open_store(server.location) as kept:
        assert list(back.dump(LAST)) == list(kept.dump(LAST))
