"""Fixtures for tests with a real Neo4j server: one for the session, an empty store for a test.

A user's own server is used where NBREPRO_TEST_NEO4J names one, with the credentials that nbrepro
itself would find; its database has to be empty, and is empty again afterwards.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import neo4j_server
import pytest

from nbrepro.stores import open_store
from nbrepro.stores.credentials import PASSWORD, USER
from nbrepro.stores.neo4j import Neo4jStore

COUNT = "MATCH (n) RETURN count(n) AS n"
DELETE = "MATCH (n) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 5000 ROWS"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[neo4j_server.Server]:
    """Give a running server of our own, which a test may stop and start again."""
    reason = neo4j_server.lack_of_tools()
    if reason:
        pytest.skip(reason)
    started = neo4j_server.Server(tmp_path_factory.mktemp("neo4j"))
    try:
        started.start()
    except neo4j_server.ServerError as error:
        pytest.skip(str(error))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(USER, neo4j_server.USER)
        patch.setenv(PASSWORD, started.password)
        yield started
    started.stop()


@pytest.fixture(scope="session")
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the URL of a server with an empty database; processes find the credentials too."""
    given = os.environ.get("NBREPRO_TEST_NEO4J")
    found = given or str(request.getfixturevalue("server").url)
    with open_store(found) as store:
        ((nodes,),) = store.select(COUNT).rows
    if nodes:
        pytest.fail(f"{found}: its database holds {nodes} nodes; give the tests an empty one")
    yield found
    if given:
        _empty(given)


@pytest.fixture(scope="class")
def make_store(url: str) -> Callable[[], Neo4jStore]:
    """Give a function that opens the store, emptied."""

    def make() -> Neo4jStore:
        _empty(url)
        return _opened(url)

    return make


def _opened(url: str) -> Neo4jStore:
    store = open_store(url)
    assert isinstance(store, Neo4jStore)
    return store


def _empty(url: str) -> None:
    with _opened(url) as store, store._session() as session:
        session.run(DELETE).consume()
