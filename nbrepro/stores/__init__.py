"""Stores: where the graphs of runs are kept, and what answers questions about them."""

from __future__ import annotations

import re
from pathlib import Path

from nbrepro.errors import StoreError
from nbrepro.stores.interface import Store

__all__ = ["Store", "open_store"]

_URL = re.compile(r"([a-z][a-z0-9+.-]*)://(.*)", re.IGNORECASE | re.DOTALL)


def open_store(location: str | Path) -> Store:
    """Open the store at a path or URL; nothing is read or created before it is needed.

    Raises StoreError where the URL names an engine that is not there.
    """
    match = _URL.fullmatch(str(location))
    if match and match[1].lower() != "file":
        raise StoreError(
            f"{match[1]}://...: no store of this kind is known; give the path of a directory"
        )
    # Imported here so that naming a store costs nothing to those who do not open one.
    from nbrepro.stores.oxigraph import OxigraphStore

    return OxigraphStore(Path(match[2] if match else location))
