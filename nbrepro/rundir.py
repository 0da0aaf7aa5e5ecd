"""The run directory: the evidence of one run, written once while it is observed, then only read.

manifest.json      what ran, where, watched by what, how it ended (schemas/manifest.schema.json)
notebook.ipynb     the notebook as it was given; executed.ipynb with the outputs it produced
kernel.log         what the kernel printed by itself, outside any cell's output
cells.jsonl        one CellRecord an execution, in order
traces/HOST.strace.zst   what the tracer wrote, compressed once it is closed
sightings.jsonl    one Sighting for every look at a file, in order of time
handles.jsonl      one HandleUse for every file used through a handle opened earlier
names.jsonl        one Resolved name for every path whose parents were symbolic links
software.jsonl     one Ownership for every touched path that was looked up
environment.jsonl  one EnvironmentRead for every name of the environment that a cell read
variables.jsonl    one NamesView an execution: what the kernel's names were at its end
submits.jsonl      what the kernel's probe saw of a distributed engine
workers/ID/        one directory a worker: worker.json, trace.strace.zst and logs as above
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeVar

import zstandard

from nbrepro.conformity import find_violation
from nbrepro.errors import RunDirectoryError
from nbrepro.model import Ownership, Package, RunId, Sighting

SCHEMA = "nbrepro-run/1"
WORKER_SCHEMA = "nbrepro-worker/1"

MANIFEST = "manifest.json"
NOTEBOOK = "notebook.ipynb"
EXECUTED = "executed.ipynb"
CELLS = "cells.jsonl"
TRACES = "traces"
SIGHTINGS = "sightings.jsonl"
HANDLES = "handles.jsonl"
NAMES = "names.jsonl"
SOFTWARE = "software.jsonl"
SUBMITS = "submits.jsonl"
ENVIRONMENT = "environment.jsonl"
VARIABLES = "variables.jsonl"
WORKERS = "workers"
WORKER_MANIFEST = "worker.json"
WORKER_TRACE = "trace.strace"

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Host:
    """The machine a trace comes from, as it described itself."""

    name: str
    system: str = ""
    release: str = ""
    distribution: str = ""
    machine: str = ""
    cpus: int = 0


@dataclass(frozen=True, slots=True)
class Tracer:
    """What watched the run, and in plain sentences what it could not see."""

    name: str
    version: str = ""
    unseen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kernel:
    """The observed kernel. `probed` says that our probe ran in it and wrote marks."""

    name: str
    language: str
    pid: int
    executable: str = ""
    version: str = ""
    probed: bool = True


@dataclass(frozen=True, slots=True)
class Manifest:
    """`manifest.json`. Times are ns since the epoch; `status` is `running`, `ok`, `failed` or
    `interrupted`; `error` says why in one sentence. `roots` maps the names of logical roots
    (`project`, `prefix`, `home`, `temporary`, `run`) to directories. `token` is the secret part of
    the marks. `settings` holds the role rules of the project's own configuration."""

    run: RunId
    uuid: str
    notebook: str
    notebook_sha256: str
    cwd: str
    token: str
    started_ns: int
    host: Host
    tracer: Tracer
    kernel: Kernel
    roots: dict[str, str]
    ended_ns: int = 0
    status: str = "running"
    error: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    schema: str = SCHEMA


@dataclass(frozen=True, slots=True)
class CellRecord:
    """One execution of a code cell: the `execution`-th of the run, `position` counts from 1 among
    code cells (0: a parameters cell that the tool injected). `status` is `ok`, `failed` or
    `interrupted`; `error` is the exception's name and message."""

    execution: int
    position: int
    cell_id: str
    execution_count: int | None
    source: str
    status: str
    started_ns: int
    ended_ns: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class HandleUse:
    """A cell used a file through a handle (`handle`) or memory map (`map`) opened earlier."""

    execution: int
    path: str
    mode: str
    evidence: str


@dataclass(frozen=True, slots=True)
class EnvironmentRead:
    """An execution (0: the kernel's start) read a name of the environment.

    `state` is `set`, `unset` or `withheld` (a secret, whose value is never recorded).
    """

    execution: int
    name: str
    state: str
    value: str


@dataclass(frozen=True, slots=True)
class NamesView:
    """What the kernel's names were at the end of an execution, against the end of the one before.

    `bound` names are new or stand for another object, `changed` ones reach something that is not
    as it was; each with its `type`, whether it reaches the notebook's own `code`, and what was
    `unseen` of it. Of `unknown` ones it cannot be told, with the reason; all others are as before.
    `states` are those of the `watched` ones that changed (names of `nbrepro.variables.states`);
    None: watched as before. `groups` are the names that reach the same objects; None: as before.
    `failed` says why there is no view.
    """

    execution: int
    bound: dict[str, dict[str, Any]] = field(default_factory=dict)
    changed: dict[str, dict[str, Any]] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    watched: list[str] | None = None
    groups: list[list[str]] | None = None
    took_ns: int = 0
    failed: str = ""


@dataclass(frozen=True, slots=True)
class Resolved:
    """A path as it was named (made absolute) and as it is without symbolic links."""

    named: str
    path: str


@dataclass(frozen=True, slots=True)
class WorkerManifest:
    """`worker.json`: one worker process of a distributed engine, on its own machine.

    Times are by the worker's clock; `clock_offset_ns` is the manager's clock minus the worker's,
    known to within `clock_error_ns` (-1: not measured). `address` is how the engine calls it.
    `status` is `running`, `ok`, `killed` or `unobserved`; `error` says why in one sentence.
    """

    worker: str
    engine: str
    host: Host
    tracer: Tracer
    command: tuple[str, ...]
    pid: int
    cwd: str
    started_ns: int
    roots: dict[str, str]
    ended_ns: int = 0
    executable: str = ""
    version: str = ""
    address: str = ""
    clock_offset_ns: int = 0
    clock_error_ns: int = -1
    status: str = "running"
    error: str = ""
    notes: tuple[str, ...] = ()
    schema: str = WORKER_SCHEMA


class Logs:
    """Reads and writes the logs of a directory of evidence: one JSON record a line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    def append(self, name: str, record: Any) -> None:
        """Append one dataclass instance to the log `name`."""
        line = json.dumps(record, default=_fields) + "\n"
        with (self.path / name).open("a", encoding="ascii") as log:
            log.write(line)

    def write_log(self, name: str, records: Iterable[Any]) -> None:
        """Write a whole log at once."""
        with (self.path / name).open("w", encoding="ascii") as log:
            log.writelines(json.dumps(record, default=_fields) + "\n" for record in records)

    def read_sightings(self) -> Iterator[Sighting]:
        """Read what files were when somebody looked, in order of time."""
        return self._read(SIGHTINGS, Sighting)

    def read_names(self) -> Iterator[Resolved]:
        """Read the resolved names."""
        return self._read(NAMES, Resolved)

    def read_software(self) -> Iterator[Ownership]:
        """Read which package owns which path."""
        return self._read(SOFTWARE, _ownership)

    def read_environment(self) -> Iterator[EnvironmentRead]:
        """Read what was read of the environment.

        Processes that share the work of one cell log their reads each for themselves.
        """
        return self._read(ENVIRONMENT, EnvironmentRead)

    def _read(self, name: str, make: Any) -> Iterator[Any]:
        path = self.path / name
        if not path.exists():
            return
        with path.open(encoding="utf-8") as log:
            for number, line in enumerate(log, 1):
                try:
                    yield make(**json.loads(line))
                except (ValueError, TypeError) as error:
                    # A run that was killed leaves half a line at the end, never elsewhere.
                    if line.endswith("\n"):
                        raise RunDirectoryError(f"{path}:{number}: {error}") from None


class RunDirectory(Logs):
    """Reads and writes the parts of one run directory."""

    def create(self) -> RunDirectory:
        """Make the directory; it must not exist."""
        (self.path / TRACES).mkdir(parents=True)
        return self

    def write_manifest(self, manifest: Manifest) -> None:
        """Replace the manifest in one step."""
        _write_manifest(self.path / MANIFEST, manifest)

    def read_manifest(self) -> Manifest:
        """Read and check the manifest. Raises RunDirectoryError with the reason."""
        hint = "give the directory of a run (.nbrepro/runs/...)"
        record = _read_manifest(self.path / MANIFEST, "manifest.schema.json", SCHEMA, hint)
        return Manifest(**record | {"kernel": Kernel(**record["kernel"])})

    def read_cells(self) -> list[CellRecord]:
        """Read the cell log in order of execution."""
        return list(self._read(CELLS, CellRecord))

    def read_handles(self) -> Iterator[HandleUse]:
        """Read the uses of handles and maps."""
        return self._read(HANDLES, HandleUse)

    def read_views(self) -> Iterator[NamesView]:
        """Read the kernel's view of its names; nothing where it was not taken."""
        return self._read(VARIABLES, NamesView)

    def trace_paths(self) -> list[Path]:
        """List the traces, compressed or not, one a host, in order of name."""
        return sorted((self.path / TRACES).glob("*.strace*"))

    def trace_path(self, host: str) -> Path:
        """Give where the trace of `host` is written while it is open."""
        return self.path / TRACES / f"{to_file_name(host) or 'host'}.strace"

    def worker_directories(self) -> list[WorkerDirectory]:
        """List the directories of the run's workers, in order of their ids."""
        found = sorted((self.path / WORKERS).glob(f"*/{WORKER_MANIFEST}"))
        return [WorkerDirectory(path.parent) for path in found if path.parent.name[0] != "."]


class WorkerDirectory(Logs):
    """Reads and writes what was seen of one worker: `worker.json`, its trace, and the same logs."""

    def create(self) -> WorkerDirectory:
        """Make the directory, for its owner alone; it must not exist."""
        self.path.mkdir(mode=0o700, parents=True)
        return self

    def write_manifest(self, manifest: WorkerManifest) -> None:
        """Replace the manifest in one step."""
        _write_manifest(self.path / WORKER_MANIFEST, manifest)

    def read_manifest(self) -> WorkerManifest:
        """Read and check the manifest. Raises RunDirectoryError with the reason."""
        hint = "give the directory of a worker, or an archive of one"
        where = self.path / WORKER_MANIFEST
        record = _read_manifest(where, "worker.schema.json", WORKER_SCHEMA, hint)
        return WorkerManifest(**record | {"command": tuple(record["command"])})

    @property
    def open_trace_path(self) -> Path:
        """Give where the trace is written while it is open."""
        return self.path / WORKER_TRACE

    def find_trace(self) -> Path | None:
        """Find the trace, compressed or still open; None where the worker was not traced."""
        closed = self.path / (WORKER_TRACE + ".zst")
        return next((path for path in (closed, self.open_trace_path) if path.is_file()), None)


def to_file_name(text: str) -> str:
    """Replace what a file's name should not hold."""
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in text)


def _write_manifest(where: Path, manifest: Manifest | WorkerManifest) -> None:
    temporary = where.with_name(where.name + ".part")
    temporary.write_text(json.dumps(manifest, default=_fields, indent=1, sort_keys=True) + "\n")
    temporary.replace(where)


def _read_manifest(where: Path, schema_name: str, version: str, hint: str) -> dict[str, Any]:
    """Read and check a manifest, and make the values that runs and workers share."""
    try:
        record = json.loads(where.read_text())
    except FileNotFoundError:
        raise RunDirectoryError(f"{where.parent}: no {where.name}; {hint}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise RunDirectoryError(f"{where}: cannot be read ({error})") from None
    if isinstance(record, dict) and record.get("schema") not in (None, version):
        raise RunDirectoryError(
            f"{where}: schema {record['schema']!r} is not {version!r}; use the version of "
            "nbrepro that wrote it"
        )
    wrong = find_violation(record, schema_name)
    if wrong is not None:
        raise RunDirectoryError(f"{where}: {wrong.path}: {wrong.message}")
    tracer = record["tracer"] | {"unseen": tuple(record["tracer"]["unseen"])}
    shared = {"host": Host(**record["host"]), "tracer": Tracer(**tracer)}
    checked: dict[str, Any] = record | shared | {"notes": tuple(record["notes"])}
    return checked


def _fields(record: Any) -> dict[str, Any]:
    """Give a dataclass as JSON writes it: `asdict` would copy every value within."""
    return {one.name: getattr(record, one.name) for one in dataclasses.fields(record)}


def _ownership(path: str, package: dict[str, str] | None, reason: str) -> Ownership:
    return Ownership(path, Package(**package) if package else None, reason)


def open_trace(path: Path) -> IO[bytes]:
    """Open a trace for reading, compressed or not."""
    if path.suffix == ".zst":
        stream: IO[bytes] = zstandard.open(path, "rb")
        return stream
    return path.open("rb")


def compress_trace(path: Path) -> Path:
    """Compress a closed trace beside itself and remove the plain one; give the new path."""
    target = path.with_name(path.name + ".zst")
    part = path.with_name(path.name + ".zst.part")
    with path.open("rb") as source, part.open("wb") as sink:
        zstandard.ZstdCompressor(level=3).copy_stream(source, sink)
        sink.flush()
        os.fsync(sink.fileno())
    part.replace(target)
    path.unlink()
    return target
