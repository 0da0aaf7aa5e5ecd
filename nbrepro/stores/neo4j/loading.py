"""Load the rows of a run in batches, and make it visible in one last step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from nbrepro.errors import StoreError
from nbrepro.stores.batches import batches
from nbrepro.stores.neo4j.connection import certainly
from nbrepro.stores.neo4j.lease import Lease
from nbrepro.stores.neo4j.rows import Group, Row, Rows, stored
from nbrepro.stores.rdf import BUNDLE_PROPERTIES
from nbrepro.vocabulary import KINDS

if TYPE_CHECKING:
    import neo4j

BATCH = 5_000
"""Rows in one transaction."""

_KNOWN = """
UNWIND $uids AS uid
MATCH (n:Prov {uid: uid}) WHERE n.run IS NULL AND n:Entity AND NOT n:Partial
RETURN n.uid
"""
_BARE = "UNWIND $rows AS uid MERGE (n:Prov {uid: uid})"
_WHOLE = "UNWIND $rows AS uid MATCH (n:Partial:Prov {uid: uid}) REMOVE n:Partial"
# What is whole only with the relationships that lead from it; until then no load may rely on it.
_WITH_PARTS = frozenset({"Footprint", "SoftwareFile"})


class Part(NamedTuple):
    """A query text with its rows; `relationships` is how many it has to make, if that is known."""

    text: str
    rows: Sequence[object]
    relationships: int | None = None


def load_rows(session: neo4j.Session, lease: Lease, rows: Rows) -> None:
    """Load the rows of a run under its lease, which is taken and ended here."""
    known = _known(session, rows)
    lease.take()
    lease.clear()
    for parts in _steps(_parts(rows, known)):
        lease.step(lambda transaction, parts=parts: _send(transaction, parts))  # type: ignore[misc]
    lease.end(_bundle(rows))


def _parts(rows: Rows, known: set[str]) -> Iterator[Part]:
    """Yield what to send, in order: nodes, then relationships, then that shared ones are whole."""
    for uids in batches(rows.bare_ends(), BATCH):
        yield Part(_BARE, uids)
    for group in rows.groups():
        for batch in rows.read(group, BATCH):
            lacking = [row for row in batch if not (group.shared and row[0] in known)]
            if lacking:
                yield _part(group, lacking)
    for uids in batches(sorted(rows.shared - known), BATCH):
        yield Part(_WHOLE, uids)


def _steps(parts: Iterable[Part]) -> Iterator[list[Part]]:
    """Put small parts together: a transaction costs as much as hundreds of rows."""
    waiting: list[Part] = []
    for part in parts:
        if waiting and sum(len(each.rows) for each in waiting) + len(part.rows) > BATCH:
            yield waiting
            waiting = []
        waiting.append(part)
    if waiting:
        yield waiting


def _known(session: neo4j.Session, rows: Rows) -> set[str]:
    """Find which shared nodes are whole: what they say is their name, so nothing is to be added."""
    known: set[str] = set()
    for uids in batches(sorted(rows.shared), BATCH):
        known.update(certainly(session.execute_read, partial(_find_known, uids=uids)))
    return known


def _find_known(transaction: neo4j.ManagedTransaction, uids: list[str]) -> list[str]:
    return [uid for (uid,) in transaction.run(_KNOWN, uids=uids).values()]


def _part(group: Group, batch: list[Row]) -> Part:
    # Writers that lock the same nodes in the same order wait for each other, and do not deadlock.
    batch.sort(key=lambda row: row[0] if group.node else row[1])
    if group.node:
        return Part(_node_text(group), [{"uid": uid, **properties} for uid, properties in batch])
    return Part(_edge_text(group), batch, None if group.shared else len(batch))


def _node_text(group: Group) -> str:
    labels = f"{KINDS[group.name].base}:{group.name}"
    if not group.shared:
        return f"UNWIND $rows AS row CREATE (n:Prov:{labels}) SET n = row"
    partial = ":Partial" if group.name in _WITH_PARTS else ""
    return (
        "UNWIND $rows AS row MERGE (n:Prov {uid: row.uid}) "
        f"WITH n, row WHERE NOT n:Entity SET n:{labels}{partial}, n += row"
    )


def _edge_text(group: Group) -> str:
    text = (
        "UNWIND $rows AS row MATCH (source:Prov {uid: row[0]}) MATCH (target:Prov {uid: row[1]}) "
    )
    if group.shared:
        return text + f"MERGE (source)-[:{group.name}]->(target)"
    return text + f"CREATE (source)-[edge:{group.name}]->(target) SET edge = row[2]"


def _send(transaction: neo4j.ManagedTransaction, parts: list[Part]) -> None:
    for text, rows, relationships in parts:
        # The text is made of our own vocabulary; what a run says is in the rows.
        counters = transaction.run(text, rows=rows).consume().counters
        if relationships is not None and counters.relationships_created != relationships:
            raise StoreError(
                f"{relationships - counters.relationships_created} relationships lack an end, "
                "which somebody deleted meanwhile; do it again"
            )


def _bundle(rows: Rows) -> dict[str, object]:
    properties = {name: rows.run_properties.get(name, "") for name in BUNDLE_PROPERTIES}
    return {**stored(properties), "statements": rows.distinct()}
