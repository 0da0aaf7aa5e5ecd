"""The embedded store: the contract of every store, and other processes, locks and full disks."""

from __future__ import annotations

import os
import resource
import signal
import time
from pathlib import Path

import pyoxigraph as ox
import pytest
from hypothesis import HealthCheck, given, settings

from nbrepro.errors import NotFoundError, QueryError, StoreError
from nbrepro.model import Edge, Node
from nbrepro.stores import open_store
from nbrepro.stores.oxigraph import OxigraphStore
from nbrepro.stores.rdf import RunWriter, iri
from nbrepro.vocabulary import PROV
from tests.graphs import GraphMaker, demo, graph_statements, plausible_run
from tests.store_contract import (
    READER,
    RUN,
    Contract,
    KeepingContract,
    QuestionContract,
    SparqlContract,
    SparqlKeepingContract,
    keep,
    process,
    rows,
)


class Embedded(Contract):
    @pytest.fixture(scope="class")
    @classmethod
    def make_store(cls, tmp_path_factory):
        return lambda: OxigraphStore(tmp_path_factory.mktemp("o") / "store", wait_s=60)


class TestQuestions(Embedded, QuestionContract):
    pass


class TestKeeping(Embedded, KeepingContract):
    pass


class TestSparql(Embedded, SparqlContract):
    pass


class TestSparqlKeeping(Embedded, SparqlKeepingContract):
    pass


@pytest.fixture
def loaded(store):
    keep(store, demo(), demo("20261122-204502-other", 2))
    return store


@pytest.fixture
def store(tmp_path):
    with OxigraphStore(tmp_path / "store", wait_s=60) as opened:
        yield opened


def test_a_query_in_bounded_time_gives_the_same_or_is_ended(loaded):
    text = f"SELECT ?path {{ ?r a nbr:Run ; nbr:run '{RUN}' . ?f nbr:path ?path }} ORDER BY ?path"
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


@pytest.mark.parametrize("url", ["mysql://user:secret@host", "http://user:secret@host/x"])
def test_a_url_of_an_engine_that_is_not_there_is_refused_without_its_password(url):
    with pytest.raises(StoreError, match="no store of this kind") as caught:
        open_store(url)
    assert "secret" not in str(caught.value)


def test_a_file_url_is_a_path(tmp_path):
    assert open_store(f"file://{tmp_path}/s").location == f"{tmp_path}/s"
    assert repr(open_store(tmp_path)) == f"OxigraphStore('{tmp_path}')"


def test_iris_hold_whatever_a_uid_holds():
    assert iri("arcp://uuid,1/host/a b\n<>") == "<arcp://uuid,1/host/a%20b%0A%3C%3E>"
    assert iri("pkg:pypi/x@1%2B2") == "<pkg:pypi/x@1%2B2>"
    assert iri("pkg:pypi/x@50%") == "<pkg:pypi/x@50%25>"
    assert iri("https://h/é") == "<https://h/%C3%A9>"
