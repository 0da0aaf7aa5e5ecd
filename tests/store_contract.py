"""What every store promises, whatever keeps it: each engine's test module subclasses these.

A subclass gives the fixture `make_store`; each class has an engine to itself while it runs:

    class TestQuestions(QuestionContract):
        @pytest.fixture(scope="class")
        @classmethod
        def make_store(cls, tmp_path_factory):
            return lambda: open_store(tmp_path_factory.mktemp("store") / "store")
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import warnings
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path

import pyoxigraph as ox
import pytest
import rdflib
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nbrepro.errors import NotFoundError, QueryError, StoreError
from nbrepro.model import Edge, Node, Table
from nbrepro.queries import Question, find_question, load_questions, parse_question
from nbrepro.stores import open_store
from nbrepro.stores.copies import check_run
from nbrepro.stores.oxigraph import OxigraphStore
from nbrepro.vocabulary import META_GRAPH, PROV, SHARED_GRAPH
from tests.graphs import (
    NEWLINE,
    NOT_UTF8,
    GraphMaker,
    demo,
    plausible_run,
    sha256,
    time_text,
)

ROOT = Path(__file__).resolve().parent.parent
RUN = "20261122-204501-demo"


def rows(store, name, **parameters):
    return list(store.ask(find_question(name), parameters).rows)


def pick(store, name, columns, **parameters):
    table = store.ask(find_question(name), parameters)
    places = [table.columns.index(column) for column in columns.split()]
    return [tuple(row[place] for place in places) for row in table.rows]


def keep(store, *makers):
    for maker in makers:
        store.load(maker.run, maker.uuid, maker.statements)


@contextmanager
def process(code, *arguments):
    """Run Python code in a process of its own, and end it whatever happens."""
    started = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


READER = """
import sys
from nbrepro.stores import open_store
from nbrepro.queries import find_question
store, edges = open_store(sys.argv[1]), find_question("edges-of-run")
seen = set()
while len(seen) < int(sys.argv[2]):
    for row in store.runs().rows:
        found = len(store.ask(edges, {"run": row[0]}))
        assert found == int(sys.argv[3]), (row, found)
        seen.add(row[0])
print(len(seen))
"""


_GENERATED = """?file prov:wasGeneratedBy ?activity ; prov:qualifiedGeneration ?edge .
?edge ?property ?value"""


def lose_what_was_generated(store, maker):
    """Take relationships of a run away behind the back of its store; give how many."""
    before = sum(
        getattr(s, "relation", "") == "wasGeneratedBy" for s in store.statements(maker.run)
    )
    pattern = f"GRAPH <{maker.base}> {{ {_GENERATED} }}"
    update = f"PREFIX prov: <{PROV}> DELETE {{ {pattern} }} WHERE {{ {pattern} }}"
    if store.dialect == "cypher":
        with store._session() as session:
            text = "MATCH (:FileVersion {run: $run})-[r:wasGeneratedBy]->() DELETE r"
            session.run(text, run=maker.run).consume()
    elif isinstance(store, OxigraphStore):
        store._write(lambda opened: opened.update(update))
    else:
        store._server.update(update)
    return before


FINDS = {
    "sparql": "SELECT ?s {{ ?s ?p ?o FILTER (STRSTARTS(STR(?s), '{uid}')) }}",
    "cypher": "MATCH (n) WHERE n.uid STARTS WITH '{uid}' RETURN n.uid AS s",
}


def knows(store, uid):
    """Ask, in the store's own language, whether it shows any node whose name starts so."""
    return bool(store.select(FINDS[store.dialect].format(uid=uid), limit=1).rows)


TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


TRIES = [
    '"', "'", '" } } #', '" . ?x ?y ?z . "', "\\", "\\u0022 } DROP ALL #", "{}", "$file ?file",
    "<http://a b>", "UNDEF } VALUES ?run { UNDEF", "\n\r\t\0", "é\U0001f600", "\udcff", "\ud800",
    "\uffff", "", "x" * 100_000, "'''", '"""', "?", "arcp://uuid,x/", "]] --", "\u2028",
]  # fmt: skip


OTHER = "20261122-204502-other"
VALUES = {
    "run": RUN, "other": OTHER, "file": "/p/out.csv", "content": sha256("in"), "package": "numpy",
    "cell": 2, "task": "t", "worker": "w",
}  # fmt: skip
GIVEN = ("content", "package")
"""What another engine is asked with; of the parameters that may be absent, only these are given."""


def rdflib_dataset(store, default):
    """Give another engine what a store dumps of all its runs.

    `default` is the graph of the run that questions are about; without it all graphs are.
    """
    dataset = rdflib.Dataset(default_union=default is None)
    graphs = defaultdict(list)
    for line in {line for (run, *_) in store.runs().rows for line in store.dump(run)}:
        (quad,) = ox.parse(line.encode(), ox.RdfFormat.N_QUADS)
        triple = f"{ox.Triple(quad.subject, quad.predicate, quad.object)} .\n"
        graphs[quad.graph_name.value].append(triple)
    for name, triples in graphs.items():
        own = name == default
        target = dataset.default_graph if own else dataset.graph(rdflib.URIRef(name))
        target.parse(data="".join(triples), format="nt")
    return dataset


def check_with_rdflib(store, dataset, name, **values):
    """Check that another engine gives the same rows, cell for cell; give how many."""
    question = find_question(name)
    bound = question.bind("sparql", {name: json.dumps(value) for name, value in values.items()})
    answer = dataset.query(bound)
    ours = store.ask(question, values)
    assert [str(variable) for variable in answer.vars] == list(ours.columns)
    theirs = {plain(row) for row in answer}
    assert {plain(row) for row in ours.rows if NEWLINE not in row and NOT_UTF8 not in row} <= theirs
    assert len(answer) == len(ours)
    return len(ours)


def plain(row):
    texts = ("" if value is None else str(value) for value in row)
    # rdflib keeps microseconds only and writes the zone as +00:00.
    return tuple(text[:19] if TIME.match(text) else text for text in texts)


def changed_demo():
    """Give the demo run as it might be a day later: another numpy, and what cell 2 writes."""
    again = demo(OTHER, 2)
    changed = []
    for statement in again.statements:
        if isinstance(statement, Node) and statement.kind == "FileVersion":
            properties = dict(statement.properties)
            if properties["path"] in ("/p/db.sqlite", "/p/final.csv", "/p/part.tmp"):
                properties["sha256"] = sha256(str(properties["sha256"]))
            statement = Node(statement.uid, statement.kind, properties)
        changed.append(statement)
    again.statements = changed
    return again


class Contract:
    """Gives each test of an engine its store."""

    @pytest.fixture(scope="class")
    @classmethod
    def make_store(cls):
        """Give a function that opens a new, empty store."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, make_store):
        with make_store() as opened:
            yield opened

    @pytest.fixture(scope="class")
    @classmethod
    def loaded(cls, make_store):
        """Give a store that holds the demo run and another run of the same names."""
        with make_store() as opened:
            keep(opened, demo(), demo("20261122-204502-other", 2))
            yield opened


class QuestionContract(Contract):
    """The same named question gives the same rows from every store."""

    def test_runs_are_listed_newest_first(self, loaded):
        assert rows(loaded, "runs") == [
            (run, "/p/a.ipynb", "ok", time_text(number), 60.0, "h1", "strace", 2, None)
            for run, number in (("20261122-204502-other", 2), (RUN, 1))
        ]
        assert loaded.runs().columns[0] == "run"

    def test_cells_of_run_counts_data_packages_and_processes(self, loaded):
        assert rows(loaded, "cells-of-run", run=RUN) == [
            (1, "cell-1", 1, 1, "a = read()", "ok", None, time_text(10), 2.0, 2, 2, 0),
            (2, "cell-2", 2, 2, "b = a", "ok", None, time_text(20), 1.0, 5, 0, 1),
            (
                1,
                "cell-1",
                3,
                3,
                "a = read()",
                "failed",
                "ValueError: no",
                time_text(30),
                0.5,
                2,
                0,
                0,
            ),
        ]

    def test_data_of_cell_has_a_row_for_everything_it_touched(self, loaded):
        columns = "cell execution mode path target role sha256 at"
        found = pick(loaded, "data-of-cell", columns, run=RUN)
        renamed, data = "/p/final.csv", "data"
        assert found == [
            (None, None, "read", "/p/settings.toml", None, "config", sha256("s"), time_text(1)),
            (1, 1, "read", "/p/in.csv", None, data, sha256("in"), time_text(10.5)),
            (1, 1, "write", "/p/out.csv", None, data, sha256("out"), time_text(11)),
            (1, 1, "connect", "10.0.0.1", "443", "network", None, time_text(11.5)),
            (1, 1, "read", "/lib/site/numpy/iris.csv", None, "package-data", sha256("iris"),
             time_text(11.7)),
            (2, 2, "read", "/p/out.csv", None, data, sha256("out"), time_text(20.1)),
            (2, 2, "read-write", "/p/db.sqlite", None, data, sha256("new"), time_text(20.2)),
            (2, 2, "write", "/p/part.tmp", None, data, sha256("final"), time_text(20.3)),
            (2, 2, "write", "/p/final.csv", None, data, sha256("final"), time_text(20.4)),
            (2, 2, "rename", "/p/part.tmp", renamed, data, sha256("final"), time_text(20.4)),
            (2, 2, "remove", "/p/in.csv", None, data, sha256("in"), time_text(20.5)),
            (1, 3, "read", NEWLINE, None, data, sha256("odd"), time_text(30.1)),
            (1, 3, "read", NOT_UTF8, None, data, None, time_text(30.2)),
        ]  # fmt: skip

    def test_data_of_cell_says_how_each_access_is_known(self, loaded):
        table = loaded.ask(find_question("data-of-cell"), {"run": RUN, "execution": 3})
        assert list(table.records())[1] == {
            "run": RUN, "cell": 1, "cell_id": "cell-1", "execution": 3, "execution_count": 3,
            "mode": "read", "path": NOT_UTF8, "named": "\udcff\udc80.bin", "target": None,
            "role": "data", "rule": "project-data", "sha256": None, "size": None,
            "undigested": "not looked at", "host": "h1", "process": "10 /usr/bin/python3",
            "task": None, "worker": None, "evidence": "handle", "certainty": "inferred",
            "accesses": 1, "at": time_text(30.2),
        }  # fmt: skip

    def test_data_of_one_cell_holds_all_its_executions_and_nothing_of_the_kernel(self, loaded):
        assert pick(loaded, "data-of-cell", "execution", run=RUN, cell=1) == [(1,)] * 4 + [(3,)] * 2
        assert pick(loaded, "data-of-cell", "execution", run=RUN, cell=1, execution=3) == [(3,)] * 2
        assert rows(loaded, "data-of-cell", run=RUN, cell=9) == []

    def test_packages_of_cell_counts_the_files_touched(self, loaded):
        libc = ("libc6", "2.36-9", "dpkg", "pkg:deb/debian/libc6@2.36-9", 1, "/lib/site", None)
        numpy = ("numpy", "2.1.0", "pip", "pkg:pypi/numpy@2.1.0", 3, "/lib/site", None)
        assert rows(loaded, "packages-of-cell", run=RUN) == [libc, numpy]
        assert rows(loaded, "packages-of-cell", run=RUN, cell=1) == [libc, numpy]
        assert rows(loaded, "packages-of-cell", run=RUN, cell=2) == []

    def test_software_of_cell_lists_the_members_of_footprints(self, loaded):
        libc = ("/lib/libc.so.6", "system", "owned-by-dpkg", "pkg:deb/debian/libc6@2.36-9")
        numpy = ("package", "owned-by-package", "pkg:pypi/numpy@2.1.0")
        of_first = [
            (1, 1, *libc),
            (1, 1, "/lib/site/numpy/__init__.py", *numpy),
            (1, 1, "/lib/site/numpy/core.so", *numpy),
            (1, 1, "/opt/x.so", "unresolved", "nobody-owns", None),
        ]
        columns = "cell execution path role rule package"
        of_run = pick(loaded, "software-of-cell", columns, run=RUN)
        assert of_run == [(None, None, *libc), *of_first]
        assert pick(loaded, "software-of-cell", columns, run=RUN, cell=1) == of_first

    def test_unresolved_files_are_shown(self, loaded):
        assert rows(loaded, "unresolved-files", run=RUN) == [(1, "/opt/x.so", "nobody-owns")]

    def test_cells_that_read_and_wrote_a_file(self, loaded):
        out, base = "/p/out.csv", "/p/db.sqlite"
        assert rows(loaded, "cells-that-read", run=RUN, file=out) == [
            (2, "cell-2", 2, "read", sha256("out"), time_text(20.1))
        ]
        assert rows(loaded, "cells-that-wrote", run=RUN, file=out) == [
            (1, "cell-1", 1, "write", sha256("out"), time_text(11))
        ]
        assert pick(loaded, "cells-that-read", "mode sha256", run=RUN, file=base) == [
            ("read-write", sha256("old"))
        ]
        assert pick(loaded, "cells-that-wrote", "mode sha256", run=RUN, file=base) == [
            ("read-write", sha256("new"))
        ]
        assert pick(loaded, "cells-that-wrote", "mode sha256", run=RUN, file="/p/in.csv") == [
            ("remove", None)
        ]

    @pytest.mark.parametrize("path", [NEWLINE, NOT_UTF8])
    def test_an_oddly_named_file_can_be_asked_for(self, loaded, path):
        assert pick(loaded, "cells-that-read", "execution", run=RUN, file=path) == [(3,)]

    def test_lineage_follows_what_wrote_a_file_through_renames(self, loaded):
        found = pick(loaded, "lineage-of-file", "execution mode path", run=RUN, file="/p/final.csv")
        assert found == [
            (1, "read", "/lib/site/numpy/iris.csv"),
            (1, "read", "/p/in.csv"),
            (1, "write", "/p/out.csv"),
            (2, "read", "/p/out.csv"),
            (2, "read-write", "/p/db.sqlite"),
            (2, "rename", "/p/part.tmp"),
            (2, "write", "/p/final.csv"),
            (2, "write", "/p/part.tmp"),
        ]

    def test_impact_follows_what_read_a_file(self, loaded):
        found = pick(loaded, "impact-of-file", "execution mode path", run=RUN, file="/p/in.csv")
        assert found == [
            (1, "read", "/p/in.csv"),
            (1, "write", "/p/out.csv"),
            (2, "read", "/p/out.csv"),
            (2, "read-write", "/p/db.sqlite"),
            (2, "write", "/p/final.csv"),
            (2, "write", "/p/part.tmp"),
        ]
        assert rows(loaded, "impact-of-file", run=RUN, file=NOT_UTF8)[0][2] == "read"

    def test_edges_of_run_name_the_versions(self, loaded):
        base = demo().base
        found = pick(loaded, "edges-of-run", "execution mode path version", run=RUN)
        assert found[0] == (None, "used", "/p/settings.toml", base + "file/1")
        assert [row for row in found if row[2] == "/p/db.sqlite"] == [
            (2, "generated", "/p/db.sqlite", base + "file/6"),
            (2, "used", "/p/db.sqlite", base + "file/5"),
        ]
        assert {row[1] for row in found} == {"used", "generated", "invalidated"}
        assert len(found) == 13

    def test_software_is_asked_for_by_footprint_and_package(self, loaded):
        [(*kernel, own), (*cell, footprint)] = rows(loaded, "footprints-of-run", run=RUN)
        assert kernel == [None, None, None, None, None]
        assert cell == [1, 1, None, None, "h1"]
        members = rows(loaded, "members-of-footprints", run=RUN)
        libc, numpy = "pkg:deb/debian/libc6@2.36-9", "pkg:pypi/numpy@2.1.0"
        of_cell = [
            ("/lib/libc.so.6", "system", "owned-by-dpkg", libc),
            ("/lib/site/numpy/__init__.py", "package", "owned-by-package", numpy),
            ("/lib/site/numpy/core.so", "package", "owned-by-package", numpy),
            ("/opt/x.so", "unresolved", "nobody-owns", None),
        ]
        assert sorted(members) == sorted(
            [(own, *of_cell[0]), *((footprint, *member) for member in of_cell)]
        )
        assert rows(loaded, "package-records", run=RUN) == [
            (libc, "libc6", "2.36-9", "dpkg", libc, sha256(libc), None),
            (numpy, "numpy", "2.1.0", "pip", numpy, sha256(numpy), None),
        ]

    def test_executions_come_with_their_code_and_what_made_their_files(self, loaded):
        assert rows(loaded, "executions-of-run", run=RUN) == [
            (1, 1, "cell-1", "ok", "a = read()"), (2, 2, "cell-2", "ok", "b = a"),
            (3, 1, "cell-1", "failed", "a = read()"),
        ]  # fmt: skip
        assert rows(loaded, "activities-behind-cell", run=RUN, cell=2) == [(1, 1, None, None)]
        assert rows(loaded, "activities-behind-cell", run=RUN, cell=1) == []

    def test_files_are_told_by_the_step_that_took_or_made_them(self, loaded):
        found = pick(loaded, "files-of-steps", "execution task worker mode path role", run=RUN)
        assert found[0] == (None, None, None, "used", "/p/settings.toml", "config")
        assert [row[3:5] for row in found if row[0] == 2] == [
            ("generated", "/p/db.sqlite"), ("used", "/p/db.sqlite"), ("generated", "/p/final.csv"),
            ("used", "/p/out.csv"), ("generated", "/p/part.tmp"),
        ]  # fmt: skip

    def test_settings_are_told_by_the_execution_that_read_them(self, loaded):
        assert rows(loaded, "settings-of-run", run=RUN) == [
            (None, None, "TZ", "unset", None), (1, 1, "LANG", "set", "C.UTF-8"),
        ]  # fmt: skip

    def test_endpoints_slowest_cells_and_owner_of_a_file(self, loaded):
        assert rows(loaded, "network-endpoints", run=RUN) == [
            (1, 1, "10.0.0.1", 443, time_text(11.5), None, None)
        ]
        assert rows(loaded, "slowest-cells", run=RUN) == [
            (1, "cell-1", 1, 2.0, "ok"), (2, "cell-2", 2, 1.0, "ok"),
            (1, "cell-1", 3, 0.5, "failed"),
        ]  # fmt: skip
        numpy = ("numpy", "2.1.0", "pip", "pkg:pypi/numpy@2.1.0")
        for path, expected in [
            ("/lib/site/numpy/core.so", ("package", "owned-by-package", *numpy)),
            ("/lib/site/numpy/iris.csv", ("package-data", "owned-by-package", *numpy)),
            ("/opt/x.so", ("unresolved", "nobody-owns", None, None, None, None)),
            ("/p/in.csv", ("data", "project-data", None, None, None, None)),
        ]:
            assert rows(loaded, "package-of-file", run=RUN, file=path) == [(path, *expected)]

    @pytest.mark.parametrize("text", TRIES, ids=range(len(TRIES)))
    def test_no_parameter_can_become_part_of_the_query(self, loaded, text):
        asked = [q for q in load_questions().values() if loaded.dialect in q.texts]
        for question in asked:
            values = {p.name: 1 if p.type == "integer" else text for p in question.parameters}
            if "run" in values:
                with pytest.raises(NotFoundError, match="has no run"):
                    loaded.ask(question, values)
            others = [p.name for p in question.parameters if p.type in ("text", "path")]
            if others:
                if "run" in values:
                    values["run"] = RUN
                assert len(loaded.ask(question, values)) == 0, question.name
        assert len(loaded.runs()) == 2

    def test_direct_dependencies_are_what_was_taken_in_and_not_made(self, loaded):
        columns = "kind name version"
        of_second = pick(loaded, "direct-dependencies", columns, run=RUN, cell=2)
        assert of_second == [("data", "/p/db.sqlite", None), ("data", "/p/out.csv", None)]
        of_run = pick(loaded, "direct-dependencies", columns, run=RUN)
        assert of_run == [
            ("config", "/p/settings.toml", None),
            ("data", NEWLINE, None),
            ("data", "/p/db.sqlite", None),
            ("data", "/p/in.csv", None),
            ("data", NOT_UTF8, None),
            ("network", "10.0.0.1:443", None),
            ("package", "libc6", "2.36-9"),
            ("package", "numpy", "2.1.0"),
            ("unresolved", "/opt/x.so", None),
        ]
        assert rows(loaded, "direct-dependencies", run=RUN, worker="none") == []

    def test_contents_and_packages_are_found_across_runs(self, loaded):
        first, last = RUN, OTHER
        digest = sha256("pkg:pypi/numpy@2.1.0")
        numpy = ("numpy", "pip", "2.1.0", digest, 2, first, last)
        assert rows(loaded, "package-versions-across-runs", package="numpy") == [numpy]
        assert numpy in rows(loaded, "package-versions-across-runs")
        assert rows(loaded, "package-versions-across-runs", package="none") == []
        columns = "run cell execution kind name version digest"
        assert pick(loaded, "runs-that-used", columns, content=sha256("in")) == [
            (run, 1, 1, "content", "/p/in.csv", None, sha256("in")) for run in (last, first)
        ]
        for text in ("numpy", "pkg:pypi/numpy@2.1.0"):
            assert pick(loaded, "runs-that-used", columns, package=text) == [
                (run, 1, 1, "package", "numpy", "2.1.0", digest) for run in (last, first)
            ]
        assert rows(loaded, "runs-that-used") == []

    def test_one_content_under_two_names_is_shown(self, loaded):
        assert rows(loaded, "duplicate-content", run=RUN) == [
            (sha256("final"), 5, 2, path, None) for path in ("/p/final.csv", "/p/part.tmp")
        ]

    def test_equal_runs_do_not_diverge(self, loaded):
        assert rows(loaded, "first-divergence", run=RUN, other=OTHER) == []
        with pytest.raises(NotFoundError, match="has no run 'none'"):
            rows(loaded, "first-divergence", run=RUN, other="none")


class KeepingContract(Contract):
    """A run is kept whole or not at all, and what runs share is nobody's to take away."""

    def test_loading_again_gives_the_identical_dump(self, store):
        maker = demo()
        count = store.load(maker.run, maker.uuid, maker.statements)
        assert count == len(maker.statements)
        first = list(store.dump(maker.run))
        assert first == sorted(first)
        store.load(maker.run, maker.uuid, iter(demo().statements))
        assert list(store.dump(maker.run)) == first
        assert len(store.runs()) == 1

    def test_a_reload_forgets_what_is_no_longer_said(self, store):
        maker = demo()
        store.load(maker.run, maker.uuid, maker.statements)
        fewer = GraphMaker(run=maker.run)
        fewer.start(status="interrupted")
        store.load(fewer.run, fewer.uuid, fewer.statements)
        assert rows(store, "data-of-cell", run=maker.run) == []
        assert [row[2] for row in store.runs().rows] == ["interrupted"]

    def test_a_run_loaded_under_another_uuid_replaces_its_namesake(self, store):
        store.load(RUN, demo().uuid, demo().statements)
        again = demo(number=7)
        store.load(RUN, again.uuid, again.statements)
        assert len(store.runs()) == 1
        assert rows(store, "edges-of-run", run=RUN)[0][4] == again.base + "file/1"

    def test_removing_a_run_leaves_what_others_share(self, store):
        for maker in (demo(), demo("other", 2)):
            store.load(maker.run, maker.uuid, maker.statements)
        before = rows(store, "packages-of-cell", run="other")
        store.remove(RUN)
        assert [row[0] for row in store.runs().rows] == ["other"]
        assert rows(store, "packages-of-cell", run="other") == before
        assert not knows(store, demo().base)
        with pytest.raises(NotFoundError, match="has no run"):
            store.remove(RUN)

    def test_statements_that_fail_leave_the_store_as_it_was(self, store):
        def broken():
            yield from demo().statements
            raise ValueError("no more")

        store.load("other", demo("other", 2).uuid, demo("other", 2).statements)
        with pytest.raises(ValueError, match="no more"):
            store.load(RUN, demo().uuid, broken())
        assert [row[0] for row in store.runs().rows] == ["other"]
        assert not knows(store, demo().base)
        with pytest.raises(StoreError, match="name no Run node"):
            store.load(RUN, demo().uuid, [])
        with pytest.raises(StoreError, match="absolute IRI"):
            store.load(RUN, demo().uuid, [*demo().statements, Node("no iri", "Content")])

    def test_two_processes_read_whole_runs_while_a_third_writes(self, store):
        makers = [plausible_run(number, 4, 5, 40) for number in range(1, 6)]
        store.load(makers[0].run, makers[0].uuid, makers[0].statements)
        edges = len(rows(store, "edges-of-run", run=makers[0].run))
        with process(READER, store.location, 5, edges) as one:  # noqa: SIM117
            with process(READER, store.location, 5, edges) as two:
                for maker in makers[1:]:
                    store.load(maker.run, maker.uuid, maker.statements)
                for reader in (one, two):
                    out, err = reader.communicate(timeout=120)
                    assert (out.strip(), err) == ("5", "")

    def test_statements_read_back_make_the_same_dump_anywhere(self, store, tmp_path):
        for maker in (demo(), plausible_run(2, 2, 3, 40)):
            keep(store, maker)
            dump, kept = list(store.dump(maker.run)), store.kept(maker.run)
            back = list(store.statements(maker.run))
            assert kept == (maker.uuid, len(back))
            assert len(back) == len(set(map(repr, back)))
            kinds = [isinstance(statement, Node) for statement in back]
            assert kinds == sorted(kinds, reverse=True)
            with open_store(tmp_path / maker.run) as other:
                assert other.load(maker.run, kept.uuid, back) == len(back)
                assert list(other.dump(maker.run)) == dump
                assert list(other.statements(maker.run)) == back
                store.remove(maker.run)
                store.load(maker.run, kept.uuid, other.statements(maker.run))
            assert list(store.dump(maker.run)) == dump
        for act in (store.kept, lambda run: list(store.statements(run)), store.remove):
            with pytest.raises(NotFoundError, match="has no run 'none'"):
                act("none")

    def test_a_check_finds_a_run_that_lost_only_relationships(self, store):
        maker, other = plausible_run(1, 3, 3, 60), plausible_run(2, 3, 3, 60)
        # Said twice, and led to by nobody: neither is what a run is made of.
        again = [*maker.statements, *maker.statements[-20:]]
        alone = Node("pkg:pypi/alone@1", "Package", {"name": "alone"})
        store.load(maker.run, maker.uuid, [*again, alone])
        keep(store, other)
        checks = [check_run(store, one.run) for one in (maker, other)]
        assert [(check.noted - check.found, list(check.faults)) for check in checks] == [
            (0, [])
        ] * 2
        assert lose_what_was_generated(store, maker) == 6
        check = check_run(store, maker.run)
        lost = f"{check.found} statements where {check.noted} were noted"
        assert (check.noted - check.found, list(check.faults)) == (6, [lost])
        assert not check_run(store, other.run).faults

    def test_statements_read_back_are_those_that_were_given(self, store):
        maker = demo()
        keep(store, maker)
        back = list(store.statements(maker.run))
        # Empty text is not kept, and an edge without a name keeps no properties.
        given_ = {
            (s.uid, s.kind, str(sorted(s.properties.items())))
            for s in maker.statements
            if isinstance(s, Node)
        }
        assert {
            (s.uid, s.kind, str(sorted(s.properties.items()))) for s in back if isinstance(s, Node)
        } == given_
        edges = [
            {
                (s.relation, s.source, s.target, s.uid, str(sorted(s.properties.items())))
                for s in statements
                if isinstance(s, Edge) and s.uid
            }
            for statements in (back, maker.statements)
        ]
        assert edges[0] == edges[1]
        plain = [
            {(s.relation, s.source, s.target) for s in statements if isinstance(s, Edge)}
            for statements in (back, maker.statements)
        ]
        assert plain[0] == plain[1]

    def test_compacting_drops_what_no_run_leads_to_and_nothing_else(self, store):
        keep(store, demo(), plausible_run(2, 2, 3, 40))
        kept = list(store.dump("20261122-204501-00002"))
        assert store.leftovers() == ()
        assert store.compact() == (0, 0)
        store.remove(RUN)
        shared = {s.uid for s in demo().statements if isinstance(s, Node)} - {
            s.uid for s in plausible_run(2, 2, 3, 40).statements if isinstance(s, Node)
        }
        shared = {uid for uid in shared if not uid.startswith(demo().base)}
        assert all(knows(store, uid) for uid in shared)
        assert store.compact() == (0, len(shared))
        assert not any(knows(store, uid) for uid in shared)
        assert list(store.dump("20261122-204501-00002")) == kept
        keep(store, demo())
        assert len(rows(store, "packages-of-cell", run=RUN)) == 2

    def test_the_first_cell_in_which_runs_differ_is_told(self, store):
        keep(store, demo(), changed_demo())
        old, new = sha256("old"), sha256(sha256("old"))
        inputs = [(2, 2, "input", "/p/db.sqlite", old, new)]
        outputs = [
            (2, 2, "output", path, sha256(content), sha256(sha256(content)))
            for path, content in (
                ("/p/db.sqlite", "new"), ("/p/final.csv", "final"), ("/p/part.tmp", "final"),
            )
        ]  # fmt: skip
        assert rows(store, "first-divergence", run=RUN, other=OTHER) == inputs + outputs
        keep(store, plausible_run(3, 1, 2, 20))
        found = rows(store, "first-divergence", run=RUN, other="20261122-204501-00003")
        assert {row[1] for row in found} == {1}
        assert [row[2] for row in found if row[2] != "package"] == [
            "source", "input", "input", "output", "output",
        ]  # fmt: skip
        assert (1, 1, "package", "numpy", "2.1.0 899652c7deb41087", None) in found

    def test_a_question_in_another_dialect_only_is_refused(self, store):
        other = {"sparql": "cypher", "cypher": "sparql"}[store.dialect]
        foreign = Question("odd", "s", (), ("x",), {other: "text"}, Path("odd.file"))
        with pytest.raises(QueryError, match=f"odd is written in {other} only"):
            store.ask(foreign)


class SparqlContract(Contract):
    """What stores that are asked in SPARQL promise besides."""

    @pytest.fixture(scope="class")
    @classmethod
    def datasets(cls, loaded):
        """Give another engine what the store holds: of all runs, and around the demo run."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return {about: rdflib_dataset(loaded, about) for about in (None, demo().base)}

    @pytest.mark.filterwarnings("ignore:Dataset:DeprecationWarning")
    @pytest.mark.parametrize("name", sorted(load_questions()))
    def test_another_engine_gives_the_same_rows(self, loaded, datasets, name):
        asked = find_question(name).parameters
        values = {p.name: VALUES[p.name] for p in asked if p.required or p.name in GIVEN}
        dataset = datasets[demo().base if "run" in values else None]
        found = check_with_rdflib(loaded, dataset, name, **values)
        # The demo has no tasks, no workers, and its other run is the same.
        nothing = "tasks-of-cell tasks-of-run data-of-task data-of-worker undeclared-inputs "
        nothing += "unused-inputs workers-of-run drift-between-workers unobserved "
        nothing += "first-divergence"
        assert bool(found) != (name in nothing.split())

    def test_a_query_of_ones_own_sees_all_runs_and_what_they_share(self, loaded):
        table = loaded.select(
            "SELECT ?run (COUNT(*) AS ?n) { "
            "GRAPH ?graph { ?x a nbr:Cell } GRAPH graph:meta { ?graph nbr:run ?run } } "
            "GROUP BY ?run ORDER BY ?run"
        )
        assert table == Table(("run", "n"), ((RUN, 2), ("20261122-204502-other", 2)))
        assert loaded.select("ASK { ?p a nbr:PackageVersion }").rows == ((True,),)
        text = "CONSTRUCT { ?p nbr:name ?n } { ?p a nbr:PackageVersion ; nbr:name ?n }"
        made = loaded.select(text)
        assert made.columns == ("subject", "predicate", "object")
        assert {row[2] for row in made.rows} == {"numpy", "libc6"}

    def test_rows_beyond_the_limit_are_cut_and_said_so(self, loaded):
        text = "SELECT * { ?s ?p ?o }"
        cut = loaded.select(text, limit=3)
        assert (len(cut), cut.truncated) == (3, True)
        exact = loaded.select("SELECT ?x { VALUES ?x { 1 2 3 } }", limit=3)
        assert (exact.rows, exact.truncated) == (((1,), (2,), (3,)), False)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("DROP ALL", r"would write \(DROP\)"),
            (
                "# SELECT\nPREFIX select: <a:b> INSERT DATA { <a:b> <a:b> 1 }",
                r"would write \(INSERT\)",
            ),
            ("SELECT * { SERVICE <http://localhost:1/> { ?s ?p ?o } }", "asks another server"),
            ("SELECT * {", "not SPARQL"),
            ("SELECT * { } ; DROP ALL", "not SPARQL"),
            ("", "not SPARQL"),
            ("SELECT * { <a b> ?p ?o }", "not SPARQL"),
        ],
    )
    def test_a_query_that_does_more_than_read_is_refused(self, loaded, text, message):
        with pytest.raises(QueryError, match=message):
            loaded.select(text)
        assert len(loaded.runs()) == 2

    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.differing_executors],
    )
    @given(text=st.text(st.characters(exclude_categories=()), max_size=20))
    def test_a_bound_text_comes_back_as_it_is(self, loaded, text):
        echo = parse_question(
            "#+ summary: s\n#+ parameters: [text]\n#+ columns: [text]\n"
            "SELECT ?text WHERE { VALUES ?text { UNDEF } }",
            Path("echo.rq"),
        )
        kept = re.sub("(?![\udc80-\udcff])[\ud800-\udfff]", "\ufffd", text)
        assert loaded.ask(echo, {"text": text}).rows == ((kept,),)

    @pytest.mark.filterwarnings("ignore:Dataset:DeprecationWarning")
    def test_another_reader_understands_the_dump(self, loaded):
        text = "".join(loaded.dump(RUN))
        dataset = rdflib.Dataset()
        dataset.parse(data=text, format="nquads")
        assert len(list(dataset.quads())) == text.count("\n")
        names = {str(graph.identifier) for graph in dataset.graphs() if len(graph)}
        assert names == {demo().base, SHARED_GRAPH, META_GRAPH}


class SparqlKeepingContract(Contract):
    """What stores that are asked in SPARQL promise of what they keep."""

    @pytest.mark.filterwarnings("ignore:Dataset:DeprecationWarning")
    def test_another_engine_finds_the_same_first_divergence(self, store):
        keep(store, demo(), changed_demo())
        dataset = rdflib_dataset(store, demo().base)
        assert check_with_rdflib(store, dataset, "first-divergence", run=RUN, other=OTHER) == 4

    def test_what_runs_share_is_kept_once(self, store):
        maker, other = plausible_run(1, 3, 3, 200), plausible_run(2, 3, 3, 200)
        count = "SELECT (COUNT(*) AS ?n) { GRAPH graph:shared { ?s ?p ?o } }"
        store.load(maker.run, maker.uuid, maker.statements)
        (first,) = store.select(count).rows[0]
        store.load(other.run, other.uuid, other.statements)
        (second,) = store.select(count).rows[0]
        contents = 7
        assert second - first == contents * 2
        assert store.load(maker.run, maker.uuid, maker.statements) == len(maker.statements)
        assert store.select(count).rows[0] == (second,)
