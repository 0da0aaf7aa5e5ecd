"""What a comparison works with: the facts of one run, and what is found between two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from nbrepro.rundir import CellRecord

KINDS = (
    "interpreter", "system-library", "environment", "parameters", "order", "source", "code",
    "package", "data", "placement", "nondeterminism",
)  # fmt: skip
"""The kinds of differences; among those of one cell, what comes first is named first."""


class FileUse(NamedTuple):
    """A file as an execution met or left it. `key` names it on any machine; `maker` is the
    execution of the same run that made this version, None where it came from outside."""

    key: str
    path: str
    sha256: str
    reason: str
    role: str
    maker: int | None


class Build(NamedTuple):
    """One form of a package: equal on two machines if its files are."""

    version: str
    record: str = ""
    tag: str = ""

    def __str__(self) -> str:
        return self.version


class PackageUse(NamedTuple):
    """A package of which files were opened; `kind` is the kind of difference it may be.

    `altered` are those of its files, with their digests, that are not as they were installed.
    """

    name: str
    kind: str
    builds: frozenset[Build]
    modules: frozenset[str]
    native: bool
    altered: frozenset[tuple[str, str]] = frozenset()


class SettingUse(NamedTuple):
    """A setting as it was read: `state` is `set`, `unset` or `withheld`."""

    state: str
    value: str
    relative: str


class TaskUse(NamedTuple):
    """A task that an execution submitted, and where it ran."""

    function: str
    worker: str
    host: str


@dataclass
class Activity:
    """What one execution, with its tasks, used and made; or the kernel itself (`execution` 0)."""

    execution: int = 0
    position: int = 0
    cell_id: str = ""
    source: str = ""
    digest: str = ""
    status: str = ""
    error: str = ""
    outputs: str = ""
    inputs: dict[str, FileUse] = field(default_factory=dict)
    made: dict[str, FileUse] = field(default_factory=dict)
    packages: dict[str, PackageUse] = field(default_factory=dict)
    settings: dict[str, SettingUse] = field(default_factory=dict)
    tasks: list[TaskUse] = field(default_factory=list)

    def record(self) -> CellRecord:
        """Give the execution as the cell log has it, as far as its code goes."""
        return CellRecord(
            self.execution, self.position, self.cell_id, None, self.source, self.status, 0, 0
        )


@dataclass
class Portrait:
    """What the graph of one run says of what a comparison needs.

    `needs` tells, by execution, which earlier ones it needs and through which names; through a file
    or what the code does not tell, the names hold `*`.
    """

    run: str
    name: str
    notebook: str
    status: str
    error: str
    parameters: Mapping[str, object]
    host: str
    python: str
    platform: str
    cpus: int
    kernel: Activity
    executions: list[Activity]
    needs: Mapping[int, Mapping[int, frozenset[str]]]
    unseen: str = ""


@dataclass(frozen=True, slots=True)
class Effect:
    """What differs in a cell as a consequence: its `outputs`, `status`, or a `file` it wrote."""

    cell: int | None
    what: str
    subject: str
    a: str
    b: str
    follows: tuple[int, ...] = ()


@dataclass(slots=True)
class Difference:
    """One cause: what differs first, in which cell (None: the kernel itself), and why it is one.

    `cell` is the position in the first run, `cell_b` in the second. `certainty` is `exact`, or
    `possible` where nothing shows that the cell used it but nothing else explains the effects.
    """

    kind: str
    cell: int | None
    subject: str
    a: str | None
    b: str | None
    because: str
    cell_b: int | None = None
    certainty: str = "exact"
    effects: list[Effect] = field(default_factory=list)
    at: float = -1.0

    def rank(self) -> tuple[float, int, str]:
        """Give what differences are sorted by: causal order."""
        return (self.at, KINDS.index(self.kind), self.subject)


@dataclass(frozen=True, slots=True)
class CellPair:
    """Two executions of the same cell, or one that has no other; `how` says what they share.

    `causes` are the numbers of the differences that the pair depends on.
    """

    a: int | None
    b: int | None
    cell: int | None
    cell_b: int | None
    cell_id: str
    title: str
    how: str
    moved: bool
    causes: tuple[int, ...]
    effects: tuple[Effect, ...]


@dataclass(frozen=True)
class Comparison:
    """Two runs compared. `differences` are causes in causal order; `unused` are differences that
    nothing observed used or followed from; `unknown` says what could not be compared."""

    a: Portrait
    b: Portrait
    differences: tuple[Difference, ...]
    unused: tuple[Difference, ...]
    cells: tuple[CellPair, ...]
    unknown: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Tell whether the runs differ in nothing but time."""
        return not self.differences

    @property
    def first_divergence(self) -> Difference | None:
        """Give the first cause."""
        return self.differences[0] if self.differences else None

    @property
    def followed(self) -> bool:
        """Tell whether anything that was observed differs as a consequence."""
        return any(pair.effects for pair in self.cells)
