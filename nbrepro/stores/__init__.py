"""Stores: where the graphs of runs are kept, and what answers questions about them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from nbrepro.errors import StoreError
from nbrepro.stores.interface import Store

__all__ = ["Store", "check_location", "open_store"]

_URL = re.compile(r"([a-z][a-z0-9+.-]*)://(.*)", re.IGNORECASE | re.DOTALL)


def check_location(location: str) -> None:
    """Check that a location may be one of a store, without going there. Raises StoreError."""
    with open_store(location):
        pass


def open_store(location: str | Path) -> Store:
    """Open the store at a path or URL; nothing is read or created before it is needed.

    A file is an archive of a run, asked as a store of that one run.
    Raises StoreError where the URL names an engine that is not there.
    """
    match = _URL.fullmatch(str(location))
    scheme = match[1].lower() if match else "file"
    open_it = _ENGINES.get(scheme)
    if open_it is None:
        raise StoreError(
            f"{scheme}://...: no store of this kind is known; give the path of a directory, or a "
            "URL that starts with neo4j://, bolt:// or sparql+http://"
        )
    return open_it(match[2] if match and scheme == "file" else str(location))


# The engines are imported when one is opened: naming a store costs nothing to the others.
def _oxigraph(path: str) -> Store:
    if Path(path).is_file():
        return _archived(Path(path))
    from nbrepro.stores.oxigraph import OxigraphStore

    return OxigraphStore(Path(path))


def _archived(path: Path) -> Store:
    from nbrepro.archives.reading import is_archive
    from nbrepro.stores.archived import open_archived

    if not is_archive(path):
        raise StoreError(
            f"{path}: is a file, but no archive of a run; give the directory of a store"
        )
    return open_archived(path)


def _neo4j(url: str) -> Store:
    from nbrepro.stores.credentials import find_credentials
    from nbrepro.stores.neo4j import Neo4jStore

    return Neo4jStore(url, find_credentials())


def _endpoint(url: str) -> Store:
    from nbrepro.stores.credentials import find_credentials
    from nbrepro.stores.endpoint import EndpointStore

    return EndpointStore(url, find_credentials())


_ENGINES: dict[str, Callable[[str], Store]] = {
    "file": _oxigraph,
    **dict.fromkeys(("neo4j", "neo4j+s", "neo4j+ssc", "bolt", "bolt+s", "bolt+ssc"), _neo4j),
    **dict.fromkeys(("sparql+http", "sparql+https"), _endpoint),
}
