"""The frozen values that flow through the pipeline.

Read them in this order, it is the order of the data: Event (one system call), Access, Mark,
Birth and Exit (what a process did), OwnedAccess (for which cell), Touch (what that means for a
file, with its role and version), Statement (a node or an edge of the graph), Table (an answer).

Paths are text decoded from the traced process's bytes with surrogateescape, so that names that are
not UTF-8 survive; `os.fsencode` gives the bytes back. Times are integers: nanoseconds since the
epoch, by the clock of the host that the trace comes from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, NewType

RunId = NewType("RunId", str)
CellId = NewType("CellId", str)
Tid = NewType("Tid", int)

Value = str | int | float | bool
"""What a node or an edge of the graph may hold."""


# --- trace -----------------------------------------------------------------------------------


class Event(NamedTuple):
    """One system call, or the end of a thread, as the trace shows it.

    `call` is the system call's name, or `+exited`, `+killed`, `+superseded` for a thread's end.
    `args` and `result` are the text between the parentheses and after ` = `, still as the tracer
    wrote them: most events need neither. A call whose end is missing has the result `?`.
    """

    line: int
    tid: Tid
    at_ns: int
    call: str
    args: str
    result: str


class Unparsed(NamedTuple):
    """A line of the trace that is not understood: kept, counted and shown."""

    line: int
    text: str
    reason: str


class Mode(StrEnum):
    """What an access does to its path."""

    READ = "read"
    WRITE = "write"
    READ_WRITE = "read-write"
    REMOVE = "remove"
    RENAME = "rename"
    EXECUTE = "execute"
    CONNECT = "connect"


class Process(NamedTuple):
    """A process: its pid, which of the processes that had this pid it is (from 1), its parent."""

    pid: int
    generation: int
    parent: int
    executable: str


class Access(NamedTuple):
    """One process did one thing to one path, successfully.

    `path` is absolute; where the kernel reported the opened file it is free of symbolic links.
    `named` is the text that the program used. `target` is the new path of a rename or link, the
    text of a symbolic link, or the port of a connection. `kind` is what the call itself proves of
    the path: `file`, `directory`, `fifo`, `symlink`, `socket`, or empty. `created` and `truncated`
    say that the call was bound to make the file, or emptied it.
    """

    line: int
    at_ns: int
    tid: Tid
    process: Process
    mode: Mode
    path: str
    named: str
    target: str = ""
    kind: str = ""
    created: bool = False
    truncated: bool = False
    call: str = ""


class Mark(NamedTuple):
    """A boundary that a probe wrote into the trace: `words` are what follows the run's token."""

    line: int
    at_ns: int
    tid: Tid
    process: Process
    words: tuple[str, ...]


class Birth(NamedTuple):
    """Thread `child` was made by thread `tid`; `thread` says that both share one process."""

    line: int
    at_ns: int
    tid: Tid
    child: Tid
    thread: bool
    process: Process


class Exit(NamedTuple):
    """A thread ended; `status` is its exit code, or the name of the signal that ended it."""

    line: int
    at_ns: int
    tid: Tid
    process: Process
    status: str


class Entered(NamedTuple):
    """A thread changed its working directory to `path` (empty where that is not known)."""

    line: int
    at_ns: int
    tid: Tid
    process: Process
    path: str


Step = Access | Mark | Birth | Exit | Entered
"""What one thread did next, as the process stage yields it."""


# --- ownership -------------------------------------------------------------------------------


class Evidence(StrEnum):
    """Why an access is said to belong to its owner."""

    MARK = "mark"
    INHERITED = "inherited"
    HANDLE = "handle"
    MAP = "map"
    TIME = "time"
    SANDBOX = "sandbox"
    SUBMIT_LOG = "submit-log"


class Certainty(StrEnum):
    """How sure an attribution is."""

    EXACT = "exact"
    INFERRED = "inferred"
    UNOBSERVED = "unobserved"


class Owner(NamedTuple):
    """Whom an access belongs to: the `execution`-th cell execution of the run, or 0 for the kernel.

    The kernel (start-up, the time between cells, its own threads) owns what no cell owns; on a
    worker, the worker itself owns what no task owns. `execution` of a task is the submitting one.
    """

    execution: int = 0
    task: str = ""
    worker: str = ""


class OwnedAccess(NamedTuple):
    """An access with its owner and the evidence for it."""

    access: Access
    owner: Owner
    evidence: Evidence
    certainty: Certainty


class OwnedExit(NamedTuple):
    """The end of a thread, with the owner it had."""

    exit: Exit
    owner: Owner


class Touch(NamedTuple):
    """All accesses of one owner to one path in one mode, folded: what an answer's row tells.

    `at_ns`, `line`, `named` and `process` are those of the first access, `last_ns` is the time of
    the last one; `accesses` counts them (0: seen only through a handle). Evidence and certainty are
    the best of any. `host` is where it happened; `place` is the host whose file it is, where that
    is another one: the sandbox of a task holds the manager's files.
    """

    owner: Owner
    mode: Mode
    path: str
    named: str
    target: str
    kind: str
    process: str
    host: str
    evidence: Evidence
    certainty: Certainty
    accesses: int
    at_ns: int
    last_ns: int
    line: int
    created: bool
    place: str = ""


# --- files and packages ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a file was when somebody looked: the evidence for its content.

    `kind` is `file`, `directory`, `fifo`, `socket`, `device` or `missing`. `sha256` is empty where
    `reason` says why. `execution` is the cell execution after which it was taken (0: before the
    first), `at_ns` the time at which reading it was finished.
    """

    path: str
    kind: str
    size: int
    mtime_ns: int
    device: int
    inode: int
    sha256: str
    reason: str
    execution: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class Package:
    """One installed distribution, by the package manager that owns its files.

    `manager` is `pip`, `conda`, `dpkg`, `python` (an interpreter with its standard library that no
    manager owns). `record_digest` is the sha256 over the manager's own list of files and digests,
    empty where it keeps none. `location` is the directory it is installed in. `source` is where an
    editable or direct installation came from (PEP 610). `build` names what a wheel was built for
    (its tags), where it says so.
    """

    name: str
    version: str
    manager: str
    purl: str
    location: str = ""
    record_digest: str = ""
    source: str = ""
    build: str = ""


@dataclass(frozen=True, slots=True)
class Ownership:
    """Which package owns a path and the evidence for it, or why nobody does.

    `sha256` is that of a file which is not what its package's own record says, empty for others.
    """

    path: str
    package: Package | None
    reason: str
    sha256: str = ""


class Role(StrEnum):
    """What a file is to the activity that touched it."""

    DATA = "data"
    CODE = "code"
    PACKAGE = "package"
    PACKAGE_DATA = "package-data"
    CONFIG = "config"
    SYSTEM = "system"
    RUNTIME = "runtime"
    CACHE = "cache"
    TEMPORARY = "temporary"
    DIRECTORY = "directory"
    NETWORK = "network"
    UNRESOLVED = "unresolved"


DATA_ROLES = (Role.DATA, Role.CONFIG)
"""What a person means by "data": the files that carry input, output and settings."""

SOFTWARE_ROLES = (Role.PACKAGE, Role.PACKAGE_DATA, Role.SYSTEM, Role.UNRESOLVED)
"""Roles whose files are kept in footprints, not as single edges."""


class Classification(NamedTuple):
    """A file's role, and the named rule that gave it."""

    role: Role
    rule: str


@dataclass(frozen=True, slots=True)
class FileVersion:
    """One content of one path during the run.

    `number` counts the run's file versions from 1. `sha256` is empty where `undigested` says why;
    `size` and `mtime_ns` are -1 where nobody looked. `revision_of` and `derived_from` are numbers
    of other versions (0: none); `derived_from` is set by a rename.
    """

    number: int
    path: str
    kind: str
    size: int
    mtime_ns: int
    sha256: str
    undigested: str
    revision_of: int = 0
    derived_from: int = 0


# --- graph -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the graph. `kind` is a key of `vocabulary.KINDS`, `uid` its full IRI."""

    uid: str
    kind: str
    properties: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Edge:
    """A relationship of the graph, from the later thing to the earlier one as in PROV.

    `relation` is a key of `vocabulary.RELATIONS`. `uid` names the relationship itself (its
    qualified form) and is empty where the relation has none.
    """

    relation: str
    source: str
    target: str
    uid: str = ""
    properties: Mapping[str, Value] = field(default_factory=dict)


Statement = Node | Edge


# --- answers ---------------------------------------------------------------------------------

Cell = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows with named columns: what every question answers with."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    truncated: bool = False

    def __len__(self) -> int:
        return len(self.rows)

    def records(self) -> Iterator[dict[str, Cell]]:
        """Yield each row as a dictionary, columns in order."""
        for row in self.rows:
            yield dict(zip(self.columns, row, strict=True))
