"""What goes wrong around a Neo4j server, and that no half of a run is ever seen for it."""

from __future__ import annotations

import os
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

import neo4j_server
import pytest
from proxies import lossy_proxy

from nbrepro.errors import NotFoundError, StoreError
from nbrepro.queries import find_question
from nbrepro.stores import open_store
from nbrepro.stores.credentials import Credentials
from nbrepro.stores.neo4j import Neo4jStore, loading
from nbrepro.stores.neo4j.lease import Lease
from tests.graphs import demo, plausible_run
from tests.store_contract import process

pytestmark = [
    pytest.mark.live("java"),
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("neo4j"),  # one server, whose database is one test's at a time
]
PARTIAL = "MATCH (n:Partial) RETURN count(n)"
OF_RUN = "MATCH (n:Prov {run: '%s'}) RETURN count(n)"


@pytest.fixture
def store(make_store):
    with make_store() as opened:
        yield opened


@pytest.fixture
def maker(monkeypatch):
    """A run of some twenty transactions, which are small here."""
    monkeypatch.setattr(loading, "BATCH", 60)
    return plausible_run(2, 5, 8, 100)


def one(store, text):
    ((value,),) = store.select(text).rows
    return value


def check_whole(store, maker, tmp_path):
    """Check that a run is there as a fresh store would have it, with nothing unfinished."""
    with open_store(tmp_path / "fresh") as fresh:
        fresh.load(maker.run, maker.uuid, maker.statements)
        assert list(store.dump(maker.run)) == list(fresh.dump(maker.run))
    assert one(store, PARTIAL) == 0
    assert one(store, "MATCH (l:Load) RETURN count(l)") == 0
    assert store.leftovers() == ()


LOADER = """
import os, signal, sys
from nbrepro.stores import open_store
from nbrepro.stores.neo4j import loading
from nbrepro.stores.neo4j.lease import Lease
from tests.graphs import plausible_run

step, end, count, when = Lease.step, Lease.end, 0, sys.argv[2]

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def deadly(lease, work):
    global count
    count += 1
    if when == f"before {count}":
        die()
    def dying(transaction):
        work(transaction)
        if when == f"in {count}":
            die()
    step(lease, dying)

Lease.step = deadly
if when == "end":
    Lease.end = die
loading.BATCH = 60
maker = plausible_run(2, 5, 8, 100)
open_store(sys.argv[1]).load(maker.run, maker.uuid, maker.statements)
"""


@pytest.mark.parametrize("when", ["before 1", "before 4", "in 4", "in 8", "end"])
def test_a_killed_load_leaves_no_half_run_and_the_next_succeeds(store, maker, tmp_path, when):
    before = plausible_run(1, 2, 3, 50)
    store.load(before.run, before.uuid, before.statements)
    with process(LOADER, store.location, when) as loader:
        assert loader.wait(timeout=120) == -signal.SIGKILL
    assert [row[0] for row in store.runs().rows] == [before.run]
    for act in (lambda: list(store.dump(maker.run)), lambda: store.kept(maker.run)):
        with pytest.raises(NotFoundError):
            act()
    question = find_question("data-of-cell")
    with pytest.raises(NotFoundError):
        store.ask(question, {"run": maker.run})
    store.load(maker.run, maker.uuid, maker.statements)
    check_whole(store, maker, tmp_path)
    assert len(store.ask(question, {"run": maker.run})) == 40


def test_what_a_killed_load_left_is_named_and_cleared_by_another_run(store, maker):
    with process(LOADER, store.location, "in 10") as loader:
        assert loader.wait(timeout=120) == -signal.SIGKILL
    assert store.leftovers() == ()  # For all that is known, it is still being loaded.
    impatient = Neo4jStore(store.location, store._credentials, lease_s=0)
    with impatient:
        assert impatient.leftovers() == (maker.base,)
        assert one(store, OF_RUN % maker.run) > 0
        impatient.load(demo().run, demo().uuid, demo().statements)
        assert impatient.leftovers() == ()
    assert one(store, OF_RUN % maker.run) == 0
    assert [row[0] for row in store.runs().rows] == [demo().run]
    # The parts of footprints that it left are made whole by whoever needs them.
    assert one(store, PARTIAL) > 0
    assert store.compact().nodes > 0
    assert one(store, PARTIAL) == 0


def test_a_server_that_ends_in_a_load_and_comes_back_gets_it_whole(
    server, store, maker, tmp_path, monkeypatch
):
    if store.location != server.url:
        pytest.skip("this server is not ours to stop")
    step, count = Lease.step, iter(range(1, 100))
    starting = []

    def shaky(lease, work):
        number = next(count)

        def dying(transaction):
            work(transaction)
            if number == 6 and not starting:
                server.kill()
                starting.append(threading.Thread(target=server.start))
                starting[0].start()

        step(lease, dying)

    monkeypatch.setattr(Lease, "step", shaky)
    store.load(maker.run, maker.uuid, maker.statements)
    starting[0].join()
    check_whole(store, maker, tmp_path)


def test_a_store_that_was_open_while_the_server_was_away_still_answers(server, store):
    if store.location != server.url:
        pytest.skip("this server is not ours to stop")
    store.load(demo().run, demo().uuid, demo().statements)
    server.stop()
    with pytest.raises(StoreError, match="no Neo4j server can be reached there"):
        open_store(store.location).runs()
    server.start()
    assert len(store.runs()) == 1


def test_a_commit_whose_answer_is_lost_is_neither_repeated_nor_left_out(
    server, store, maker, tmp_path
):
    """Every third commit is lost on its way back, the last one that shows the run too."""
    if store.location != server.url:
        pytest.skip("the proxy stands before our own server")
    with lossy_proxy(server.port, set(range(1, 200, 3))) as proxy:
        behind = Neo4jStore(f"bolt://127.0.0.1:{proxy.port}", store._credentials)
        with behind:
            behind.load(maker.run, maker.uuid, maker.statements)
        assert proxy.dropped >= 4
    check_whole(store, maker, tmp_path)
    relationships = one(store, f"MATCH (:Prov {{run: '{maker.run}'}})-[r]->() RETURN count(r)")
    given = {
        (s.relation, s.source, s.target, s.uid)
        for s in maker.statements
        if hasattr(s, "relation") and s.source.startswith(maker.base)
    }
    assert relationships == len(given)


def test_two_writers_of_runs_with_the_same_software_both_succeed(store, tmp_path):
    makers = [plausible_run(number, 3, 5, 800) for number in (1, 2)]
    with ThreadPoolExecutor() as pool:
        loads = [
            pool.submit(Neo4jStore(store.location, store._credentials).load, m.run, m.uuid,
                        m.statements)
            for m in makers
        ]  # fmt: skip
        assert [load.result(timeout=120) for load in loads] == [len(m.statements) for m in makers]
    with open_store(tmp_path / "other") as other:
        for maker in makers:
            other.load(maker.run, maker.uuid, maker.statements)
            assert list(store.dump(maker.run)) == list(other.dump(maker.run))
    assert one(store, PARTIAL) == 0


def test_of_two_writers_of_one_run_the_later_takes_over_and_the_earlier_is_told(
    store, maker, tmp_path, monkeypatch
):
    step, count = Lease.step, iter(range(1, 100))

    def interrupted(lease, work):
        if next(count) == 5:
            monkeypatch.setattr(Lease, "step", step)
            with Neo4jStore(store.location, store._credentials) as later:
                later.load(maker.run, maker.uuid, maker.statements)
        step(lease, work)

    monkeypatch.setattr(Lease, "step", interrupted)
    with pytest.raises(StoreError, match="taken over by another writer"):
        store.load(maker.run, maker.uuid, maker.statements)
    check_whole(store, maker, tmp_path)


def test_a_run_removed_while_it_is_loaded_again_stays_whole_or_absent(store, maker, monkeypatch):
    store.load(maker.run, maker.uuid, maker.statements)
    take = Lease.take

    def late(lease):
        monkeypatch.setattr(Lease, "take", take)
        with Neo4jStore(store.location, store._credentials) as other:
            other.load(maker.run, maker.uuid, maker.statements)
        take(lease)

    monkeypatch.setattr(Lease, "take", late)
    store.remove(maker.run)
    assert len(store.runs()) == 0
    assert one(store, OF_RUN % maker.run) == 0


def test_compacting_is_refused_during_a_load_and_a_load_during_compacting(store, monkeypatch):
    refusals = []
    step = Lease.step

    def meanwhile(lease, work):
        if not refusals:
            refusals.append("")
            with Neo4jStore(store.location, store._credentials) as other:
                for act in (other.compact,
                            lambda: other.load("other", demo("other", 2).uuid,
                                               demo("other", 2).statements)):  # fmt: skip
                    try:
                        act()
                    except StoreError as error:
                        refusals.append(str(error))
        step(lease, work)

    monkeypatch.setattr(Lease, "step", meanwhile)
    store.load(demo().run, demo().uuid, demo().statements)
    assert [text for text in refusals if text] == [
        f"{store.location}: a run is being loaded; compact it when that is done"
    ]
    refusals.clear()
    store.compact()
    assert any("is being compacted; do it again" in text for text in refusals)
    assert len(store.runs()) == 2


class _NotNeo4j(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_who_is_no_neo4j_server_is_said_in_one_sentence(monkeypatch):
    monkeypatch.setattr("nbrepro.stores.neo4j.connection.CONNECT_S", 1.0)
    with HTTPServer(("127.0.0.1", 0), _NotNeo4j) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        store = open_store(f"bolt://127.0.0.1:{other.server_port}")
        with store, pytest.raises(StoreError, match=r"no Neo4j server .*Bolt port$") as caught:
            store.runs()
        other.shutdown()
    assert "\n" not in str(caught.value)


def test_nobody_at_the_port_is_said_at_once():
    with Neo4jStore(f"bolt://127.0.0.1:{neo4j_server.free_port()}") as store:
        for act in (store.runs, lambda: store.load(demo().run, demo().uuid, demo().statements)):
            with pytest.raises(StoreError, match="no Neo4j server can be reached there"):
                act()


def test_a_server_that_says_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr("nbrepro.stores.neo4j.connection.CONNECT_S", 1.0)
    refused = pytest.raises(StoreError, match="no Neo4j server can be reached there")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = Neo4jStore(f"bolt://127.0.0.1:{silent.getsockname()[1]}")
        with store, refused:
            store.runs()


def test_a_wrong_password_is_said_without_it(url):
    for credentials in (Credentials("neo4j", "not-it-secret"), Credentials("who", "secret"), None):
        refused = pytest.raises(StoreError, match="refuses the user or the password")
        with Neo4jStore(url, credentials) as store, refused as caught:
            store.runs()
        assert "secret" not in str(caught.value)


def test_a_database_that_is_not_there_is_said(url):
    refused = pytest.raises(StoreError, match="no such database; check what follows the host")
    with open_store(f"{url}/nowhere") as store, refused:
        store.runs()


@pytest.mark.parametrize("scheme", ["neo4j", "bolt"])
def test_the_same_server_is_reached_with_and_without_routing(url, scheme):
    with open_store(f"{scheme}://{url.partition('://')[2]}/neo4j") as store:
        assert store.runs().columns[0] == "run"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("neo4j://", "is not understood"),
        ("bolt://host:port", "is not understood"),
        ("bolt://h/a b", "not the name of a database"),
        ("neo4j://user:secret@host", "do not belong into a store's URL"),
    ],
)
def test_a_url_that_cannot_be_meant_is_refused(url, message):
    with pytest.raises(StoreError, match=message) as caught:
        Neo4jStore(url)
    assert "secret" not in str(caught.value)


def test_nothing_is_left_in_the_environment_of_a_command_line(server):
    """The password goes to no process as an argument."""
    assert server.process is not None
    with open(f"/proc/{server.process.pid}/cmdline", "rb") as file:
        assert server.password.encode() not in file.read()
    assert server.password in os.environ.values()
