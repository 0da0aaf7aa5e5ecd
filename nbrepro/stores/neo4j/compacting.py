"""Drop what no visible run leads to: leftovers of killed loads, then shared nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbrepro.errors import StoreError
from nbrepro.stores.interface import Compacted
from nbrepro.stores.neo4j.lease import DELETED_AT_ONCE, Lease, find_abandoned

if TYPE_CHECKING:
    import neo4j

# The lease of the whole database: no load begins while it is fresh, and none may be going on.
_EVERYTHING = ""
_LOADING = "RETURN EXISTS { MATCH (l:Load) WHERE l.run <> '' }"
_UNUSED = """
MATCH (n:Prov) WHERE n.run IS NULL AND NOT EXISTS { (n)<--() }
WITH n, labels(n) AS kinds LIMIT $limit
DETACH DELETE n
RETURN count(*) AS dropped, sum(CASE WHEN size(kinds) > 1 THEN 1 ELSE 0 END) AS nodes
"""


def clear_leftovers(session: neo4j.Session, location: str, lease_s: float) -> int:
    """Delete what loads left that have shown no sign of life; give how many loads."""
    abandoned = find_abandoned(session, lease_s)
    for run, uid in abandoned:
        lease = Lease(session, location, run, uid, lease_s)
        lease.take()
        lease.clear()
        lease.end()
    return len(abandoned)


def compact(session: neo4j.Session, location: str, lease_s: float) -> Compacted:
    """Drop leftovers and the shared nodes that nothing leads to. Raises StoreError in a load."""
    leftovers = clear_leftovers(session, location, lease_s)
    lease = Lease(session, location, _EVERYTHING, _EVERYTHING, lease_s)
    lease.take()
    try:
        if session.run(_LOADING).single(strict=True)[0]:
            raise StoreError(f"{location}: a run is being loaded; compact it when that is done")
        return Compacted(leftovers, _drop_unused(lease))
    finally:
        lease.end()


def _drop_unused(lease: Lease) -> int:
    """Delete the shared nodes that nothing leads to, and then those that only they led to."""
    nodes, dropped = 0, 1

    def work(transaction: neo4j.ManagedTransaction) -> None:
        nonlocal nodes, dropped
        found = transaction.run(_UNUSED, limit=DELETED_AT_ONCE).single(strict=True)
        dropped = found["dropped"]
        nodes += found["nodes"]

    while dropped:
        lease.step(work)
    return nodes
