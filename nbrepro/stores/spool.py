"""Hold the lines of one run on disk until the store is locked, then pick those it lacks."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Self

import pyoxigraph as ox

from nbrepro.model import Node, RunId, Statement
from nbrepro.stores.failures import explain_failure
from nbrepro.stores.rdf import RunWriter, check_described, iri, part_marker
from nbrepro.stores.tally import Tally


class Spool:
    """The lines of one run, in files without names that vanish with the process.

    A shared node is named by what it says, so the first to say it says it for all: it is complete
    where its first type is in the store. Those type lines, `markers`, are written last; those of
    contents, of which only types are said, with the rest: there are as many as files.
    """

    def __init__(self, directory: Path, files: list[IO[bytes]], run: RunId, uuid: str) -> None:
        self._directory = directory
        self._writer = RunWriter(uuid)
        self._run = run
        self._lines, self._shared = files
        self._markers: dict[str, str] = {}
        self._contents: set[str] = set()
        self.graph = ox.NamedNode(self._writer.base)
        self.statements = 0
        self._tally = Tally(self._writer.base)

    @classmethod
    @contextmanager
    def open_in(cls, directory: Path, run: RunId, uuid: str) -> Iterator[Self]:
        """Open an empty spool on the disk of a directory."""
        with ExitStack() as closing:
            try:
                directory.mkdir(parents=True, exist_ok=True)
                files = [_open_nameless(directory) for _ in range(2)]
            except OSError as error:
                raise explain_failure(directory, error, "written") from None
            for file in files:
                closing.callback(_close, file)
            yield cls(directory, files, run, uuid)

    def fill(self, statements: Iterable[Statement]) -> None:
        """Write the lines of all statements. Raises StoreError where there is no Run among them."""
        for statement in statements:
            self.statements += 1
            self._tally.add(statement)
            if isinstance(statement, Node) and iri(statement.uid) in self._markers:
                continue
            shared, lines = self._writer.lines(statement)
            if shared and isinstance(statement, Node):
                subject = iri(statement.uid)
                self._markers[subject], lines = part_marker(statement, lines)
                if statement.kind == "Content":
                    self._contents.add(subject)
            self._write(self._shared if shared else self._lines, lines)
        check_described(self._run, self._writer.run_properties)

    def _write(self, file: IO[bytes], lines: list[str]) -> None:
        try:
            file.write("".join(lines).encode())
        except OSError as error:
            raise explain_failure(self._directory, error, "written") from None

    def lacking(self, store: ox.Store) -> tuple[IO[bytes], bytes]:
        """Give the lines to load, and those that then make them visible in one transaction."""
        known = {
            str(quad.subject)
            for quad in ox.parse("".join(self._markers.values()), ox.RdfFormat.N_QUADS)
            if quad in store
        }
        self._lines.seek(0, 2)
        self._lines.writelines(self._lacking_shared(store, known))
        markers = {s: line for s, line in self._markers.items() if s not in known}
        self._lines.writelines(line.encode() for s, line in markers.items() if s in self._contents)
        self._lines.seek(0)
        rest = [line for s, line in markers.items() if s not in self._contents]
        last = rest + self._writer.bundle(self._run, self._tally.count())
        return self._lines, "".join(last).encode()

    def _lacking_shared(self, store: ox.Store, known: set[str]) -> Iterator[bytes]:
        self._shared.seek(0)
        for line in self._shared:
            subject = line[: line.index(b" ")].decode()
            if subject in self._markers:
                if subject not in known:
                    yield line
            elif not all(quad in store for quad in ox.parse(line, ox.RdfFormat.N_QUADS)):
                yield line


def _open_nameless(directory: Path) -> IO[bytes]:
    return tempfile.TemporaryFile(dir=directory)


def _close(file: IO[bytes]) -> None:
    # What a full disk refuses to take at the end is wanted by nobody; the failure was said before.
    with suppress(OSError):
        file.close()
