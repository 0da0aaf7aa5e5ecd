"""The right to write one run: taken from whoever had it, and lost to whoever takes it next.

The right is a `(:Load {run, token})`. Every step of a load is one transaction that first checks the
token, so that a writer that was taken for dead can do no harm; and each step has a number, so that
one whose commit was lost on the way is neither left out nor done twice.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nbrepro.errors import StoreError
from nbrepro.stores.neo4j.connection import certainly

if TYPE_CHECKING:
    import neo4j

    Work = Callable[[neo4j.ManagedTransaction], None]

LEASE_S = 60.0
"""A load that showed no sign of life for so long has been killed: its leftovers may go."""

DELETED_AT_ONCE = 5_000

_GUARD = """
MERGE (g:Guard {name: 'nbrepro'}) SET g.at = timestamp()
WITH g
RETURN EXISTS { MATCH (l:Load {run: ''}) WHERE l.at > timestamp() - $lease_ms } AS compacting
"""
_TAKE = "MERGE (l:Load {run: $run}) SET l.at = timestamp()"
_TAKEN = """
MATCH (x:Load|Bundle) WHERE x.run = $run OR x.uid = $uid
RETURN collect(x.run) + reduce(all = [], names IN collect(coalesce(x.clears, [])) | all + names)
"""
_HIDE = """
MATCH (x:Load|Bundle)
WHERE (x.run = $run OR x.uid = $uid) AND coalesce(x.token, '') <> $token
DELETE x
"""
_OWN = """
MATCH (l:Load {run: $run})
SET l.uid = $uid, l.token = $token, l.step = 0, l.clears = $clears
"""
_CHECK = """
MATCH (l:Load {run: $run, token: $token}) SET l.at = timestamp()
RETURN l.step
"""
_DONE = "MATCH (l:Load {run: $run}) SET l.step = $step"
_CLEAR = """
MATCH (n:Prov) WHERE n.run IN $names
WITH n LIMIT $limit
DETACH DELETE n
RETURN count(*)
"""
_CLEARED = "MATCH (l:Load {run: $run}) SET l.clears = [$run]"
_END = "MATCH (l:Load {run: $run, token: $token}) DELETE l"
_SHOW = "CREATE (b:Bundle) SET b = $bundle"
_SHOWN = "RETURN EXISTS { MATCH (b:Bundle {run: $run, token: $token}) } AS shown"


class Lease:
    """The right to write `run`, whose IRI is `uid`; every method is one or more transactions."""

    def __init__(
        self, session: neo4j.Session, location: str, run: str, uid: str, lease_s: float = LEASE_S
    ) -> None:
        self._session = session
        self._location = location
        self._run = run
        self._uid = uid
        self._lease_ms = int(lease_s * 1000)
        self._token = secrets.token_hex(16)
        self._clears: list[str] = []
        self._step = 0

    def take(self) -> None:
        """Take the right; from here on the run is not visible. Raises StoreError."""
        certainly(self._session.execute_write, self._take)

    def _take(self, transaction: neo4j.ManagedTransaction) -> None:
        guard = transaction.run(_GUARD, lease_ms=self._lease_ms).single(strict=True)
        if guard["compacting"]:
            raise StoreError(f"{self._location}: is being compacted; do it again when that is done")
        about = {"run": self._run, "uid": self._uid, "token": self._token}
        transaction.run(_TAKE, about).consume()
        (names,) = transaction.run(_TAKEN, about).single(strict=True)
        self._clears = sorted({self._run, *names})
        transaction.run(_OWN, about, clears=self._clears).consume()
        transaction.run(_HIDE, about).consume()

    def clear(self) -> None:
        """Delete every node of the run, and of those whose name or IRI it takes over."""
        while self._clear_some():
            pass
        self.step(self._cleared)

    def _cleared(self, transaction: neo4j.ManagedTransaction) -> None:
        transaction.run(_CLEARED, run=self._run).consume()

    def _clear_some(self) -> int:
        deleted = 0

        def work(transaction: neo4j.ManagedTransaction) -> None:
            nonlocal deleted
            found = transaction.run(_CLEAR, names=self._clears, limit=DELETED_AT_ONCE)
            (deleted,) = found.single(strict=True)

        self.step(work)
        return deleted

    def step(self, work: Work) -> None:
        """Do the next piece of work, once, in a transaction of its own.

        Raises StoreError where another writer has taken the run over.
        """
        self._step += 1

        def checked(transaction: neo4j.ManagedTransaction) -> None:
            if self._done(transaction) < self._step:
                work(transaction)
                transaction.run(_DONE, run=self._run, step=self._step).consume()

        certainly(self._session.execute_write, checked)

    def _done(self, transaction: neo4j.ManagedTransaction) -> int:
        # Setting a property of the node locks it: nobody takes the run over during a step.
        found = transaction.run(_CHECK, run=self._run, token=self._token).single()
        if found is None:
            raise StoreError(
                f"{self._location}: run {self._run!r} was taken over by another writer; look at "
                "`nbrepro runs` before doing it again"
            )
        return int(found[0])

    def end(self, bundle: Mapping[str, Any] | None = None) -> None:
        """Give the right back; with a bundle the run becomes visible, in the same transaction."""

        def work(transaction: neo4j.ManagedTransaction) -> None:
            about = {"run": self._run, "token": self._token}
            if bundle is not None:
                if transaction.run(_SHOWN, about).single(strict=True)["shown"]:
                    return
                self._done(transaction)
                transaction.run(_SHOW, bundle={**bundle, **about, "uid": self._uid}).consume()
            transaction.run(_END, about).consume()

        certainly(self._session.execute_write, work)


def find_abandoned(session: neo4j.Session, lease_s: float) -> Sequence[tuple[str, str]]:
    """List (run, uid) of the loads that showed no sign of life for so long."""
    found = session.run(
        "MATCH (l:Load) WHERE l.at <= timestamp() - $lease_ms "
        "RETURN l.run, coalesce(l.uid, '') ORDER BY l.run",
        lease_ms=int(lease_s * 1000),
    )
    return [(run, uid) for run, uid in found.values()]
