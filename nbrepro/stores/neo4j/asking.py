"""Ask in Cypher, reading only, and make tables of the answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nbrepro.errors import NotFoundError, QueryError
from nbrepro.model import Cell, Table, Value
from nbrepro.stores.neo4j.connection import first_line
from nbrepro.stores.rdf import literal_text
from nbrepro.vocabulary import from_text

if TYPE_CHECKING:
    import neo4j

_VISIBLE = "RETURN EXISTS { MATCH (b:Bundle {run: $run}) }"
_PROCEDURE = "SHOW PROCEDURES YIELD name, mode WHERE name = $name RETURN mode"


def check_visible(transaction: neo4j.ManagedTransaction, location: str, run: str) -> None:
    """Check that a run is there and whole. Raises NotFoundError."""
    (visible,) = transaction.run(_VISIBLE, run=literal_text(run)).single(strict=True)
    if not visible:
        raise NotFoundError(f"{location} has no run {run!r}; `nbrepro runs` lists them")


def to_parameters(names: tuple[str, ...], values: Mapping[str, Value]) -> dict[str, Value | None]:
    """Give every declared parameter its value as the graph holds it, or null."""
    return {
        name: literal_text(value) if isinstance(value, str) else value
        for name, value in ((name, values.get(name)) for name in names)
    }


def check_reading(session: neo4j.Session, text: str) -> None:
    """Check, by the server's own plan, that a query only reads, and only the database.

    Raises QueryError for one that writes, loads a file or an address, or calls a procedure that
    does more than read.
    """
    summary = session.run(f"EXPLAIN {text}").consume()
    if summary.query_type != "r":
        raise QueryError("the query would write or change the database; only reading is allowed")
    for operator, details in _operators(summary.plan or {}):
        if operator.startswith("LoadCSV"):
            raise QueryError(
                "the query loads a file or an address (LOAD CSV); only the store is asked"
            )
        if operator.startswith("ProcedureCall"):
            _check_procedure(session, details.partition("(")[0].strip())


def _operators(plan: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = [(str(plan.get("operatorType", "")), str(plan.get("args", {}).get("Details", "")))]
    for child in plan.get("children", ()):
        found += _operators(child)
    return found


def _check_procedure(session: neo4j.Session, name: str) -> None:
    found = session.run(_PROCEDURE, name=name).single()
    if found is None or found[0] != "READ" or not name.startswith("db."):
        raise QueryError(f"the query calls {name}, which may do more than read; leave it out")


def select(session: neo4j.Session, text: str, limit: int | None, timeout_s: float | None) -> Table:
    """Answer a query of the caller's own, of at most `limit` rows. Raises QueryError."""
    import neo4j
    from neo4j.exceptions import ClientError

    try:
        check_reading(session, text)
        return read_table(session.run(neo4j.Query(text, timeout=timeout_s)), limit)
    except ClientError as error:
        raise _explained(error, timeout_s) from None


def _explained(error: neo4j.exceptions.ClientError, timeout_s: float | None) -> Exception:
    code = error.code or ""
    if "TransactionTimedOut" in code and timeout_s is not None:
        return QueryError(
            f"the query took longer than {timeout_s:g} s and was ended; narrow it, for example "
            "with LIMIT, or allow more time"
        )
    if code == "Neo.ClientError.Statement.AccessMode":
        return QueryError("the query would write; only reading is allowed")
    if code.startswith("Neo.ClientError.Statement"):
        return QueryError(f"the query is not Cypher: {first_line(error.message)}")
    return error


def read_table(result: neo4j.Result, limit: int | None = None) -> Table:
    """Make a table of an answer, of at most `limit` rows."""
    columns = tuple(result.keys())
    rows: list[tuple[Cell, ...]] = []
    for record in result:
        if limit is not None and len(rows) == limit:
            result.consume()
            return Table(columns, tuple(rows), truncated=True)
        rows.append(tuple(map(to_cell, record.values())))
    return Table(columns, tuple(rows))


def to_cell(value: object) -> Cell:
    """Give a value of Cypher as a cell: a node by its uid, what is no single value as JSON."""
    if isinstance(value, str):
        return from_text(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    return from_text(plain) if isinstance(plain := _plain(value), str) else json.dumps(plain)


def _plain(value: object) -> Any:
    from neo4j.graph import Entity, Path

    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Entity):
        return value.get("uid") or value.get("run") or value.element_id
    if isinstance(value, Path):
        return [_plain(node) for node in value.nodes]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    # Times and durations write themselves as ISO 8601; points and bytes are rare and shown as text.
    return value.iso_format() if hasattr(value, "iso_format") else str(value)
