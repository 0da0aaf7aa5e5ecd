"""Reach a Neo4j server: its driver, and every failure in one sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from nbrepro.errors import NbreproError, StoreError
from nbrepro.stores.credentials import check_no_credentials

if TYPE_CHECKING:
    import neo4j

    from nbrepro.stores.credentials import Credentials

CONNECT_S = 10.0
"""How long to wait for a server to take a connection."""

RETRY_S = 120.0
"""How long a step of a load is tried again while the server is away."""

LOST_ANSWERS = 5
"""How often the answer to one commit may be lost."""

T = TypeVar("T")

_SCHEMES = ("neo4j", "neo4j+s", "neo4j+ssc", "bolt", "bolt+s", "bolt+ssc")


def split_url(url: str) -> tuple[str, str | None]:
    """Give the URL of a server, and the name of the database where a path names one.

    Raises StoreError; what may be a password is not repeated.
    """
    check_no_credentials(url)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme.lower() not in _SCHEMES:
        raise StoreError(
            "the URL of a Neo4j server is not understood; write neo4j://HOST:7687 or "
            "bolt://HOST:7687, or with /DATABASE behind it"
        )
    database = parts.path.strip("/") or None
    if database is not None and not re.fullmatch(r"[A-Za-z][\w.-]*", database):
        raise StoreError(f"{url}: what follows the host is not the name of a database")
    query = f"?{parts.query}" if parts.query else ""
    name = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{name}{f':{port}' if port else ''}{query}", database


def open_driver(url: str, credentials: Credentials | None) -> neo4j.Driver:
    """Make a driver for a server's URL; nothing is connected before it is used."""
    try:
        import neo4j
    except ImportError:
        raise StoreError(
            f"{url}: the client of Neo4j is not installed; run `pip install nbrepro[neo4j]`"
        ) from None
    with explained(url):
        return neo4j.GraphDatabase.driver(
            url,
            auth=(credentials.user, credentials.password) if credentials else None,
            connection_timeout=CONNECT_S,
            # Who takes the connection and says nothing has to be given up too.
            connection_acquisition_timeout=2 * CONNECT_S,
            max_transaction_retry_time=RETRY_S,
            # Doubling the pauses would wait as long again as the server was away.
            retry_delay_multiplier=1.2,
            # A connection that a restart of the server broke is not used again.
            liveness_check_timeout=1,
            # Hints about queries are for their authors, not for whoever asks one.
            notifications_min_severity="OFF",
            telemetry_disabled=True,
        )


def certainly(execute: Callable[[Callable[..., T]], T], work: Callable[..., T]) -> T:
    """Do `work` in a transaction, and again where the answer to its commit was lost on the way.

    `execute` is a session's `execute_read` or `execute_write`. It is not known whether a lost
    commit took place: `work` has to find that out itself, or to be harmless when done twice.
    """
    from neo4j.exceptions import IncompleteCommit

    for _ in range(LOST_ANSWERS):
        try:
            return execute(work)
        except IncompleteCommit:
            continue
    return execute(work)


@contextmanager
def explained(url: str) -> Iterator[None]:
    """Turn the driver's failures into a StoreError that says what to do."""
    from neo4j.exceptions import DriverError, Neo4jError

    try:
        yield
    except NbreproError:
        raise
    except Neo4jError as error:
        raise StoreError(f"{url}: {_refusal(error)}") from None
    except (DriverError, OSError, ValueError) as error:
        raise StoreError(f"{url}: {_silence(error)}") from None


# Beginnings of the server's codes, the longest first, with what they mean here.
_REFUSALS = {
    "Neo.ClientError.Security.CredentialsExpired":
        "the server wants this user's password changed first; log in to it once and change it",
    "Neo.ClientError.Security.AuthenticationRateLimit":
        "too many wrong passwords; wait a minute, then check NBREPRO_STORE_PASSWORD",
    "Neo.ClientError.Security.Forbidden":
        "the user may not do this; have the server's administrator grant reading and writing",
    "Neo.ClientError.Security":
        "the server refuses the user or the password; set NBREPRO_STORE_USER and "
        "NBREPRO_STORE_PASSWORD",
    "Neo.ClientError.Database.DatabaseNotFound":
        "the server has no such database; check what follows the host in the URL",
    "Neo.TransientError.General.MemoryPoolOutOfMemoryError":
        "the server has too little memory for this; raise its memory settings",
    "Neo.TransientError": "the server is too busy; do it again",
}  # fmt: skip


def _refusal(error: neo4j.exceptions.Neo4jError) -> str:
    code = error.code or ""
    known = next((text for begin, text in _REFUSALS.items() if code.startswith(begin)), "")
    return known or f"the server fails ({first_line(error.message or code)}); look at its log"


def _silence(error: Exception) -> str:
    import neo4j.exceptions as known

    if isinstance(error, known.ConfigurationError | ValueError):
        return f"the URL cannot be used ({first_line(error)}); check it"
    found = re.search(r"reason (.+?)\)*$", str(error), re.MULTILINE)
    reason = found[1] if found else first_line(error)
    return (
        f"no Neo4j server can be reached there ({reason}); start it, or check the URL "
        "and that it is the server's Bolt port"
    )


def first_line(error: object) -> str:
    """Give the first line of what was said, without its full stop."""
    return str(error).strip().partition("\n")[0].rstrip(".: ")
