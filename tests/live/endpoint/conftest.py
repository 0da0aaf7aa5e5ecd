"""One Fuseki for all tests of this directory: starting it costs more than most of them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from sparql_servers import SparqlServer, fuseki_server, opened


@pytest.fixture(scope="session")
def fuseki(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparqlServer]:
    """Give a running Fuseki that asks for a user."""
    auth = ("alice", f"s3cret {secrets.token_urlsafe(12)}")
    directory = tmp_path_factory.mktemp("fuseki")
    with opened(lambda path: fuseki_server(path, auth), directory) as server:
        yield server
