"""The store in a Neo4j server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import pyoxigraph as ox

from nbrepro.model import RunId, Statement, Table, Value
from nbrepro.queries import Question, find_question
from nbrepro.stores.interface import Compacted, Kept, Store
from nbrepro.stores.neo4j.asking import check_visible, read_table, select, to_parameters
from nbrepro.stores.neo4j.compacting import clear_leftovers, compact
from nbrepro.stores.neo4j.connection import certainly, explained, open_driver, split_url
from nbrepro.stores.neo4j.lease import LEASE_S, Lease, find_abandoned
from nbrepro.stores.neo4j.loading import load_rows
from nbrepro.stores.neo4j.reading import read_statements
from nbrepro.stores.neo4j.rows import Rows
from nbrepro.stores.neo4j.schema import make_schema
from nbrepro.stores.rdf import RunWriter, literal_text
from nbrepro.vocabulary import run_iri

if TYPE_CHECKING:
    import neo4j

    from nbrepro.stores.credentials import Credentials

T = TypeVar("T")

_KEPT = "MATCH (b:Bundle {run: $run}) RETURN b.uuid, b.statements"


class Neo4jStore(Store):
    """A store in the Neo4j server at a URL, in the database that a path names or the usual one.

    A load of another process that shows no sign of life for `lease_s` is taken for dead.
    """

    dialect = "cypher"

    def __init__(
        self, url: str, credentials: Credentials | None = None, lease_s: float = LEASE_S
    ) -> None:
        self.location = url
        self._url, self._database = split_url(url)
        self._credentials = credentials
        self._lease_s = lease_s
        self._opened: neo4j.Driver | None = None

    def __repr__(self) -> str:
        return f"Neo4jStore({self.location!r})"

    def load(self, run: RunId, uuid: str, statements: Iterable[Statement]) -> int:
        """Keep the statements of one run; see Store.load."""
        with Rows(run, uuid) as rows:
            rows.fill(statements)
            with self._session() as session:
                make_schema(session)
                clear_leftovers(session, self.location, self._lease_s)
                lease = self._lease(session, run, rows.base)
                load_rows(session, lease, rows)
            return rows.statements

    def remove(self, run: RunId) -> None:
        """Forget a run; see Store.remove."""
        uuid = self.kept(run).uuid
        with self._session() as session:
            lease = self._lease(session, run, run_iri(uuid))
            lease.take()
            lease.clear()
            lease.end()

    def ask(self, question: Question, parameters: Mapping[str, Value] | None = None) -> Table:
        """Answer a named question; see Store.ask."""
        values = question.check_values(parameters or {})
        names = tuple(parameter.name for parameter in question.parameters)
        runs = [str(values[p.name]) for p in question.parameters
                if p.type == "run" and p.name in values]  # fmt: skip
        text = question.text(self.dialect)

        def work(transaction: neo4j.ManagedTransaction) -> Table:
            for run in runs:
                check_visible(transaction, self.location, run)
            return read_table(transaction.run(text, to_parameters(names, values)))

        return self._read(work)

    def select(self, text: str, limit: int | None = None, timeout_s: float | None = None) -> Table:
        """Answer a query of the caller's own; see Store.select."""
        with self._session(reading=True) as session:
            return select(session, text, limit, timeout_s)

    def runs(self) -> Table:
        """List the runs, newest first."""
        return self.ask(find_question("runs"))

    def kept(self, run: RunId) -> Kept:
        """Tell what was noted when a run was kept; see Store.kept."""

        def work(transaction: neo4j.ManagedTransaction) -> Kept:
            check_visible(transaction, self.location, run)
            found = transaction.run(_KEPT, run=literal_text(run)).single(strict=True)
            return Kept(found[0], found[1])

        return self._read(work)

    def statements(self, run: RunId) -> Iterator[Statement]:
        """Yield the statements of a run; see Store.statements."""

        def work(transaction: neo4j.ManagedTransaction) -> list[Statement]:
            check_visible(transaction, self.location, run)
            return read_statements(transaction, literal_text(run))

        yield from self._read(work)

    def dump(self, run: RunId) -> Iterator[str]:
        """Yield the sorted N-Quads lines of a run; see Store.dump."""
        kept = self.kept(run)
        writer = RunWriter(kept.uuid)
        lines = [line for each in self.statements(run) for line in writer.lines(each)[1]]
        # The embedded store writes every term in one way only; so does a dump.
        memory = ox.Store()
        memory.bulk_load(
            "".join([*lines, *writer.bundle(run, kept.statements)]).encode(), ox.RdfFormat.N_QUADS
        )
        yield from sorted(f"{quad} .\n" for quad in memory)

    def leftovers(self) -> tuple[str, ...]:
        """Name what killed loads left behind; see Store.leftovers."""
        with self._session() as session:
            return tuple(sorted(uid for _, uid in find_abandoned(session, self._lease_s)))

    def compact(self) -> Compacted:
        """Drop what no run leads to; see Store.compact."""
        with self._session() as session:
            make_schema(session)
            return compact(session, self.location, self._lease_s)

    def close(self) -> None:
        """Close the connections."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _lease(self, session: neo4j.Session, run: RunId, uid: str) -> Lease:
        return Lease(session, self.location, literal_text(run), uid, self._lease_s)

    def _read(self, work: Callable[[neo4j.ManagedTransaction], T]) -> T:
        with self._session(reading=True) as session:
            return certainly(session.execute_read, work)

    @contextmanager
    def _session(self, reading: bool = False) -> Iterator[neo4j.Session]:
        with explained(self._url):
            if self._opened is None:
                self._opened = self._connect()
            mode = "READ" if reading else "WRITE"
            with self._opened.session(database=self._database, default_access_mode=mode) as session:
                yield session

    def _connect(self) -> neo4j.Driver:
        """Connect at once, so that a server that is not there is said without trying again."""
        driver = open_driver(self._url, self._credentials)
        try:
            driver.verify_connectivity()
        except BaseException:
            driver.close()
            raise
        return driver
