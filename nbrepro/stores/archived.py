"""A run in an archive as a store: its graph in memory, to be asked without importing it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, TypeVar

import pyoxigraph as ox

from nbrepro.archives.contents import GRAPH, Contents
from nbrepro.archives.reading import open_archive
from nbrepro.archives.tars import RefusedError
from nbrepro.errors import StoreError
from nbrepro.model import RunId, Statement, Table
from nbrepro.stores.oxigraph import OxigraphStore
from nbrepro.stores.rdf import RunWriter
from nbrepro.vocabulary import META_GRAPH, NBR, SHARED_GRAPH, run_iri

T = TypeVar("T")


class MemoryStore(OxigraphStore):
    """Graphs in memory, which `fill` puts there when they are first asked; nobody writes to it.

    `reopens` says that another process can open the location: what takes too long is ended there.
    """

    def __init__(
        self, location: str, fill: Callable[[ox.Store], None], *, reopens: bool = False
    ) -> None:
        super().__init__(Path(location))
        self.location = location
        self.reopens = reopens
        self._fill = fill
        self._filled: ox.Store | None = None

    def load(self, run: RunId, uuid: str, statements: Iterable[Statement]) -> int:
        """Raise StoreError: what is in a file is only read."""
        raise self._refusal()

    def select(self, text: str, limit: int | None = None, timeout_s: float | None = None) -> Table:
        """Answer a query of the caller's own; see Store.select."""
        return super().select(text, limit, timeout_s if self.reopens else None)

    def _read(self, act: Callable[[ox.Store], T]) -> T:
        if self._filled is None:
            store = ox.Store()
            self._fill(store)
            self._filled = store
        return act(self._filled)

    def _write(self, act: Callable[[ox.Store], T]) -> T:
        raise self._refusal()

    def _refusal(self) -> StoreError:
        return StoreError(
            f"{self.location}: what is in a file is only read; bring it into a store with "
            "nbrepro import"
        )


def open_archived(path: Path) -> MemoryStore:
    """Open an archive as a store. It is read when first asked; raises ArchiveError then."""
    return MemoryStore(str(path), lambda store: _fill(store, path), reopens=True)


def _fill(store: ox.Store, path: Path) -> None:
    with open_archive(path) as archive, tempfile.TemporaryFile() as graph:
        for member, blocks in archive.members():
            assert member.name == GRAPH
            graph.writelines(blocks)
            break
        graph.seek(0)
        _load(store, graph, archive.contents)


def graph_store(contents: Contents, graph: IO[bytes]) -> MemoryStore:
    """Give the graph of an archive, which was read from there, as a store."""
    return MemoryStore(contents.run, lambda store: _load(store, graph, contents))


def _load(store: ox.Store, graph: IO[bytes], contents: Contents) -> None:
    """Load a graph. Raises RefusedError where it is no N-Quads, or tells of another run."""
    try:
        store.bulk_load(graph, ox.RdfFormat.N_QUADS)
    except (SyntaxError, ValueError) as error:
        raise RefusedError(f"{GRAPH} is no N-Quads ({error})") from None
    run, meta = ox.NamedNode(run_iri(contents.uuid)), ox.NamedNode(META_GRAPH)
    strange = set(store.named_graphs()) - {run, meta, ox.NamedNode(SHARED_GRAPH)}
    if strange or list(store.quads_for_pattern(None, None, None, ox.DefaultGraph())):
        raise RefusedError(f"{GRAPH} tells of something else than run {contents.run!r}")
    noted = list(store.quads_for_pattern(None, None, None, meta))
    named = ox.Quad(run, ox.NamedNode(NBR + "run"), ox.Literal(contents.run), meta)
    if named not in noted or {quad.subject for quad in noted} != {run}:
        raise RefusedError(f"{GRAPH} does not note run {contents.run!r}, or others too")


def statement_store(
    location: str, run: RunId, uuid: str, statements: Iterable[Statement]
) -> MemoryStore:
    """Give the statements of one run as a store."""

    def fill(store: ox.Store) -> None:
        writer, count = RunWriter(uuid), 0
        with tempfile.TemporaryFile() as lines:
            for statement in statements:
                count += 1
                lines.writelines(line.encode() for line in writer.lines(statement)[1])
            lines.writelines(line.encode() for line in writer.bundle(run, count))
            lines.seek(0)
            store.bulk_load(lines, ox.RdfFormat.N_QUADS)

    return MemoryStore(location, fill)
