"""A store at a SPARQL 1.1 server: one named graph a run, as in the embedded store.

Nobody can lock a server, so its graphs say who is at work. A load puts a token beside the run's
graph, into the graph of loads, and then its bundle; the last, small update moves the bundle to the
graph of bundles where the token is still there. Whoever clears a leftover takes its token away, so
that a load which was only slow fails instead of becoming visible in part. A reader that finds
another token after its answer than before asks again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

import pyoxigraph as ox

from nbrepro.errors import NotFoundError, StoreError
from nbrepro.model import RunId, Statement, Table, Value
from nbrepro.queries import Question, find_question
from nbrepro.sparql_text import read_form, tokens
from nbrepro.stores.batches import batches
from nbrepro.stores.credentials import Credentials
from nbrepro.stores.interface import Compacted, Kept, Store
from nbrepro.stores.outbox import Outbox, open_outbox
from nbrepro.stores.protocol import RESULTS, TRIPLES, Answer, Server
from nbrepro.stores.quads import META, SHARED, dump_lines, kept_note, run_quads, shared_by
from nbrepro.stores.rdf import iri
from nbrepro.stores.statements import read_statements
from nbrepro.stores.terms import QUERY_PREFIXES, check_reading, to_table, to_term
from nbrepro.stores.updates import (
    BEGIN,
    DROP_UNUSED,
    FORGET,
    LOADS,
    PUBLISH,
    UNUSED,
    VOID_LOADS,
    new_token,
)
from nbrepro.vocabulary import META_GRAPH, SHARED_GRAPH

T = TypeVar("T")

LEASE_S = 3600.0
"""How long a load may take before others treat what it wrote as left behind."""

_PROLOGUE = "".join(f"PREFIX {name}: <{base}> " for name, base in QUERY_PREFIXES.items())
_NODES = 1000
_TRIES = 5


class EndpointStore(Store):
    """A store at a server that `Server` can speak to."""

    dialect = "sparql"

    def __init__(
        self, location: str, credentials: Credentials | None = None, lease_s: float = LEASE_S
    ) -> None:
        self.location = location
        self._server = Server(location, credentials)
        self._lease_s = lease_s

    def __repr__(self) -> str:
        return f"EndpointStore({self.location!r})"

    def load(self, run: RunId, uuid: str, statements: Iterable[Statement]) -> int:
        """Keep the statements of one run; see Store.load."""
        with open_outbox(run, uuid) as outbox:
            outbox.fill(statements)
            for graph in self.leftovers():
                self._forget(graph)
            self._send(outbox)
            return outbox.statements

    def _send(self, outbox: Outbox) -> None:
        graph, token = outbox.graph, new_token()
        self._server.update(BEGIN.format(graph=iri(graph), token=token))
        for batch in outbox.own_batches():
            self._server.add(graph, batch)
        known = self._known(outbox.markers)
        for batch in (*outbox.shared_batches(known), *outbox.marker_batches(known)):
            self._server.add(SHARED_GRAPH, batch)
        self._server.add(LOADS, outbox.bundle())
        self._server.update(PUBLISH.format(graph=iri(graph), token=token))
        if self._token(graph) != token:
            raise StoreError(
                f"{self.location}: another process loaded or cleared the same run meanwhile; "
                "do it again"
            )
        for other in self._replaced():
            self._forget(other)

    def _known(self, markers: Mapping[str, str]) -> set[str]:
        """Give those subjects, as IRIs in brackets, whose marker the server has."""
        known: set[str] = set()
        for batch in batches(markers, _NODES):
            pairs = " ".join(f"({node} {markers[node].split(' ', 2)[2][:-3]})" for node in batch)
            text = f"SELECT ?node {{ VALUES (?node ?type) {{ {pairs} }} ?node a ?type }}"
            table = self._select(text, default=[SHARED_GRAPH])
            known.update(f"<{node}>" for (node,) in table.rows)
        return known

    def remove(self, run: RunId) -> None:
        """Forget a run; see Store.remove."""
        graph, _ = self._graph(run)
        self._forget(graph)

    def _forget(self, graph: str) -> None:
        self._server.update(FORGET.format(graph=iri(graph)))

    def ask(self, question: Question, parameters: Mapping[str, Value] | None = None) -> Table:
        """Answer a named question; see Store.ask."""
        values = question.check_values(parameters or {})
        text = question.bind(self.dialect, {name: to_term(value) for name, value in values.items()})
        if "run" not in values:
            return self._select(text, *self._everything())
        runs = [RunId(str(values[name])) for name in question.runs if name in values]
        shared = [SHARED_GRAPH, META_GRAPH]
        return self._steadily(
            runs, lambda graph, *others: self._select(text, [graph], [*shared, *others])
        )

    def select(self, text: str, limit: int | None = None, timeout_s: float | None = None) -> Table:
        """Answer a query of the caller's own; see Store.select."""
        check_reading(text)
        default, named = self._everything()
        return self._select(text, default, named, limit, timeout_s)

    def _everything(self) -> tuple[list[str], list[str]]:
        """Name the graphs of all visible runs and of what they share, as one and each."""
        table = self._select("SELECT ?graph { ?graph nbr:run ?run }", [META_GRAPH])
        graphs = [SHARED_GRAPH, META_GRAPH, *(str(graph) for (graph,) in table.rows)]
        return graphs, graphs

    def _select(
        self,
        text: str,
        default: Sequence[str] = (),
        named: Sequence[str] = (),
        limit: int | None = None,
        timeout_s: float | None = None,
    ) -> Table:
        makes_triples = read_form(list(tokens(text))) in ("CONSTRUCT", "DESCRIBE")
        accept = TRIPLES if makes_triples else RESULTS

        def read(answer: Answer) -> Table:
            if makes_triples:
                quads = ox.parse(answer.file, ox.RdfFormat.N_TRIPLES)
                return to_table((quad.triple for quad in quads), limit)
            return to_table(ox.parse_query_results(answer.file, ox.QueryResultsFormat.JSON), limit)

        try:
            return self._server.query(_PROLOGUE + text, accept, read, default, named, timeout_s)
        except (SyntaxError, ValueError) as error:
            raise StoreError(
                f"{self.location}: its answer is not a SPARQL result ({error}); check the address"
            ) from None

    def runs(self) -> Table:
        """List the runs, newest first."""
        question = find_question("runs")
        return self._select(question.text(self.dialect), [META_GRAPH], [META_GRAPH])

    def kept(self, run: RunId) -> Kept:
        """Tell what was noted when a run was kept; see Store.kept."""

        def read(graph: str) -> Kept:
            store = ox.Store()
            store.extend(self._fetch(META, f"VALUES ?s {{ {iri(graph)} }}"))
            return kept_note(store, ox.NamedNode(graph))

        return self._steadily([run], read)

    def statements(self, run: RunId) -> Iterator[Statement]:
        """Yield the statements of a run; see Store.statements."""
        yield from read_statements(
            self._steadily([run], lambda graph: run_quads(self._copied(graph), ox.NamedNode(graph)))
        )

    def dump(self, run: RunId) -> Iterator[str]:
        """Yield the sorted N-Quads lines of a run; see Store.dump."""
        yield from self._steadily(
            [run], lambda graph: dump_lines(self._copied(graph), ox.NamedNode(graph))
        )

    def leftovers(self) -> tuple[str, ...]:
        """Name what loads that never ended left behind: those begun longer than a lease ago."""
        text = (
            f"SELECT ?graph ?since (NOW() AS ?now) {{ GRAPH <{LOADS}> "
            "{ ?graph nbr:loading ?token . OPTIONAL { ?graph nbr:since ?since } } }"
        )
        rows = self._select(text, named=[LOADS]).rows
        return tuple(sorted(str(g) for g, since, now in rows if self._is_over(since, now)))

    def _is_over(self, since: object, now: object) -> bool:
        if since is None:
            return True
        begun, asked = (datetime.fromisoformat(str(text)) for text in (since, now))
        return (asked - begun).total_seconds() >= self._lease_s

    def _replaced(self) -> list[str]:
        text = f"SELECT ?graph {{ GRAPH <{LOADS}> {{ ?graph nbr:loading 'replaced' }} }}"
        return [str(graph) for (graph,) in self._select(text, named=[LOADS]).rows]

    def compact(self) -> Compacted:
        """Drop leftovers and unused shared nodes; the server frees the space as it sees fit."""
        leftovers = self.leftovers()
        for graph in leftovers:
            self._forget(graph)
        nodes = 0
        # Footprints go, then the files that only they held, then the packages of those.
        while found := self._count_unused():
            # Whoever loads at this moment may count on a node that goes.
            self._server.update(VOID_LOADS)
            self._server.update(DROP_UNUSED)
            nodes += found
        return Compacted(len(leftovers), nodes)

    def _count_unused(self) -> int:
        ((count,),) = self._select(UNUSED).rows
        return int(count or 0)

    def close(self) -> None:
        """Close the connections."""
        self._server.close()

    def _steadily(self, runs: Sequence[RunId], act: Callable[..., T]) -> T:
        """Act on the graphs of runs, again where a load replaced one meanwhile."""
        before = [self._graph(run) for run in runs]
        for _ in range(_TRIES):
            found = act(*(graph for graph, _ in before))
            after = [self._graph(run) for run in runs]
            if after == before:
                return found
            before = after
        raise StoreError(f"{self.location}: {runs[0]!r} is loaded again and again; ask later")

    def _graph(self, run: RunId) -> tuple[str, str]:
        """Give the graph of a visible run, and the token of the load that made it."""
        text = (
            f"SELECT ?graph ?token {{ GRAPH <{META_GRAPH}> {{ ?graph nbr:run {to_term(run)} }} "
            f"OPTIONAL {{ GRAPH <{LOADS}> {{ ?graph nbr:loaded ?token }} }} }}"
        )
        for graph, token in self._select(text, named=[META_GRAPH, LOADS]).rows:
            return str(graph), str(token)
        raise NotFoundError(f"{self.location} has no run {run!r}; `nbrepro runs` lists them")

    def _token(self, graph: str) -> str:
        text = f"SELECT ?token {{ GRAPH <{LOADS}> {{ {iri(graph)} nbr:loaded ?token }} }}"
        return "".join(str(token) for (token,) in self._select(text, named=[LOADS]).rows)

    def _copied(self, graph: str) -> ox.Store:
        """Copy a run, its bundle and what it shares into memory."""
        store, node = ox.Store(), ox.NamedNode(graph)
        own = self._fetch(node)
        store.extend(own)
        store.extend(self._fetch(META, f"VALUES ?s {{ {node} }}"))
        store.extend(shared_by(own, self._describe))
        return store

    def _describe(self, nodes: set[ox.NamedNode]) -> list[ox.Quad]:
        """Fetch what is said of shared nodes."""
        return [
            quad
            for batch in batches(sorted(map(str, nodes)), _NODES)
            for quad in self._fetch(SHARED, f"VALUES ?s {{ {' '.join(batch)} }}")
        ]

    def _fetch(self, graph: ox.NamedNode, subjects: str = "") -> list[ox.Quad]:
        """Fetch what a graph says, of some subjects or of all."""
        text = f"CONSTRUCT {{ ?s ?p ?o }} {{ {subjects} ?s ?p ?o }}"

        def read(answer: Answer) -> list[ox.Quad]:
            return [
                ox.Quad(quad.subject, quad.predicate, quad.object, graph)
                for quad in ox.parse(answer.file, ox.RdfFormat.N_TRIPLES)
            ]

        return self._server.query(text, TRIPLES, read, default=[graph.value])
