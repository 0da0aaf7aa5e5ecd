"""Statements as rows to load: grouped by kind and relation, on disk until they are sent.

Rows of one group are loaded by one query text. What a property of Neo4j cannot hold exactly, or the
load adds for itself, is noted as JSON in `_exact`: a name with its value, or null for what the
statement did not say.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from typing import IO, Any, NamedTuple, Self

from nbrepro.errors import StoreError
from nbrepro.model import Edge, Node, RunId, Statement, Value
from nbrepro.stores.batches import batches
from nbrepro.stores.rdf import check_described, iri, literal_text
from nbrepro.stores.tally import Tally
from nbrepro.vocabulary import KINDS, REFERENCES, RELATIONS, from_text, run_iri

Row = list[Any]
"""A node's [uid, properties], or a relationship's [source, target, properties]."""

EXACT = "_exact"
_LONG = 2**63


class Group(NamedTuple):
    """Rows that one query text loads: nodes of a kind, or relationships of a relation."""

    name: str
    node: bool
    shared: bool


class Rows:
    """The rows of one run, in files without names that vanish with the process."""

    def __init__(self, run: RunId, uuid: str) -> None:
        self.run = run
        self.base = run_iri(uuid)
        self.statements = 0
        self._tally = Tally(self.base)
        self.run_properties: Mapping[str, Value] = {}
        self.shared: set[str] = set()
        self._files: dict[Group, IO[str]] = {}
        self._said: dict[object, int] = {}
        self._rows = 0
        self._ends: set[str] = set()
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def fill(self, statements: Iterable[Statement]) -> None:
        """Write the rows of all statements. Raises StoreError where there is no Run among them."""
        for statement in statements:
            self.statements += 1
            self._tally.add(statement)
            if isinstance(statement, Node):
                self._node(statement)
            else:
                self._edge(statement)
        check_described(self.run, self.run_properties)

    def distinct(self) -> int:
        """Count the distinct statements, for the note of the run."""
        return self._tally.count()

    def groups(self) -> list[Group]:
        """List the groups in the order to load them: nodes first, what runs share before them."""
        return sorted(self._files, key=lambda group: (not group.node, not group.shared, group.name))

    def read(self, group: Group, size: int) -> Iterator[list[Row]]:
        """Yield the rows of a group in batches."""
        file = self._files[group]
        file.seek(0)
        yield from batches(map(json.loads, file), size)

    def bare_ends(self) -> list[str]:
        """List the uids that relationships lead to and no node of the run describes."""
        return sorted(uid for uid in self._ends if uid not in self._said)

    def _node(self, node: Node) -> None:
        uid = _plain(node.uid)
        shared = KINDS[node.kind].shared
        properties = stored(node.properties)
        if shared:
            self.shared.add(uid)
        else:
            self._check_owned(uid, node.uid)
            if node.kind == "Run":
                self.run_properties = node.properties
            properties = self._of_run(properties)
        self._write(Group(node.kind, True, shared), uid, [uid, properties], first_wins=shared)

    def _check_owned(self, uid: str, named: str) -> None:
        if not uid.startswith(self.base):
            raise StoreError(f"{named!r} is no name below its run's, {self.base}; ingest it again")

    def _of_run(self, properties: dict[str, Value]) -> dict[str, Value]:
        said = properties.get("run")
        if said == literal_text(self.run):
            return properties
        return {**properties, "run": literal_text(self.run), EXACT: _exact(properties, said)}

    def _edge(self, edge: Edge) -> None:
        source, target = _plain(edge.source), _plain(edge.target)
        qualified = edge.uid and RELATIONS[edge.relation].qualified
        properties: dict[str, Value] = {}
        if qualified:
            properties = {"uid": _plain(edge.uid), **stored(edge.properties)}
        self._ends |= {source, target}
        group = Group(edge.relation, False, not source.startswith(self.base))
        key = properties["uid"] if qualified else (edge.relation, source, target)
        self._write(group, key, [source, target, properties])

    def _write(self, group: Group, key: object, row: Row, first_wins: bool = False) -> None:
        line = json.dumps(row)
        said = self._said.setdefault(key, hash(line))
        if said != hash(line) and not first_wins:
            raise StoreError(f"run {self.run}: its statements say two things of {key}")
        if len(self._said) == self._rows:
            return
        self._rows += 1
        if group not in self._files:
            self._files[group] = self._closing.enter_context(_open_nameless())
        self._files[group].write(line + "\n")


def stored(properties: Mapping[str, Value]) -> dict[str, Value]:
    """Give properties as Neo4j can hold them."""
    found: dict[str, Value] = {}
    exact: dict[str, Value] = {}
    for name, value in properties.items():
        if isinstance(value, str):
            if value:
                found[name] = _plain(value) if name in REFERENCES else literal_text(value)
        elif isinstance(value, int) and not -_LONG <= value < _LONG:
            found[name], exact[name] = str(value), value
        else:
            found[name] = value
    return found | {EXACT: json.dumps(exact)} if exact else found


def _exact(properties: Mapping[str, Value], said: Value | None) -> str:
    noted = json.loads(str(properties.get(EXACT, "{}")))
    return json.dumps(noted | {"run": said})


def exact(properties: Mapping[str, Any]) -> dict[str, Value]:
    """Give back what a statement said from what is stored of it, without the uid."""
    noted = json.loads(properties.get(EXACT, "{}"))
    found = {name: value for name, value in properties.items() if name not in ("uid", EXACT)}
    return {
        name: from_text(value) if isinstance(value, str) and name not in REFERENCES else value
        for name, value in sorted((found | noted).items())
        if value is not None
    }


def _open_nameless() -> IO[str]:
    return tempfile.TemporaryFile("w+", encoding="ascii")


def _plain(uid: str) -> str:
    return iri(uid)[1:-1]
