"""The embedded store: Oxigraph on disk, one named graph a run.

`lock`, `turn`  what keeps one writer and any number of readers apart
`oxigraph/`     the database, RocksDB: opened for one call, so that no process keeps another out

Shared things are in their own graph. A run exists when its bundle is in the graph of bundles: the
last thing a load writes and the first a removal takes away, so what a killed load leaves behind is
never seen, and the next writer clears it.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

import pyoxigraph as ox

from nbrepro.errors import NotFoundError, QueryError
from nbrepro.model import Cell, RunId, Statement, Table, Value
from nbrepro.queries import Question, find_question
from nbrepro.sparql_text import READING, read_form, tokens
from nbrepro.stores.failures import explain_failure
from nbrepro.stores.interface import Store
from nbrepro.stores.lock import WAIT_S, locked
from nbrepro.stores.rdf import literal_text
from nbrepro.stores.spool import Spool
from nbrepro.vocabulary import (
    GRAPHS,
    META_GRAPH,
    NBR,
    PREFIXES,
    SHARED_GRAPH,
    XSD,
    from_text,
)

T = TypeVar("T")

_DATA = "oxigraph"
_META = ox.NamedNode(META_GRAPH)
_SHARED = ox.NamedNode(SHARED_GRAPH)
_RUN = ox.NamedNode(NBR + "run")
_PREFIXES = PREFIXES | {"graph": GRAPHS}


class OxigraphStore(Store):
    """A store in a directory of its own; `wait_s` bounds the wait for other processes."""

    dialect = "sparql"

    def __init__(self, path: Path, wait_s: float = WAIT_S) -> None:
        self.path = path
        self.location = str(path)
        self._wait_s = wait_s

    def __repr__(self) -> str:
        return f"OxigraphStore({self.location!r})"

    def load(self, run: RunId, uuid: str, statements: Iterable[Statement]) -> int:
        """Keep the statements of one run; see Store.load."""
        with Spool.open_in(self.path, run, uuid) as spool:
            spool.fill(statements)
            self._write(partial(_keep, run=run, spool=spool))
            return spool.statements

    def remove(self, run: RunId) -> None:
        """Forget a run; see Store.remove."""
        self._read(partial(self._graph, run=run))
        self._write(partial(_retract, run=run))

    def ask(self, question: Question, parameters: Mapping[str, Value] | None = None) -> Table:
        """Answer a named question; see Store.ask."""
        values = question.check_values(parameters or {})
        text = question.bind(self.dialect, {name: _term(value) for name, value in values.items()})
        return self._read(partial(self._answer, text=text, run=values.get("run")))

    def select(self, text: str, limit: int | None = None, timeout_s: float | None = None) -> Table:
        """Answer a query of the caller's own; see Store.select."""
        check_reading(text)
        if timeout_s is not None:
            from nbrepro.stores.bounded import select_bounded

            return select_bounded(self.location, text, limit, timeout_s)
        return self._read(partial(self._answer, text=text, limit=limit))

    def runs(self) -> Table:
        """List the runs, newest first."""
        return self.ask(find_question("runs"))

    def dump(self, run: RunId) -> Iterator[str]:
        """Yield the sorted N-Quads lines of a run; see Store.dump."""
        yield from self._read(partial(self._dump, run=run))

    def close(self) -> None:
        """Do nothing: between calls nothing is open."""

    def _answer(
        self, store: ox.Store, text: str, run: Value | None = None, limit: int | None = None
    ) -> Table:
        try:
            if run is not None:
                graph = self._graph(store, str(run))
                results = store.query(
                    text, prefixes=_PREFIXES, default_graph=graph, named_graphs=[_SHARED, _META]
                )
            else:
                results = _query_all(store, text)
            return _table(results, limit)
        except SyntaxError as error:
            raise QueryError(f"the query is not SPARQL: {error}") from None

    def _graph(self, store: ox.Store, run: str) -> ox.NamedNode:
        for quad in store.quads_for_pattern(None, _RUN, ox.Literal(literal_text(run)), _META):
            assert isinstance(quad.subject, ox.NamedNode)
            return quad.subject
        raise NotFoundError(f"{self.location} has no run {run!r}; `nbrepro runs` lists them")

    def _dump(self, store: ox.Store, run: str) -> list[str]:
        graph = self._graph(store, run)
        own = list(store.quads_for_pattern(None, None, None, graph))
        bundle = store.quads_for_pattern(graph, None, None, _META)
        lines = {f"{quad} .\n" for quad in (*own, *bundle, *_shared_by(store, own))}
        return sorted(lines)

    def _read(self, act: Callable[[ox.Store], T]) -> T:
        if not (self.path / _DATA / "CURRENT").exists():
            return act(ox.Store())
        with locked(self.path, exclusive=False, wait_s=self._wait_s):
            return self._act(act, ox.Store.read_only, "read")

    def _write(self, act: Callable[[ox.Store], T]) -> T:
        with locked(self.path, exclusive=True, wait_s=self._wait_s):
            return self._act(act, ox.Store, "written")

    def _act(self, act: Callable[[ox.Store], T], open_: Callable[[str], ox.Store], what: str) -> T:
        store = None
        try:
            store = open_(str(self.path / _DATA))
            return act(store)
        except BaseException as error:
            # The frames of a traceback would keep the database open beyond the lock.
            traceback.clear_frames(error.__traceback__)
            if isinstance(error, (OSError, RuntimeError)):
                raise explain_failure(self.path, error, what) from None
            raise
        finally:
            del store


def check_reading(text: str) -> None:
    """Check that a query only reads, and only the store. Raises QueryError."""
    words = list(tokens(text))
    form = read_form(words)
    if form and form not in READING:
        raise QueryError(f"the query would write ({form}); only SELECT, ASK and CONSTRUCT are run")
    if any(word.kind == "word" and word.text.upper() == "SERVICE" for word in words):
        raise QueryError("the query asks another server (SERVICE); only this store is asked")


def _keep(store: ox.Store, run: RunId, spool: Spool) -> None:
    _clear_leftovers(store)
    _retract(store, run)
    _retract_graph(store, spool.graph)
    lines, last = spool.lacking(store)
    store.bulk_load(lines, ox.RdfFormat.N_QUADS)
    store.load(last, ox.RdfFormat.N_QUADS)
    # Or every reader would replay the journal when it opens the database.
    store.flush()


def _clear_leftovers(store: ox.Store) -> None:
    visible = {_META, _SHARED, *_visible(store)}
    for graph in [graph for graph in store.named_graphs() if graph not in visible]:
        store.remove_graph(graph)


def _visible(store: ox.Store) -> list[ox.NamedNode]:
    quads = store.quads_for_pattern(None, _RUN, None, _META)
    return [quad.subject for quad in quads if isinstance(quad.subject, ox.NamedNode)]


def _retract(store: ox.Store, run: str) -> None:
    for quad in list(store.quads_for_pattern(None, _RUN, ox.Literal(literal_text(run)), _META)):
        assert isinstance(quad.subject, ox.NamedNode)
        _retract_graph(store, quad.subject)


def _retract_graph(store: ox.Store, graph: ox.NamedNode) -> None:
    # The bundle goes last-in, first-out, in one transaction: from here on the run is not visible.
    store.update(f"DELETE WHERE {{ GRAPH {_META} {{ {graph} ?property ?value }} }}")
    store.remove_graph(graph)


def _query_all(store: ox.Store, text: str) -> ox.QuerySolutions | ox.QueryBoolean | ox.QueryTriples:
    """Ask all visible runs and what they share, as one graph and as named graphs."""
    graphs: list[ox.NamedNode | ox.BlankNode] = [_SHARED, _META, *_visible(store)]
    if set(store.named_graphs()) <= set(graphs):
        return store.query(text, prefixes=_PREFIXES, use_default_graph_as_union=True)
    return store.query(text, prefixes=_PREFIXES, default_graph=[*graphs], named_graphs=graphs)


def _shared_by(store: ox.Store, quads: Iterable[ox.Quad]) -> Iterator[ox.Quad]:
    """Yield what the shared graph says of everything that the quads lead to."""
    waiting = {quad.object for quad in quads if isinstance(quad.object, ox.NamedNode)}
    seen: set[ox.NamedNode] = set()
    while waiting:
        seen |= waiting
        found: set[ox.NamedNode] = set()
        for node in waiting:
            for quad in store.quads_for_pattern(node, None, None, _SHARED):
                yield quad
                if isinstance(quad.object, ox.NamedNode):
                    found.add(quad.object)
        waiting = found - seen


def _term(value: Value) -> str:
    """Give a parameter's value as SPARQL writes it; the engine's own terms do the quoting."""
    return str(ox.Literal(literal_text(value) if isinstance(value, str) else value))


def _table(
    results: ox.QuerySolutions | ox.QueryBoolean | ox.QueryTriples, limit: int | None
) -> Table:
    if isinstance(results, ox.QueryBoolean):
        return Table(("answer",), ((bool(results),),))
    if isinstance(results, ox.QuerySolutions):
        columns = tuple(variable.value for variable in results.variables)
    else:
        columns = ("subject", "predicate", "object")
    rows: list[tuple[Cell, ...]] = []
    for result in results:
        if limit is not None and len(rows) == limit:
            return Table(columns, tuple(rows), truncated=True)
        rows.append(tuple(map(_cell, result)))
    return Table(columns, tuple(rows))


_TIME_DIGITS = 9


def _cell(term: object) -> Cell:
    if term is None:
        return None
    if not isinstance(term, ox.Literal):
        return term.value if isinstance(term, ox.NamedNode) else str(term)
    text, type_ = term.value, term.datatype.value
    if type_ == XSD + "string":
        return from_text(text)
    convert = _CONVERSIONS.get(type_)
    return convert(text) if convert else text


def _time(text: str) -> str:
    """Give all nine digits of the second back: the store drops the last zeros."""
    head, zone, _ = text.partition("Z")
    whole, _, fraction = head.partition(".")
    return f"{whole}.{fraction:0<{_TIME_DIGITS}}Z" if zone else text


_CONVERSIONS: dict[str, Callable[[str], Cell]] = {
    XSD + "integer": int,
    XSD + "double": float,
    XSD + "decimal": float,
    XSD + "boolean": "true".__eq__,
    XSD + "dateTime": _time,
}
