"""What every store can do, whatever engine keeps it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import ClassVar, NamedTuple, Self

from nbrepro.model import RunId, Statement, Table, Value
from nbrepro.queries import Question


class Kept(NamedTuple):
    """What a store noted when it kept a run: its uuid, and how many statements it is made of."""

    uuid: str
    statements: int


class Compacted(NamedTuple):
    """What compacting took away: unfinished loads, and shared nodes that no run led to."""

    leftovers: int
    nodes: int


class Store(ABC):
    """Keeps the graphs of runs and answers questions about them.

    Every method may raise StoreError. A store holds no lock and no connection between calls that
    another process would have to wait for.
    """

    dialect: ClassVar[str]
    """The dialect of questions that the store understands, a key of `Question.texts`."""

    location: str
    """Where the store is: the path or URL it was opened with."""

    @abstractmethod
    def load(self, run: RunId, uuid: str, statements: Iterable[Statement]) -> int:
        """Keep the statements of one run, in place of an earlier load of it; give their number.

        The run becomes visible in one last step; when anything fails before, it is not visible.
        The statements are read before the store is locked. A node of a run says `run`.
        """

    @abstractmethod
    def remove(self, run: RunId) -> None:
        """Forget a run, but nothing that other runs share. Raises NotFoundError."""

    @abstractmethod
    def ask(self, question: Question, parameters: Mapping[str, Value] | None = None) -> Table:
        """Answer a named question. Raises UsageError for wrong parameters, NotFoundError for an
        unknown run."""

    @abstractmethod
    def select(self, text: str, limit: int | None = None, timeout_s: float | None = None) -> Table:
        """Answer a query of the caller's own in the store's language, of at most `limit` rows.

        It may only read. Raises QueryError when it is malformed, writes, or takes longer than
        `timeout_s`.
        """

    @abstractmethod
    def runs(self) -> Table:
        """List the runs, newest first: the answer to the question `runs`."""

    @abstractmethod
    def kept(self, run: RunId) -> Kept:
        """Tell what was noted when a run was kept. Raises NotFoundError."""

    @abstractmethod
    def statements(self, run: RunId) -> Iterator[Statement]:
        """Yield the statements of a run and all shared ones they lead to, each once.

        Loaded into any store with what `kept` tells, they make the same dump there. Nodes come
        before edges. Text is as `load` was given it; empty text, which is not kept, is absent.
        Raises NotFoundError.
        """

    @abstractmethod
    def leftovers(self) -> tuple[str, ...]:
        """Name what loads that never ended left behind, by the IRIs of their runs, sorted."""

    @abstractmethod
    def compact(self) -> Compacted:
        """Drop leftovers and the shared nodes that no run leads to, and give their space back."""

    @abstractmethod
    def dump(self, run: RunId) -> Iterator[str]:
        """Yield what is kept of a run, and what it shares, as sorted N-Quads lines."""

    @abstractmethod
    def close(self) -> None:
        """Let go of everything; the store is not used afterwards."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
