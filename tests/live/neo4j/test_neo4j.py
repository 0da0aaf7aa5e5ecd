"""The store in a real Neo4j server: what every store promises, and what a server can do to it."""

from __future__ import annotations

import pytest

from nbrepro.errors import QueryError
from nbrepro.model import Table
from tests.graphs import demo
from tests.store_contract import RUN, KeepingContract, QuestionContract

pytestmark = [
    pytest.mark.live("java"),
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("neo4j"),  # one server, whose database is one test's at a time
]
OTHER = "20261122-204502-other"


class TestQuestions(QuestionContract):
    @pytest.fixture(scope="class")
    @classmethod
    def make_store(cls, make_store):
        return make_store

    def test_a_query_of_ones_own_sees_all_runs(self, loaded):
        text = "MATCH (n:Cell) RETURN n.run AS run, count(*) AS n ORDER BY run"
        assert loaded.select(text) == Table(("run", "n"), ((RUN, 2), (OTHER, 2)))

    def test_nodes_relationships_and_collections_are_shown_in_one_cell(self, loaded):
        text = (
            "MATCH (p:Package {name: 'numpy'})<-[r:ofPackage]-(f) RETURN p, {a: [1, 'x', null]}, "
            "date('2026-11-22'), r IS NULL, 1.5, null LIMIT 1"
        )
        ((node, made, day, *others),) = loaded.select(text).rows
        assert (node, made, day) == ("pkg:pypi/numpy@2.1.0", '{"a": [1, "x", null]}', "2026-11-22")
        assert others == [False, 1.5, None]

    def test_rows_beyond_the_limit_are_cut_and_said_so(self, loaded):
        cut = loaded.select("UNWIND range(1, 100000) AS x RETURN x", limit=3)
        assert (cut.rows, cut.truncated) == (((1,), (2,), (3,)), True)
        exact = loaded.select("UNWIND [1, 2, 3] AS x RETURN x", limit=3)
        assert (len(exact), exact.truncated) == (3, False)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("MATCH (n) DETACH DELETE n", "would write"),
            ("CREATE (n) RETURN n", "would write"),
            ("CYPHER 5 MERGE (n:X) RETURN n", "would write"),
            ("DROP CONSTRAINT nbrepro_uid", "would write or change"),
            ("MATCH (n) CALL (n) { SET n.x = 1 } IN TRANSACTIONS", "would write"),
            ("LOAD CSV FROM 'http://127.0.0.1:1/x' AS row RETURN row", "LOAD CSV"),
            ("CALL () { LOAD CSV FROM 'file:///etc/passwd' AS r RETURN r } RETURN r", "LOAD CSV"),
            ("CALL db.createLabel('X')", "write|calls"),
            ("CALL dbms.listConfig() YIELD name RETURN name", "would write or change"),
            ("MATCH (n RETURN n", "not Cypher: "),
            ("", "not Cypher"),
            ("RETURN 1; MATCH (n) DETACH DELETE n", "not Cypher"),
            ("EXPLAIN MATCH (n) DETACH DELETE n", "would write|not Cypher"),
            ("PROFILE MATCH (n) DETACH DELETE n", "would write|not Cypher"),
            ("RETURN $run", "not Cypher"),
        ],
    )  # fmt: skip
    def test_a_query_that_does_more_than_read_is_refused(self, loaded, text, message):
        with pytest.raises(QueryError, match=message):
            loaded.select(text)
        assert len(loaded.runs()) == 2

    def test_what_a_reading_procedure_gives_may_be_asked(self, loaded):
        assert ("Bundle",) in loaded.select("CALL db.labels() YIELD label RETURN label").rows

    def test_a_query_in_bounded_time_gives_the_same_or_is_ended(self, loaded):
        text = f"MATCH (f:FileVersion {{run: '{RUN}'}}) RETURN f.path ORDER BY f.path"
        assert loaded.select(text, timeout_s=60) == loaded.select(text)
        endless = (
            "UNWIND range(1, 100000) AS a UNWIND range(1, 100000) AS b "
            "WITH a + b AS c RETURN sum(c) AS n"
        )
        with pytest.raises(QueryError, match="longer than 1 s"):
            loaded.select(endless, timeout_s=1)


class TestKeeping(KeepingContract):
    @pytest.fixture(scope="class")
    @classmethod
    def make_store(cls, make_store):
        return make_store


def test_a_demo_is_a_graph_of_literal_sets(make_store):
    """Judge the graph in the server by what the made-up run says, not by our reader."""
    with make_store() as store:
        maker = demo()
        store.load(maker.run, maker.uuid, maker.statements)
        read = store.select(
            "MATCH (a:CellExecution {execution: 1})-[r:used]->(f:FileVersion) RETURN f.path, r.mode"
        )
        assert set(read.rows) == {
            ("/p/in.csv", "read"), ("/lib/site/numpy/iris.csv", "read"),
        }  # fmt: skip
        labels = store.select("MATCH (n:Package {name: 'numpy'}) UNWIND labels(n) AS l RETURN l")
        assert {label for (label,) in labels.rows} == {"Prov", "Entity", "Package"}
