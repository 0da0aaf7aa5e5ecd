"""What an export writes of a graph: on disk, to be gone through as often as a format needs.

Formats want records by their kind, and a node together with the relations that PROV-DM does not
have, which come after it. So the statements are written to files without names, one for each base
and relation, and read back from there; only those relations are held.
"""

from __future__ import annotations

import marshal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import IO, Any, Self

from nbrepro.model import Edge, Node, Statement
from nbrepro.vocabulary import KINDS, RELATIONS, run_iri

Tell = Callable[[str, int, int], None]
"""Hears what is being done, how many records of it are done, and of how many."""

ATTRIBUTES = frozenset(
    {
        "atLocation", "isStepOfPlan", "correspondsToStep", "partOfRun", "ofPackage",
        "describesPackage",
    }
)  # fmt: skip
"""Relations that PROV-DM does not have: in PROV formats attributes of their source."""

_TOLD_EACH = 2000
_BATCH = 256


class Extract:
    """Statements on disk, each once: the first of a uid and kind, of a relation, ends and uid.

    `base` is the IRI of the run, `run` its node's properties, `noted` the number of statements that
    its store noted (default: how many these are). `unique` says that nothing is given twice, which
    saves remembering what came. Use it in a `with` statement.
    """

    def __init__(
        self,
        statements: Iterable[Statement],
        *,
        unique: bool = False,
        tell: Tell | None = None,
        noted: int | None = None,
    ) -> None:
        self.tell = tell
        self.base = run_iri("")
        self.run: dict[str, Any] = {}
        self.counts: Counter[str] = Counter()
        self.attributes: dict[str, list[tuple[str, str]]] = {}
        self._closing = ExitStack()
        self._files: dict[str, _Records] = {}
        try:
            self._fill(statements if unique else _once(statements))
            for file in self._files.values():
                file.flush()
            self.noted = len(self) if noted is None else noted
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return self.counts.total()

    def close(self) -> None:
        """Let go of the files."""
        self._closing.close()

    def _fill(self, statements: Iterable[Statement]) -> None:
        for number, statement in enumerate(statements):
            if number % _TOLD_EACH == 0:
                self.say("reading the graph", number, 0)
            if isinstance(statement, Node):
                self._keep_node(statement)
            else:
                self._keep_edge(statement)

    def _keep_node(self, node: Node) -> None:
        if node.kind == "Run":
            self.base, self.run = node.uid, dict(node.properties)
        self.counts[node.kind] += 1
        self._file(KINDS[node.kind].base).add((node.uid, node.kind, dict(node.properties)))

    def _keep_edge(self, edge: Edge) -> None:
        self.counts[edge.relation] += 1
        if edge.relation in ATTRIBUTES:
            self.attributes.setdefault(edge.source, []).append((edge.relation, edge.target))
        record = (edge.relation, edge.source, edge.target, edge.uid, dict(edge.properties))
        self._file(edge.relation).add(record)

    def _file(self, group: str) -> _Records:
        file = self._files.get(group)
        if file is None:
            nameless: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the extract)
            file = self._files[group] = _Records(self._closing.enter_context(nameless))
        return file

    def nodes(self, *bases: str) -> Iterator[Node]:
        """Yield the nodes of these bases (`Entity`, `Activity`, `Agent`), or all, in order."""
        for base in bases or ("Activity", "Agent", "Entity"):
            for uid, kind, properties in self._read(base):
                yield Node(uid, kind, properties)

    def edges(self, *relations: str) -> Iterator[Edge]:
        """Yield the edges of these relations, or all, in order."""
        for relation in relations or RELATIONS:
            for name, source, target, uid, properties in self._read(relation):
                yield Edge(name, source, target, uid, properties)

    def statements(self) -> Iterator[Statement]:
        """Yield all nodes, then all edges."""
        yield from self.nodes()
        yield from self.edges()

    def _read(self, group: str) -> Iterator[Any]:
        file = self._files.get(group)
        return file.read() if file is not None else iter(())

    def say(self, what: str, done: int, of: int) -> None:
        if self.tell is not None:
            self.tell(what, done, of)


class _Records:
    """Plain tuples in a file, some hundred at a time, each batch behind its length."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._batch: list[Any] = []
        self._end = 0

    def add(self, record: tuple[Any, ...]) -> None:
        """Write a record."""
        self._batch.append(record)
        if len(self._batch) == _BATCH:
            self.flush()

    def flush(self) -> None:
        """Write what is left; nothing is added afterwards."""
        content = marshal.dumps(self._batch)
        self._file.write(len(content).to_bytes(8) + content)
        self._end = self._file.tell()
        self._batch.clear()

    def read(self) -> Iterator[Any]:
        """Yield the records; several readers may be at it at once."""
        at = 0
        while at < self._end:
            self._file.seek(at)
            content = self._file.read(int.from_bytes(self._file.read(8)))
            at = self._file.tell()
            yield from marshal.loads(content)  # noqa: S302 (we wrote it ourselves)


def _once(statements: Iterable[Statement]) -> Iterator[Statement]:
    """Keep the first of what is said several times: a content, for every version that has it."""
    seen: set[int] = set()
    for statement in statements:
        key = hash(_identity(statement))
        if key not in seen:
            seen.add(key)
            yield statement


def _identity(statement: Statement) -> tuple[str, ...]:
    if isinstance(statement, Node):
        return (statement.uid, statement.kind)
    return (statement.relation, statement.source, statement.target, statement.uid)
