"""Make the constraints and indexes that a database lacks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nbrepro.resources import find_resources
from nbrepro.stores.neo4j.connection import certainly

if TYPE_CHECKING:
    import neo4j

_STATEMENT = re.compile(r"CREATE (?:CONSTRAINT|INDEX) (\w+) [^;]*")
_COMMENT = re.compile(r"^\s*//.*$", re.MULTILINE)
_AWAIT_S = 300


def read_schema() -> dict[str, str]:
    """Read the statements of `schemas/neo4j.cypher` by the name of what each makes."""
    text = (find_resources("schemas") / "neo4j.cypher").read_text(encoding="utf-8")
    found = _STATEMENT.finditer(_COMMENT.sub("", text))
    return {match[1]: match[0].strip() for match in found}


def make_schema(session: neo4j.Session) -> None:
    """Make what is lacking, and wait until it can be used."""
    shown = session.run("SHOW INDEXES YIELD name, state")
    online = {name for name, state in shown.values() if state == "ONLINE"}
    lacking = [statement for name, statement in read_schema().items() if name not in online]
    for statement in lacking:
        _make(session, statement)
    if lacking:
        session.run("CALL db.awaitIndexes($seconds)", seconds=_AWAIT_S).consume()


def _make(session: neo4j.Session, statement: str) -> None:
    from neo4j.exceptions import ClientError

    try:
        # The text is one of our own file's.
        certainly(session.execute_write, lambda transaction: transaction.run(statement).consume())
    except ClientError as error:
        # Another writer may have made it in the meantime.
        if "AlreadyExists" not in (error.code or ""):
            raise
