"""Stores at real SPARQL servers: the contract of every store, and servers that go away."""

from __future__ import annotations

import json

import pytest
import sparql_servers
from click.testing import CliRunner
from sparql_servers import LackError, SparqlServer, running

from nbrepro.cli.program import program
from nbrepro.stores import open_store
from tests.recorded import LAST, make_project
from tests.store_contract import (
    Contract,
    KeepingContract,
    QuestionContract,
    SparqlContract,
    SparqlKeepingContract,
)

pytestmark = pytest.mark.live("httpx")

MAKERS = {"oxigraph": sparql_servers.oxigraph_server, "fuseki": sparql_servers.fuseki_server}


def open_server(kind, directory, **more) -> SparqlServer:
    try:
        return MAKERS[kind](directory, **more)
    except LackError as lack:
        pytest.skip(str(lack))


@pytest.fixture(scope="module", params=list(MAKERS))
def server(request, tmp_path_factory):
    with running(open_server(request.param, tmp_path_factory.mktemp(request.param))) as started:
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
