"""The embedded store: Oxigraph on disk, one named graph a run.

`lock`, `turn`  what keeps one writer and any number of readers apart
`oxigraph/`     the database, RocksDB: opened for one call, so that no process keeps another out

Shared things are in their own graph. A run exists when its bundle is in the graph of bundles: the
last thing a load writes and the first a removal takes away, so what a killed load leaves behind is
never seen, and the next writer clears it.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import pyoxigraph as ox

from nbrepro.errors import NotFoundError, QueryError
from nbrepro.model import RunId, Statement, Table, Value
from nbrepro.queries import Question, find_question
from nbrepro.stores.failures import explain_failure
from nbrepro.stores.interface import Compacted, Kept, Store
from nbrepro.stores.lock import WAIT_S, locked
from nbrepro.stores.quads import META as _META
from nbrepro.stores.quads import SHARED as _SHARED
from nbrepro.stores.quads import dump_lines, kept_note, objects_of, run_quads
from nbrepro.stores.rdf import literal_text
from nbrepro.stores.spool import Spool
from nbrepro.stores.statements import read_statements
from nbrepro.stores.terms import QUERY_PREFIXES, Results, check_reading, to_table, to_term
from nbrepro.vocabulary import NBR, RDF

T = TypeVar("T")

_DATA = "oxigraph"
_RUN = ox.NamedNode(NBR + "run")
_TYPE = ox.NamedNode(RDF + "type")


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
        text = question.bind(self.dialect, {name: to_term(value) for name, value in values.items()})
        runs = [str(values[name]) for name in question.runs if name in values]
        return self._read(partial(self._answer, text=text, runs=runs))

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

    def kept(self, run: RunId) -> Kept:
        """Tell what was noted when a run was kept; see Store.kept."""
        return self._read(lambda store: kept_note(store, self._graph(store, run)))

    def statements(self, run: RunId) -> Iterator[Statement]:
        """Yield the statements of a run; see Store.statements."""
        quads = self._read(lambda store: run_quads(store, self._graph(store, run)))
        yield from read_statements(quads)

    def leftovers(self) -> tuple[str, ...]:
        """Name what killed loads left behind; see Store.leftovers."""
        return self._read(lambda store: tuple(sorted(graph.value for graph in _leftovers(store))))

    def compact(self) -> Compacted:
        """Drop what no run leads to, and rewrite the database without it; see Store.compact."""
        return self._write(_compact)

    def dump(self, run: RunId) -> Iterator[str]:
        """Yield the sorted N-Quads lines of a run; see Store.dump."""
        yield from self._read(lambda store: dump_lines(store, self._graph(store, run)))

    def close(self) -> None:
        """Do nothing: between calls nothing is open."""

    def _answer(
        self, store: ox.Store, text: str, runs: Sequence[str] = (), limit: int | None = None
    ) -> Table:
        try:
            if runs:
                graph, *others = (self._graph(store, run) for run in runs)
                results = store.query(
                    text,
                    prefixes=QUERY_PREFIXES,
                    default_graph=graph,
                    named_graphs=[_SHARED, _META, *others],
                )
            else:
                results = _query_all(store, text)
            return to_table(results, limit)
        except SyntaxError as error:
            raise QueryError(f"the query is not SPARQL: {error}") from None

    def _graph(self, store: ox.Store, run: str) -> ox.NamedNode:
        for quad in store.quads_for_pattern(None, _RUN, ox.Literal(literal_text(run)), _META):
            assert isinstance(quad.subject, ox.NamedNode)
            return quad.subject
        raise NotFoundError(f"{self.location} has no run {run!r}; `nbrepro runs` lists them")

    def _read(self, act: Callable[[ox.Store], T]) -> T:
        if not (self.path / _DATA / "CURRENT").exists():
            return act(ox.Store())
        with locked(self.path, exclusive=False, wait_s=self._wait_s):
            return self._act(act, ox.Store.read_only, "read")

    def _write(self, act: Callable[[ox.Store], T]) -> T:
        with locked(self.path, exclusive=True, wait_s=self._wait_s):
            done = self._act(act, ox.Store, "written")
            _drop_logs(self.path / _DATA)
            return done

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


def _drop_logs(directory: Path) -> None:
    """Remove what RocksDB tells of its earlier openings: 140 kB each, a thousand of them."""
    for path in directory.glob("LOG.old.*"):
        path.unlink(missing_ok=True)


def _keep(store: ox.Store, run: RunId, spool: Spool) -> None:
    _clear_leftovers(store)
    _retract(store, run)
    _retract_graph(store, spool.graph)
    lines, last = spool.lacking(store)
    # The lines are our own: every IRI was checked when it was written.
    store.bulk_load(lines, ox.RdfFormat.N_QUADS, lenient=True)
    store.load(last, ox.RdfFormat.N_QUADS)
    # Or every reader would replay the journal when it opens the database.
    store.flush()


def _clear_leftovers(store: ox.Store) -> None:
    for graph in _leftovers(store):
        store.remove_graph(graph)


def _leftovers(store: ox.Store) -> list[ox.NamedNode]:
    visible = {_META, _SHARED, *_visible(store)}
    return [
        graph
        for graph in store.named_graphs()
        if graph not in visible and isinstance(graph, ox.NamedNode)
    ]


def _compact(store: ox.Store) -> Compacted:
    leftovers = len(_leftovers(store))
    _clear_leftovers(store)
    nodes = _drop_unused(store)
    store.optimize()
    return Compacted(leftovers, nodes)


def _drop_unused(store: ox.Store) -> int:
    """Remove the shared nodes that nothing leads to, and then those that only they led to."""
    waiting = {
        quad.subject
        for quad in store.quads_for_pattern(None, _TYPE, None, _SHARED)
        if isinstance(quad.subject, ox.NamedNode)
    }
    dropped = 0
    while waiting:
        node = waiting.pop()
        if next(store.quads_for_pattern(None, None, node, None), None) is not None:
            continue
        quads = list(store.quads_for_pattern(node, None, None, _SHARED))
        dropped += bool(quads)
        # In one transaction: a node whose type is there counts as complete.
        store.update(f"DELETE WHERE {{ GRAPH {_SHARED} {{ {node} ?property ?value }} }}")
        waiting |= objects_of(quad for quad in quads if quad.predicate != _TYPE)
    return dropped


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


def _query_all(store: ox.Store, text: str) -> Results:
    """Ask all visible runs and what they share, as one graph and as named graphs."""
    graphs: list[ox.NamedNode | ox.BlankNode] = [_SHARED, _META, *_visible(store)]
    if set(store.named_graphs()) <= set(graphs):
        return store.query(text, prefixes=QUERY_PREFIXES, use_default_graph_as_union=True)
    return store.query(text, prefixes=QUERY_PREFIXES, default_graph=[*graphs], named_graphs=graphs)
