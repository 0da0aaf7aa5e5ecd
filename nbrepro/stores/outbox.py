"""Hold the triples of one run on disk, then hand them to a server in batches."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO

from nbrepro.errors import StoreError
from nbrepro.model import Node, RunId, Statement
from nbrepro.stores.rdf import RunWriter, check_described, iri, part_marker
from nbrepro.stores.tally import Tally
from nbrepro.vocabulary import META_GRAPH, SHARED_GRAPH

BATCH_BYTES = 4 << 20


@contextmanager
def open_outbox(run: RunId, uuid: str) -> Iterator[Outbox]:
    """Open an empty outbox, in files without names that vanish with the process."""
    with tempfile.TemporaryFile() as own, tempfile.TemporaryFile() as shared:
        yield Outbox(run, uuid, own, shared)


class Outbox:
    """The N-Triples of one run: its own and the shared ones.

    A shared node is complete at the server where its first type is: those lines, `markers`, are
    kept apart by subject, to be sent after everything else that is shared.
    """

    def __init__(self, run: RunId, uuid: str, own: IO[bytes], shared: IO[bytes]) -> None:
        self._run = run
        self._writer = RunWriter(uuid)
        self.graph = self._writer.base
        self._own, self._shared = own, shared
        self.markers: dict[str, str] = {}
        self.statements = 0
        self._tally = Tally(self.graph)

    def fill(self, statements: Iterable[Statement]) -> None:
        """Write the triples of all statements. Raises StoreError where no Run is among them."""
        try:
            for statement in statements:
                self.statements += 1
                self._tally.add(statement)
                self._put(statement)
        except OSError as error:
            raise StoreError(
                f"{tempfile.gettempdir()}: the run cannot be held here on its way to the server "
                f"({error.strerror or error}); free some disk space, or set TMPDIR"
            ) from None
        check_described(self._run, self._writer.run_properties)

    def _put(self, statement: Statement) -> None:
        if isinstance(statement, Node) and iri(statement.uid) in self.markers:
            return
        shared, quads = self._writer.lines(statement)
        lines = _triples(quads, SHARED_GRAPH if shared else self.graph)
        if shared and isinstance(statement, Node):
            self.markers[iri(statement.uid)], lines = part_marker(statement, lines)
        (self._shared if shared else self._own).write("".join(lines).encode())

    def own_batches(self) -> Iterator[bytes]:
        """Yield what is of the run alone."""
        yield from _batches(_lines_of(self._own))

    def shared_batches(self, known: set[str]) -> Iterator[bytes]:
        """Yield what is shared but the markers, without what is said of `known` subjects."""
        lines = _lines_of(self._shared)
        yield from _batches(
            line for line in lines if line[: line.index(b" ")].decode() not in known
        )

    def marker_batches(self, known: set[str]) -> Iterator[bytes]:
        """Yield the markers of the subjects that are not in `known`."""
        lines = (line for subject, line in self.markers.items() if subject not in known)
        yield from _batches(line.encode() for line in lines)

    def bundle(self) -> bytes:
        """Give what makes the run visible."""
        quads = self._writer.bundle(self._run, self._tally.count())
        return "".join(_triples(quads, META_GRAPH)).encode()


def _triples(quads: Iterable[str], graph: str) -> list[str]:
    end = f" {iri(graph)} .\n"
    return [quad.removesuffix(end) + " .\n" for quad in quads]


def _lines_of(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    yield from file


def _batches(lines: Iterable[bytes]) -> Iterator[bytes]:
    batch, size = [], 0
    for line in lines:
        batch.append(line)
        size += len(line)
        if size >= BATCH_BYTES:
            yield b"".join(batch)
            batch, size = [], 0
    if batch:
        yield b"".join(batch)
