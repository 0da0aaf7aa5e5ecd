"""SPARQL servers that go away, refuse, or are none: no half run is ever seen, and one sentence."""

from __future__ import annotations

import http.server
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sparql_servers import (
    SparqlServer,
    free_port,
    opened,
    oxigraph_server,
)

from nbrepro.errors import QueryError, StoreError
from nbrepro.model import Node
from nbrepro.stores import open_store
from nbrepro.stores.copies import check_run, copy_run
from nbrepro.stores.credentials import Credentials
from nbrepro.stores.endpoint import EndpointStore
from nbrepro.stores.protocol import Server
from nbrepro.vocabulary import KINDS
from tests.graphs import demo, plausible_run
from tests.store_contract import RUN, keep, knows, process, rows

pytestmark = pytest.mark.live("httpx")


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    with opened(oxigraph_server, tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def server(started) -> SparqlServer:
    if not started.is_up():
        started.start()
    started.empty()
    return started


@pytest.fixture
def store(server):
    with open_store(server.location) as opened:
        yield opened


def dump_elsewhere(maker, tmp_path):
    with open_store(tmp_path / "elsewhere") as other:
        keep(other, maker)
        return list(other.dump(maker.run))


LOADER = """
import os, signal, sys
from nbrepro.stores import open_store
from nbrepro.stores import outbox
from nbrepro.stores.protocol import Server
from tests.graphs import plausible_run
outbox.BATCH_BYTES = 10_000
left = int(sys.argv[2])
add, update = Server.add, Server.update
def deadly(act):
    def acting(*given):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        act(*given)
    return acting
Server.add, Server.update = deadly(add), deadly(update)
maker = plausible_run(2, 3, 5, 120)
open_store(sys.argv[1]).load(maker.run, maker.uuid, maker.statements)
"""


@pytest.mark.parametrize("requests", [0, 1, 3, 8, -1, -2])
def test_a_load_killed_between_requests_is_never_seen_and_the_next_succeeds(
    store, tmp_path, requests
):
    maker = plausible_run(2, 3, 5, 120)
    keep(store, demo())
    if requests < 0:
        requests += _requests_of(maker)
    with process(LOADER, store.location, requests) as loader:
        assert loader.wait(timeout=60) == -signal.SIGKILL
    assert [row[0] for row in store.runs().rows] == [RUN]
    assert not knows(store, maker.base)
    keep(store, maker)
    assert list(store.dump(maker.run)) == dump_elsewhere(maker, tmp_path)
    assert not check_run(store, maker.run).faults


def _requests_of(maker):
    """Count the requests that write in a load of the loader's."""
    from nbrepro.stores.outbox import open_outbox

    with open_outbox(maker.run, maker.uuid) as outbox:
        outbox.fill(maker.statements)
        size = 10_000
        parts = [[*outbox.own_batches()], [*outbox.shared_batches(set())]]
        parts.append([*outbox.marker_batches(set())])
        counted = [_packed(b"".join(part).splitlines(keepends=True), size) for part in parts]
    return 1 + sum(counted) + 2


def _packed(lines, size):
    batches, held = 0, 0
    for line in lines:
        held += len(line)
        if held >= size:
            batches, held = batches + 1, 0
    return batches + bool(held)


def test_what_a_killed_load_left_is_named_and_dropped_when_its_lease_ends(store):
    keep(store, demo())
    with process(LOADER, store.location, 3) as loader:
        assert loader.wait(timeout=60) == -signal.SIGKILL
    base = plausible_run(2).base
    assert store.leftovers() == ()
    with EndpointStore(store.location, lease_s=0) as strict:
        assert strict.leftovers() == (base,)
        keep(strict, plausible_run(3, 1, 2, 10))
        assert strict.leftovers() == ()
    text = f"ASK {{ GRAPH <{base}> {{ ?s ?p ?o }} }}"
    assert '"boolean":false' in _raw(store, text)


def _raw(store, text):
    """Ask the server itself, past what the store shows."""
    return (
        Server(store.location)
        .query(text, "application/sparql-results+json", lambda answer: answer.read())
        .decode()
    )


def test_a_load_whose_leftovers_were_cleared_meanwhile_fails_and_is_not_seen(store):
    slow = demo()

    class Clearing(EndpointStore):
        def _known(self, markers):
            with EndpointStore(self.location, lease_s=0) as hasty:
                keep(hasty, plausible_run(3, 1, 2, 10))
            return super()._known(markers)

    with (
        Clearing(store.location) as cleared,
        pytest.raises(StoreError, match="loaded or cleared the same run meanwhile; do it again"),
    ):
        keep(cleared, slow)
    assert [row[0] for row in store.runs().rows] == ["20261122-204501-00003"]
    keep(store, slow)
    assert len(store.runs()) == 2


def test_a_server_that_comes_back_during_a_load_loses_nothing(server, store, tmp_path, monkeypatch):
    monkeypatch.setattr("nbrepro.stores.outbox.BATCH_BYTES", 10_000)
    maker = plausible_run(2, 3, 5, 120)
    add, count = Server.add, []

    def add_and_restart(self, graph, triples):
        count.append(graph)
        if len(count) == 3:
            server.kill()
            threading.Timer(1.0, server.start).start()
        add(self, graph, triples)

    monkeypatch.setattr(Server, "add", add_and_restart)
    keep(store, maker)
    assert len(count) > 4
    assert list(store.dump(maker.run)) == dump_elsewhere(maker, tmp_path)


def test_a_server_that_stays_away_is_said_in_one_sentence_and_a_second_try_succeeds(
    server, tmp_path, monkeypatch
):
    monkeypatch.setattr("nbrepro.stores.protocol._PAUSES_S", ())
    with EndpointStore(server.location) as store:
        store._server = Server(server.location, pauses_s=(0.1, 0.1))
        keep(store, demo())
        add = Server.add

        def add_and_die(self, graph, triples):
            server.kill()
            add(self, graph, triples)

        with monkeypatch.context() as patch:
            patch.setattr(Server, "add", add_and_die)
            maker = plausible_run(2, 2, 2, 20)
            with pytest.raises(StoreError, match=r"the server cannot be reached \(.*\); start it"):
                keep(store, maker)
        for act in (store.runs, lambda: store.select("ASK {}"), lambda: store.remove(RUN)):
            with pytest.raises(StoreError, match="cannot be reached"):
                act()
        server.start()
        assert [row[0] for row in store.runs().rows] == [RUN]
        keep(store, maker)
        assert list(store.dump(maker.run)) == dump_elsewhere(maker, tmp_path)


def test_several_writers_at_once_keep_each_run_whole(server):
    makers = [plausible_run(number, 3, 5, 200) for number in range(1, 5)]

    def load(maker):
        with open_store(server.location) as own:
            keep(own, maker)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(load, makers))
    with open_store(server.location) as store:
        assert len(store.runs()) == 4
        assert [check_run(store, maker.run).faults for maker in makers] == [[]] * 4
        edges = {len(rows(store, "edges-of-run", run=maker.run)) for maker in makers}
        assert len(edges) == 1


def test_one_run_loaded_twice_at_once_is_whole_or_said_to_be_in_conflict(server, tmp_path):
    maker = plausible_run(1, 3, 5, 200)

    def load(_):
        with open_store(server.location) as own:
            try:
                keep(own, maker)
            except StoreError as error:
                return str(error)
        return ""

    with ThreadPoolExecutor(3) as pool:
        said = list(pool.map(load, range(3)))
    assert "" in said
    assert all("do it again" in text for text in said if text)
    with open_store(server.location) as store:
        assert list(store.dump(maker.run)) == dump_elsewhere(maker, tmp_path)


def test_a_load_that_a_compaction_overtook_is_not_seen(store, monkeypatch):
    keep(store, demo())
    store.remove(RUN)
    shared = {s.uid for s in demo().statements if isinstance(s, Node) and KINDS[s.kind].shared}
    add, dropped = Server.add, []

    def add_overtaken(self, graph, triples):
        if not dropped:
            with EndpointStore(store.location) as other:
                dropped.append(other.compact().nodes)
        add(self, graph, triples)

    with monkeypatch.context() as patch:
        patch.setattr(Server, "add", add_overtaken)
        with pytest.raises(StoreError, match="do it again"):
            keep(store, demo())
    assert dropped == [len(shared)]
    assert len(store.runs()) == 0
    keep(store, demo())
    assert not check_run(store, RUN).faults


def test_a_query_is_ended_when_its_time_is_over(store):
    keep(store, plausible_run(1, 3, 5, 200))
    endless = "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l }"
    began = time.monotonic()
    with pytest.raises(QueryError, match="longer than 1 s and was ended"):
        store.select(endless, timeout_s=1)
    assert time.monotonic() - began < 30
    rows_ = store.select("SELECT * { ?a ?b ?c . ?d ?e ?f }", limit=5, timeout_s=60)
    assert (len(rows_), rows_.truncated) == (5, True)


def test_runs_are_copied_both_ways_without_a_change(store, tmp_path):
    maker = demo()
    with open_store(tmp_path / "a") as first, open_store(tmp_path / "b") as second:
        keep(first, maker)
        copy_run(first, store, RUN)
        copy_run(store, second, RUN)
        assert list(first.dump(RUN)) == list(store.dump(RUN)) == list(second.dump(RUN))


@pytest.mark.parametrize("ending", ["", "/", "/query", "?query=query&update=update&store=store"])
def test_endpoints_are_found_from_several_forms_of_the_url(server, ending):
    with open_store(server.location + ending) as store:
        keep(store, demo())
        assert len(store.runs()) == 1


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<html>welcome</html>")

    do_POST = do_HEAD = do_GET

    def log_message(self, *_):
        pass


def test_what_is_no_endpoint_is_said_to_be_none():
    with http.server.HTTPServer(("127.0.0.1", 0), _Page) as page:
        thread = threading.Thread(target=page.serve_forever)
        thread.start()
        try:
            with (
                open_store(f"sparql+http://127.0.0.1:{page.server_port}/x") as store,
                pytest.raises(StoreError, match="nothing there answers SPARQL queries"),
            ):
                store.runs()
        finally:
            page.shutdown()
            thread.join()


def test_a_port_where_nobody_listens_is_said_in_one_sentence():
    with (
        open_store(f"sparql+http://127.0.0.1:{free_port()}") as store,
        pytest.raises(
            StoreError, match=r"cannot be reached \(.*\); start it, or check the address"
        ),
    ):
        store.runs()


@pytest.mark.parametrize("location", ["sparql+http://", "sparql+http://h/x?quary=y"])
def test_a_url_that_names_no_server_is_refused(location):
    with pytest.raises(StoreError, match="is not the URL of a SPARQL server"):
        open_store(location)


@pytest.mark.xdist_group("fuseki")
def test_a_server_that_asks_for_a_user_lets_only_that_one_in(fuseki, monkeypatch):
    guarded, secret = fuseki, fuseki.auth[1]
    guarded.empty()
    with open_store(guarded.location) as store, pytest.raises(StoreError, match="wants a user"):
        store.runs()
    wrong = EndpointStore(guarded.location, Credentials("alice", "guess"))
    with wrong as store, pytest.raises(StoreError, match="refuses the user or password") as caught:
        keep(store, demo())
    assert "guess" not in str(caught.value) + repr(store)
    monkeypatch.setenv("NBREPRO_STORE_USER", "alice")
    monkeypatch.setenv("NBREPRO_STORE_PASSWORD", secret)
    with open_store(guarded.location) as store:
        keep(store, demo())
        assert len(store.runs()) == 1
        assert secret not in repr(vars(store)) + store.location
    code = (
        "import sys; from nbrepro.stores import open_store; print(open_store(sys.argv[1]).runs())"
    )
    with process(code, guarded.location) as child:
        out, err = child.communicate(timeout=60)
    assert (RUN in out, err) == (True, "")
    assert secret not in os.fsdecode(guarded.url)
