"""Turn values into the terms of a SPARQL query, and its results into tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pyoxigraph as ox

from nbrepro.errors import QueryError
from nbrepro.model import Cell, Table, Value
from nbrepro.sparql_text import READING, read_form, tokens
from nbrepro.stores.rdf import literal_text
from nbrepro.vocabulary import GRAPHS, PREFIXES, XSD, from_text

QUERY_PREFIXES = PREFIXES | {"graph": GRAPHS}
"""The prefixes that a query of one's own need not declare."""

Results = ox.QuerySolutions | ox.QueryBoolean | ox.QueryTriples

_TIME_DIGITS = 9


def check_reading(text: str) -> None:
    """Check that a query only reads, and only the store. Raises QueryError."""
    words = list(tokens(text))
    form = read_form(words)
    if form and form not in READING:
        raise QueryError(f"the query would write ({form}); only SELECT, ASK and CONSTRUCT are run")
    if any(word.kind == "word" and word.text.upper() == "SERVICE" for word in words):
        raise QueryError("the query asks another server (SERVICE); only this store is asked")


def to_term(value: Value) -> str:
    """Give a parameter's value as SPARQL writes it; the engine's own terms do the quoting."""
    return str(ox.Literal(literal_text(value) if isinstance(value, str) else value))


def to_table(results: Results | Iterable[ox.Triple], limit: int | None = None) -> Table:
    """Give the results of a query as a table of at most `limit` rows."""
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


def _cell(term: object) -> Cell:
    if term is None:
        return None
    if not isinstance(term, ox.Literal):
        return term.value if isinstance(term, ox.NamedNode) else str(term)
    text, type_ = term.value, term.datatype.value
    if type_ == XSD + "string":
        return from_text(text)
    convert = CONVERSIONS.get(type_)
    return convert(text) if convert else text


def time_text(text: str) -> str:
    """Give all nine digits of the second back: stores drop the last zeros."""
    head, zone, _ = text.partition("Z")
    whole, _, fraction = head.partition(".")
    return f"{whole}.{fraction:0<{_TIME_DIGITS}}Z" if zone else text


CONVERSIONS: dict[str, Callable[[str], Value]] = {
    XSD + "integer": int,
    XSD + "double": float,
    XSD + "decimal": float,
    XSD + "boolean": "true".__eq__,
    XSD + "dateTime": time_text,
}
