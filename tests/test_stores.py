"""What every store promises: rows, visibility, repeatability, and other processes at work."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pyoxigraph as ox
import pytest
import rdflib
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nbrepro.errors import NotFoundError, QueryError, StoreError
from nbrepro.model import Edge, Node, Table
from nbrepro.queries import find_question, load_questions, parse_question
from nbrepro.stores import open_store
from nbrepro.stores.oxigraph import OxigraphStore
from nbrepro.stores.rdf import RunWriter, iri
from nbrepro.vocabulary import META_GRAPH, PROV, SHARED_GRAPH, run_iri
from tests.graphs import (
    NEWLINE,
    NOT_UTF8,
    GraphMaker,
    demo,
    graph_statements,
    plausible_run,
    sha256,
    time_text,
)

ROOT = Path(__file__).resolve().parent.parent
RUN = "20261122-204501-demo"


@pytest.fixture(params=["oxigraph"])
def store(tmp_path, request):
    """Give an empty store of every kind there is."""
    with {"oxigraph": OxigraphStore}[request.param](tmp_path / "store", wait_s=60) as opened:
        yield opened


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """Give a store that holds the demo run and another run of the same names."""
    with open_store(tmp_path_factory.mktemp("loaded") / "store") as opened:
        for maker in (demo(), demo("20261122-204502-other", 2)):
            opened.load(maker.run, maker.uuid, maker.statements)
        yield opened


def rows(store, name, **parameters):
    return list(store.ask(find_question(name), parameters).rows)


def pick(store, name, columns, **parameters):
    table = store.ask(find_question(name), parameters)
    places = [table.columns.index(column) for column in columns.split()]
    return [tuple(row[place] for place in places) for row in table.rows]


def test_runs_are_listed_newest_first(loaded):
    assert rows(loaded, "runs") == [
        (run, "/p/a.ipynb", "ok", time_text(number), 60.0, "h1", "strace", 2, None)
        for run, number in (("20261122-204502-other", 2), (RUN, 1))
    ]
    assert loaded.runs().columns[0] == "run"


def test_cells_of_run_counts_data_packages_and_processes(loaded):
    assert rows(loaded, "cells-of-run", run=RUN) == [
        (1, "cell-1", 1, 1, "a = read()", "ok", None, time_text(10), 2.0, 2, 2, 0),
        (2, "cell-2", 2, 2, "b = a", "ok", None, time_text(20), 1.0, 5, 0, 1),
        (1, "cell-1", 3, 3, "a = read()", "failed", "ValueError: no", time_text(30), 0.5, 2, 0, 0),
    ]


def test_data_of_cell_has_a_row_for_everything_it_touched(loaded):
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


def test_data_of_cell_says_how_each_access_is_known(loaded):
    table = loaded.ask(find_question("data-of-cell"), {"run": RUN, "execution": 3})
    assert list(table.records())[1] == {
        "run": RUN, "cell": 1, "cell_id": "cell-1", "execution": 3, "execution_count": 3,
        "mode": "read", "path": NOT_UTF8, "named": "\udcff\udc80.bin", "target": None,
        "role": "data", "rule": "project-data", "sha256": None, "size": None,
        "undigested": "not looked at", "host": "h1", "process": "10 /usr/bin/python3",
        "task": None, "worker": None, "evidence": "handle", "certainty": "inferred",
        "accesses": 1, "at": time_text(30.2),
    }  # fmt: skip


def test_data_of_one_cell_holds_all_its_executions_and_nothing_of_the_kernel(loaded):
    assert pick(loaded, "data-of-cell", "execution", run=RUN, cell=1) == [(1,)] * 4 + [(3,)] * 2
    assert pick(loaded, "data-of-cell", "execution", run=RUN, cell=1, execution=3) == [(3,)] * 2
    assert rows(loaded, "data-of-cell", run=RUN, cell=9) == []


def test_packages_of_cell_counts_the_files_touched(loaded):
    libc = ("libc6", "2.36-9", "dpkg", "pkg:deb/debian/libc6@2.36-9", 1, "/lib/site", None)
    numpy = ("numpy", "2.1.0", "pip", "pkg:pypi/numpy@2.1.0", 3, "/lib/site", None)
    assert rows(loaded, "packages-of-cell", run=RUN) == [libc, numpy]
    assert rows(loaded, "packages-of-cell", run=RUN, cell=1) == [libc, numpy]
    assert rows(loaded, "packages-of-cell", run=RUN, cell=2) == []


def test_software_of_cell_lists_the_members_of_footprints(loaded):
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


def test_unresolved_files_are_shown(loaded):
    assert rows(loaded, "unresolved-files", run=RUN) == [(1, "/opt/x.so", "nobody-owns")]


def test_cells_that_read_and_wrote_a_file(loaded):
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
def test_an_oddly_named_file_can_be_asked_for(loaded, path):
    assert pick(loaded, "cells-that-read", "execution", run=RUN, file=path) == [(3,)]


def test_lineage_follows_what_wrote_a_file_through_renames(loaded):
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


def test_impact_follows_what_read_a_file(loaded):
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


def test_edges_of_run_name_the_versions(loaded):
    base = demo().base
    found = pick(loaded, "edges-of-run", "execution mode path version", run=RUN)
    assert found[0] == (None, "used", "/p/settings.toml", base + "file/1")
    assert [row for row in found if row[2] == "/p/db.sqlite"] == [
        (2, "generated", "/p/db.sqlite", base + "file/6"),
        (2, "used", "/p/db.sqlite", base + "file/5"),
    ]
    assert {row[1] for row in found} == {"used", "generated", "invalidated"}
    assert len(found) == 13


def test_endpoints_slowest_cells_and_owner_of_a_file(loaded):
    assert rows(loaded, "network-endpoints", run=RUN) == [(1, 1, "10.0.0.1", 443, time_text(11.5))]
    assert rows(loaded, "slowest-cells", run=RUN) == [
        (1, "cell-1", 1, 2.0, "ok"), (2, "cell-2", 2, 1.0, "ok"), (1, "cell-1", 3, 0.5, "failed"),
    ]  # fmt: skip
    numpy = ("numpy", "2.1.0", "pip", "pkg:pypi/numpy@2.1.0")
    for path, expected in [
        ("/lib/site/numpy/core.so", ("package", "owned-by-package", *numpy)),
        ("/lib/site/numpy/iris.csv", ("package-data", "owned-by-package", *numpy)),
        ("/opt/x.so", ("unresolved", "nobody-owns", None, None, None, None)),
        ("/p/in.csv", ("data", "project-data", None, None, None, None)),
    ]:
        assert rows(loaded, "package-of-file", run=RUN, file=path) == [(path, *expected)]


# Each of these was asked above, of one engine.
ASKED_ELSEWHERE = [
    "cells-of-run", "data-of-cell", "packages-of-cell", "software-of-cell", "unresolved-files",
    "cells-that-read", "cells-that-wrote", "lineage-of-file", "impact-of-file", "edges-of-run",
    "network-endpoints", "slowest-cells", "package-of-file",
]  # fmt: skip
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


def rdflib_rows(dump, run, text):
    """Answer a bound question with another engine, from the dump alone."""
    dataset = rdflib.Dataset()
    for quad in ox.parse("".join(dump).encode(), ox.RdfFormat.N_QUADS):
        target = (
            dataset.default_graph
            if quad.graph_name.value == run_iri(run)
            else dataset.graph(rdflib.URIRef(quad.graph_name.value))
        )
        target.parse(data=f"{ox.Triple(quad.subject, quad.predicate, quad.object)} .", format="nt")
    return dataset.query(text)


@pytest.mark.filterwarnings("ignore:Dataset:DeprecationWarning")
@pytest.mark.parametrize("name", ASKED_ELSEWHERE)
def test_another_engine_gives_the_same_rows(loaded, name):
    question = find_question(name)
    values = {"run": RUN} | ({"file": "/p/out.csv"} if "file" in question.texts["sparql"] else {})
    values = {key: values[key] for key in values if key in {p.name for p in question.parameters}}
    bound = question.bind("sparql", {key: f'"{value}"' for key, value in values.items()})
    answer = rdflib_rows(loaded.dump(RUN), demo().uuid, bound)
    ours = loaded.ask(question, values)
    assert [str(variable) for variable in answer.vars] == list(ours.columns)

    def plain(row):
        texts = ("" if value is None else str(value) for value in row)
        # rdflib keeps microseconds only and writes the zone as +00:00.
        return tuple(text[:19] if TIME.match(text) else text for text in texts)

    theirs = {plain(row) for row in answer}
    assert {plain(row) for row in ours.rows if NEWLINE not in row and NOT_UTF8 not in row} <= theirs
    assert len(answer) == len(ours)


TRIES = [
    '"', "'", '" } } #', '" . ?x ?y ?z . "', "\\", "\\u0022 } DROP ALL #", "{}", "$file ?file",
    "<http://a b>", "UNDEF } VALUES ?run { UNDEF", "\n\r\t\0", "é\U0001f600", "\udcff", "\ud800",
    "\uffff", "", "x" * 100_000, "'''", '"""', "?", "arcp://uuid,x/", "]] --", "\u2028",
]  # fmt: skip


@pytest.mark.parametrize("text", TRIES, ids=range(len(TRIES)))
def test_no_parameter_can_become_part_of_the_query(loaded, text):
    for question in load_questions().values():
        values = {p.name: 1 if p.type == "integer" else text for p in question.parameters}
        if "run" in values:
            with pytest.raises(NotFoundError, match="has no run"):
                loaded.ask(question, values)
        others = [p.name for p in question.parameters if p.type in ("text", "path")]
        if others:
            assert len(loaded.ask(question, values | {"run": RUN})) == 0, question.name
    assert len(loaded.runs()) == 2


@settings(max_examples=60, deadline=None)
@given(text=st.text(st.characters(exclude_categories=()), max_size=20))
def test_a_bound_text_comes_back_as_it_is(loaded, text):
    echo = parse_question(
        "#+ summary: s\n#+ parameters: [text]\n#+ columns: [text]\n"
        "SELECT ?text WHERE { VALUES ?text { UNDEF } }",
        Path("echo.rq"),
    )
    kept = "".join("\ufffd" if "\ud800" <= c <= "\udfff" and not "\udc80" <= c <= "\udcff" else c
                   for c in text)  # fmt: skip
    assert loaded.ask(echo, {"text": text}).rows == ((kept,),)


def test_a_query_of_ones_own_sees_all_runs_and_what_they_share(loaded):
    table = loaded.select("SELECT ?run (COUNT(*) AS ?n) { ?x a nbr:Cell ; nbr:run ?run } GROUP BY "
                          "?run ORDER BY ?run")  # fmt: skip
    assert table == Table(("run", "n"), ((RUN, 2), ("20261122-204502-other", 2)))
    assert loaded.select("ASK { ?p a nbr:PackageVersion }").rows == ((True,),)
    made = loaded.select("CONSTRUCT { ?p nbr:name ?n } { ?p a nbr:PackageVersion ; nbr:name ?n }")
    assert made.columns == ("subject", "predicate", "object")
    assert {row[2] for row in made.rows} == {"numpy", "libc6"}


def test_rows_beyond_the_limit_are_cut_and_said_so(loaded):
    text = "SELECT * { ?s ?p ?o }"
    cut = loaded.select(text, limit=3)
    assert (len(cut), cut.truncated) == (3, True)
    exact = loaded.select("SELECT ?x { VALUES ?x { 1 2 3 } }", limit=3)
    assert (exact.rows, exact.truncated) == (((1,), (2,), (3,)), False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("DROP ALL", r"would write \(DROP\)"),
        ("# SELECT\nPREFIX select: <a:b> INSERT DATA { <a:b> <a:b> 1 }", r"would write \(INSERT\)"),
        ("SELECT * { SERVICE <http://localhost:1/> { ?s ?p ?o } }", "asks another server"),
        ("SELECT * {", "not SPARQL"),
        ("SELECT * { } ; DROP ALL", "not SPARQL"),
        ("", "not SPARQL"),
        ("SELECT * { <a b> ?p ?o }", "not SPARQL"),
    ],
)
def test_a_query_that_does_more_than_read_is_refused(loaded, text, message):
    with pytest.raises(QueryError, match=message):
        loaded.select(text)
    assert len(loaded.runs()) == 2


def test_a_query_in_bounded_time_gives_the_same_or_is_ended(loaded):
    text = f"SELECT ?path {{ ?f nbr:path ?path ; nbr:run '{RUN}' }} ORDER BY ?path"
    assert loaded.select(text, timeout_s=60) == loaded.select(text)
    with pytest.raises(QueryError, match="not SPARQL"):
        loaded.select("SELECT", timeout_s=60)
    endless = "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l }"
    with pytest.raises(QueryError, match="longer than 2 s"):
        loaded.select(endless, timeout_s=2)


def test_a_store_that_is_not_there_yet_is_empty(store):
    assert store.runs().rows == ()
    assert store.select("SELECT * { ?s ?p ?o }").rows == ()
    with pytest.raises(NotFoundError, match="has no run 'x'; `nbrepro runs`"):
        rows(store, "cells-of-run", run="x")
    assert not Path(store.location).exists()


def test_loading_again_gives_the_identical_dump(store):
    maker = demo()
    count = store.load(maker.run, maker.uuid, maker.statements)
    assert count == len(maker.statements)
    first = list(store.dump(maker.run))
    assert first == sorted(first)
    store.load(maker.run, maker.uuid, iter(demo().statements))
    assert list(store.dump(maker.run)) == first
    assert len(store.runs()) == 1


def test_a_reload_forgets_what_is_no_longer_said(store):
    maker = demo()
    store.load(maker.run, maker.uuid, maker.statements)
    fewer = GraphMaker(run=maker.run)
    fewer.start(status="interrupted")
    store.load(fewer.run, fewer.uuid, fewer.statements)
    assert rows(store, "data-of-cell", run=maker.run) == []
    assert [row[2] for row in store.runs().rows] == ["interrupted"]


def test_a_run_loaded_under_another_uuid_replaces_its_namesake(store):
    store.load(RUN, demo().uuid, demo().statements)
    again = demo(number=7)
    store.load(RUN, again.uuid, again.statements)
    assert len(store.runs()) == 1
    assert rows(store, "edges-of-run", run=RUN)[0][4] == again.base + "file/1"


def test_removing_a_run_leaves_what_others_share(store):
    for maker in (demo(), demo("other", 2)):
        store.load(maker.run, maker.uuid, maker.statements)
    before = rows(store, "packages-of-cell", run="other")
    store.remove(RUN)
    assert [row[0] for row in store.runs().rows] == ["other"]
    assert rows(store, "packages-of-cell", run="other") == before
    assert store.select(f"ASK {{ GRAPH <{demo().base}> {{ ?s ?p ?o }} }}").rows == ((False,),)
    with pytest.raises(NotFoundError, match="has no run"):
        store.remove(RUN)


def test_what_runs_share_is_kept_once(store):
    maker, other = plausible_run(1, 3, 3, 200), plausible_run(2, 3, 3, 200)
    count = "SELECT (COUNT(*) AS ?n) { GRAPH graph:shared { ?s ?p ?o } }"
    store.load(maker.run, maker.uuid, maker.statements)
    (first,) = store.select(count).rows[0]
    store.load(other.run, other.uuid, other.statements)
    (second,) = store.select(count).rows[0]
    contents = 7
    assert second - first == contents * 4
    assert store.load(maker.run, maker.uuid, maker.statements) == len(maker.statements)
    assert store.select(count).rows[0] == (second,)


def test_statements_that_fail_leave_the_store_as_it_was(store):
    def broken():
        yield from demo().statements
        raise ValueError("no more")

    store.load("other", demo("other", 2).uuid, demo("other", 2).statements)
    with pytest.raises(ValueError, match="no more"):
        store.load(RUN, demo().uuid, broken())
    assert [row[0] for row in store.runs().rows] == ["other"]
    assert store.select(f"ASK {{ GRAPH <{demo().base}> {{ ?s ?p ?o }} }}").rows == ((False,),)
    with pytest.raises(StoreError, match="name no Run node"):
        store.load(RUN, demo().uuid, [])
    with pytest.raises(StoreError, match="absolute IRI"):
        store.load(RUN, demo().uuid, [*demo().statements, Node("no iri", "Content")])


@pytest.mark.filterwarnings("ignore:Dataset:DeprecationWarning")
def test_another_reader_understands_the_dump(loaded):
    text = "".join(loaded.dump(RUN))
    dataset = rdflib.Dataset()
    dataset.parse(data=text, format="nquads")
    assert len(list(dataset.quads())) == text.count("\n")
    names = {str(graph.identifier) for graph in dataset.graphs() if len(graph)}
    assert names == {demo().base, SHARED_GRAPH, META_GRAPH}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(statements=graph_statements())
def test_every_statement_is_in_the_dump_and_nothing_else(tmp_path_factory, statements):
    """Judge the writer by rebuilding, from the dump alone, the facts that went in."""
    maker = GraphMaker()
    maker.start()
    given_ = maker.statements + statements
    with open_store(tmp_path_factory.mktemp("h") / "store") as opened:
        opened.load(maker.run, maker.uuid, given_)
        dump = list(opened.dump(maker.run))
    found = {(q.subject, q.predicate, q.object)
             for q in ox.parse("".join(dump).encode(), ox.RdfFormat.N_QUADS)
             if q.graph_name.value == maker.base}  # fmt: skip
    writer = RunWriter(maker.uuid)
    written = [line for s in given_ for shared, lines in [writer.lines(s)] if not shared
               for line in lines]  # fmt: skip
    memory = ox.Store()
    memory.load("".join(written).encode(), ox.RdfFormat.N_QUADS)
    assert found == {(q.subject, q.predicate, q.object) for q in memory}
    for statement in statements:
        if isinstance(statement, Node):
            kinds = {o.value for s, p, o in found if s.value == statement.uid and "type" in p.value}
            assert PROV + "Entity" in kinds
        elif isinstance(statement, Edge):
            assert any(
                (s.value, o.value) == (statement.source, statement.target) for s, _, o in found
            )


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


def test_two_processes_read_whole_runs_while_a_third_writes(store):
    makers = [plausible_run(number, 5, 10, 100) for number in range(1, 6)]
    store.load(makers[0].run, makers[0].uuid, makers[0].statements)
    edges = len(rows(store, "edges-of-run", run=makers[0].run))
    with process(READER, store.location, 5, edges) as one:  # noqa: SIM117
        with process(READER, store.location, 5, edges) as two:
            for maker in makers[1:]:
                store.load(maker.run, maker.uuid, maker.statements)
            for reader in (one, two):
                out, err = reader.communicate(timeout=120)
                assert (out.strip(), err) == ("5", "")


LOADER = """
import os, signal, sys
from nbrepro.stores import open_store
from nbrepro.stores.spool import Spool
from tests.graphs import plausible_run

class Deadly:
    # A file whose reader is killed: at once, or when so much has been read.
    def __init__(self, file, after):
        self.file, self.left = file, after
    def read(self, size=-1):
        self.left -= 1
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.file.read(size)

lacking = Spool.lacking
def deadly(spool, store):
    lines, last = lacking(spool, store)
    if sys.argv[3] == "bulk":
        return Deadly(lines, 3), last
    return lines, Deadly(None, 0)
if sys.argv[3] in ("bulk", "bundle"):
    Spool.lacking = deadly
maker = plausible_run(int(sys.argv[2]), 20, 40, 1000)
store = open_store(sys.argv[1])
print("ready", flush=True)
store.load(maker.run, maker.uuid, maker.statements)
"""


@pytest.mark.parametrize("when", ["bulk", "bundle", 0.2, 0.4])
def test_a_killed_load_leaves_no_half_run_and_the_next_succeeds(store, when):
    before, maker = plausible_run(1, 2, 3, 50), plausible_run(2, 20, 40, 1000)
    store.load(before.run, before.uuid, before.statements)
    with process(LOADER, store.location, 2, when) as loader:
        assert loader.stdout.readline() == "ready\n"
        if isinstance(when, float):
            time.sleep(when)
            os.kill(loader.pid, signal.SIGKILL)
        assert loader.wait(timeout=60) in (-signal.SIGKILL, 0)
    visible = {row[0] for row in store.runs().rows}
    assert visible in ({before.run}, {before.run, maker.run})
    if isinstance(when, str):
        assert visible == {before.run}
    if maker.run not in visible:
        seen = store.select(f"SELECT ?s {{ ?s nbr:run '{maker.run}' }}", limit=1)
        assert seen.rows == ()
    store.load(maker.run, maker.uuid, maker.statements)
    assert len(rows(store, "data-of-cell", run=maker.run)) == 800
    fresh = open_store(Path(store.location).with_name("fresh"))
    fresh.load(maker.run, maker.uuid, maker.statements)
    assert list(store.dump(maker.run)) == list(fresh.dump(maker.run))


def test_what_a_killed_load_left_is_not_seen_and_cleared_by_the_next(tmp_path):
    store = OxigraphStore(tmp_path / "store")
    store.load("kept", demo("kept", 1).uuid, demo("kept", 1).statements)
    dead = demo("dead", 2)
    raw = ox.Store(str(tmp_path / "store" / "oxigraph"))
    raw.add(ox.Quad(ox.NamedNode(dead.base), ox.NamedNode("a:b"), ox.Literal("left"),
                    ox.NamedNode(dead.base)))  # fmt: skip
    del raw
    assert store.select('SELECT * { ?s ?p "left" }').rows == ()
    assert store.select('SELECT * { GRAPH ?g { ?s ?p "left" } }').rows == ()
    assert store.select("ASK { ?p a nbr:PackageVersion }").rows == ((True,),)
    store.load("more", demo("more", 3).uuid, demo("more", 3).statements)
    raw = ox.Store.read_only(str(tmp_path / "store" / "oxigraph"))
    assert not raw.contains_named_graph(ox.NamedNode(dead.base))


def test_waiting_for_a_writer_ends_with_its_pid_in_the_sentence(tmp_path):
    code = """
import sys, time
from pathlib import Path
from nbrepro.stores.lock import locked
with locked(Path(sys.argv[1]), exclusive=True):
    print("held", flush=True)
    time.sleep(60)
"""
    store = OxigraphStore(tmp_path / "store", wait_s=0.2)
    store.load(RUN, demo().uuid, demo().statements)
    with process(code, store.path) as holder:
        assert holder.stdout.readline() == "held\n"
        for act in (store.runs, lambda: store.remove(RUN)):
            with pytest.raises(StoreError, match=f"still in use by process {holder.pid} after 0.2"):
                act()
    assert len(store.runs()) == 1


def test_a_writer_is_not_kept_out_by_readers_that_take_turns(tmp_path):
    store = OxigraphStore(tmp_path / "store", wait_s=60)
    store.load("first", demo("first", 1).uuid, demo("first", 1).statements)
    endless = READER.replace("len(seen) < int(sys.argv[2])", "True")
    edges = len(rows(store, "edges-of-run", run="first"))
    with process(endless, store.path, 0, edges) as one:  # noqa: SIM117
        with process(endless, store.path, 0, edges) as two:
            store.load("second", demo("second", 2).uuid, demo("second", 2).statements)
            assert one.poll() is None
            assert two.poll() is None
    assert len(store.runs()) == 2


def test_a_corrupt_database_is_said_in_one_sentence(tmp_path):
    store = OxigraphStore(tmp_path / "store")
    store.load(RUN, demo().uuid, demo().statements)
    (tmp_path / "store" / "oxigraph" / "CURRENT").write_text("nonsense")
    with pytest.raises(StoreError, match=r"store cannot be read \(.*\); .*nbrepro ingest`$"):
        store.runs()
    with pytest.raises(StoreError, match="store cannot be written"):
        store.load(RUN, demo().uuid, demo().statements)


def test_a_store_where_a_file_is_in_the_way_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "store"):
        with pytest.raises(StoreError, match="the store cannot be written"):
            OxigraphStore(path).load(RUN, demo().uuid, demo().statements)


def test_a_disk_that_takes_no_more_leaves_no_half_run(tmp_path):
    """A limit on the size of files stands for the full disk: the same write fails midway."""
    code = """
import sys, resource
from nbrepro.errors import StoreError
from nbrepro.stores import open_store
from tests.graphs import plausible_run
maker = plausible_run(2, 20, 40, 1000)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
try:
    open_store(sys.argv[1]).load(maker.run, maker.uuid, maker.statements)
except StoreError as error:
    print(error)
"""
    store = OxigraphStore(tmp_path / "store")
    store.load(RUN, demo().uuid, demo().statements)
    for limit in (100_000, 3_000_000):
        with process(code, store.path, limit) as loader:
            out, err = loader.communicate(timeout=120)
        assert err == ""
        assert out.startswith(f"{store.path}: the store cannot be written (")
        assert [row[0] for row in store.runs().rows] == [RUN]
    maker = plausible_run(2, 20, 40, 1000)
    store.load(maker.run, maker.uuid, maker.statements)
    assert len(store.runs()) == 2
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 100_000


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (OSError(28, "No space left on device"), "free some disk space"),
        (OSError("IO error: No space left on device: While appending"), "free some disk space"),
        (PermissionError(13, "Permission denied"), "check who owns it"),
        (OSError("Corruption: bad block"), "rebuild it from the run directories"),
        (OSError("IO error: input/output error"), "check the disk"),
    ],
)
def test_each_failure_says_what_to_do(tmp_path, error, advice):
    def fail(store):
        raise error

    store = OxigraphStore(tmp_path)
    (tmp_path / "oxigraph").mkdir()
    with pytest.raises(StoreError, match=advice):
        store._write(fail)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_who_may_only_read_can_ask_and_is_told_when_writing(tmp_path):
    store = OxigraphStore(tmp_path / "store")
    store.load(RUN, demo().uuid, demo().statements)
    code = """
import sys, os
from nbrepro.errors import StoreError
from nbrepro.stores import open_store
from tests.graphs import demo
store = open_store(sys.argv[1])
store.runs()
os.setuid(65534)
print(len(store.runs()))
try:
    store.load("x", demo("x", 2).uuid, demo("x", 2).statements)
except StoreError as error:
    print(error)
"""
    for directory in (tmp_path, *tmp_path.parents):
        if directory.stat().st_uid == 0 and not directory.stat().st_mode & 1:
            directory.chmod(0o755)
    with process(code, store.path) as other:
        out, err = other.communicate(timeout=60)
    assert err == ""
    assert out.startswith("1\n")
    assert "cannot be written (Permission denied); check who owns it" in out


@pytest.mark.parametrize("url", ["neo4j://localhost", "sparql+http://h/x", "bolt+s://h"])
def test_a_url_of_an_engine_that_is_not_there_is_refused_without_its_password(url):
    with pytest.raises(StoreError, match="no store of this kind") as caught:
        open_store(url.replace("//", "//user:secret@"))
    assert "secret" not in str(caught.value)


def test_a_file_url_is_a_path(tmp_path):
    assert open_store(f"file://{tmp_path}/s").location == f"{tmp_path}/s"
    assert repr(open_store(tmp_path)) == f"OxigraphStore('{tmp_path}')"


def test_iris_hold_whatever_a_uid_holds():
    assert iri("arcp://uuid,1/host/a b\n<>") == "<arcp://uuid,1/host/a%20b%0A%3C%3E>"
    assert iri("pkg:pypi/x@1%2B2") == "<pkg:pypi/x@1%2B2>"
    assert iri("pkg:pypi/x@50%") == "<pkg:pypi/x@50%25>"
    assert iri("https://h/é") == "<https://h/%C3%A9>"
