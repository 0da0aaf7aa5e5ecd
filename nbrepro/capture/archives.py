"""A worker's evidence as one file: a small tar, compressed, that may come from anywhere.

It holds regular files with known names below one directory named for the worker, and nothing else.
"""

from __future__ import annotations

import dataclasses
import os
import secrets
import shutil
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import zstandard

from nbrepro.archives.tars import BLOCK_BYTES, UNREADABLE, RefusedError, Source, decompressed
from nbrepro.errors import MachineError, RunDirectoryError
from nbrepro.model import Package
from nbrepro.rundir import (
    NAMES,
    SIGHTINGS,
    SOFTWARE,
    WORKER_MANIFEST,
    WORKER_TRACE,
    WorkerDirectory,
    open_trace,
)

TRACE = WORKER_TRACE + ".zst"
MEMBERS = (WORKER_MANIFEST, TRACE, SIGHTINGS, NAMES, SOFTWARE)
SUFFIXES = (".tar.zst", ".tar")
LIMIT_BYTES = 256 << 20
"""The largest archive that is made unless told otherwise."""
UNPACKED_BYTES = 2 << 30
TRACE_BYTES = 64 << 30
"""The most that an archive may unpack to, and its trace once it is read."""

_INTEGERS = range(-(2**63), 2**64)


def is_archive(path: Path) -> bool:
    """Tell by its name whether a file may be an archive of a worker."""
    return path.name.endswith(SUFFIXES) and not path.name.startswith(".")


def pack(directory: WorkerDirectory, archive: Path, limit_bytes: int = LIMIT_BYTES) -> None:
    """Write the archive of a closed worker directory in one step. Raises MachineError."""
    worker = directory.read_manifest().worker
    part = archive.with_name(f".{archive.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as sink:
            with (
                zstandard.ZstdCompressor(level=3).stream_writer(sink, closefd=False) as packed,
                tarfile.open(fileobj=packed, mode="w|", format=tarfile.USTAR_FORMAT) as tar,
            ):
                for name in MEMBERS:
                    _add(tar, directory.path / name, f"{worker}/{name}")
            size = sink.tell()
            sink.flush()
            os.fsync(sink.fileno())
        if size > limit_bytes:
            raise MachineError(
                f"{archive}: what is known of worker {worker} takes {size} bytes, more than the "
                f"limit of {limit_bytes}; gather its directory instead, or raise --limit"
            )
        part.replace(archive)
    finally:
        part.unlink(missing_ok=True)


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    if not path.is_file():
        return
    member = tarfile.TarInfo(name)
    member.size = path.stat().st_size
    member.mode = 0o644
    with path.open("rb") as stream:
        tar.addfile(member, stream)


@contextmanager
def unpacked(
    archive: Path, folder: Path, most_bytes: int = UNPACKED_BYTES, trace_bytes: int = TRACE_BYTES
) -> Iterator[WorkerDirectory]:
    """Unpack an archive into a directory of its own below `folder`, removed in the end.

    Raises RunDirectoryError, with the reason, for whatever is not the archive of a worker.
    """
    with scratch(folder) as path:
        try:
            with archive.open("rb") as stream:
                packed = archive.name.endswith(".zst")
                source = Source(decompressed(stream) if packed else stream, most_bytes)
                worker = _unpack(source, path)
            directory = WorkerDirectory(path)
            check_worker(directory, worker, trace_bytes)
        except (RefusedError, RunDirectoryError) as error:
            reason = str(error).replace(f"{path}{os.sep}", "").removeprefix(f"{path}: ")
            raise RunDirectoryError(f"{archive}: {reason}; nothing was unpacked") from None
        except UNREADABLE as error:
            raise RunDirectoryError(
                f"{archive}: is no archive of a worker ({error}); nothing was unpacked"
            ) from None
        yield directory


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """Make a directory of its own below `folder`, and remove what is left of it in the end."""
    path = folder / f".{secrets.token_hex(6)}.part"
    path.mkdir(mode=0o700, parents=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _unpack(source: Source, path: Path) -> str:
    """Write the members below `path`; give the name of the directory that they were in."""
    seen: dict[str, str] = {}
    for member, blocks in source.members():
        worker, name = _check_member(member, seen)
        seen[name] = worker
        with (path / name).open("xb") as sink:
            sink.writelines(blocks)
    if WORKER_MANIFEST not in seen:
        raise RefusedError(f"holds no {WORKER_MANIFEST}")
    return seen[WORKER_MANIFEST]


def _check_member(member: tarfile.TarInfo, seen: dict[str, str]) -> tuple[str, str]:
    worker, _, name = member.name.partition("/")
    if not worker or name not in MEMBERS:
        raise RefusedError(f"{member.name!r} is no part of a worker's evidence")
    if name in seen:
        raise RefusedError(f"{member.name!r} is there twice")
    if seen and worker not in seen.values():
        raise RefusedError(f"{member.name!r} is of another worker than the rest")
    return worker, name


def check_worker(directory: WorkerDirectory, worker: str, trace_bytes: int = TRACE_BYTES) -> None:
    """Check that all of it can be read later. Raises RefusedError and RunDirectoryError."""
    manifest = directory.read_manifest()
    if manifest.worker != worker:
        raise RefusedError(f"calls itself {manifest.worker!r} in the directory {worker!r}")
    trace = directory.find_trace()
    if trace is not None:
        check_trace(trace, trace_bytes)
    for name, read in (
        (SIGHTINGS, directory.read_sightings),
        (NAMES, directory.read_names),
        (SOFTWARE, directory.read_software),
    ):
        check_log(name, read)


def check_trace(trace: Path, trace_bytes: int = TRACE_BYTES) -> None:
    """Check that a trace can be unpacked, and to how much. Raises RefusedError."""
    size = 0
    with open_trace(trace) as stream:
        while block := stream.read(BLOCK_BYTES):
            size += len(block)
            if size > trace_bytes:
                raise RefusedError(f"its trace unpacks to more than {trace_bytes} bytes")


def check_log(name: str, read: Callable[[], Iterable[Any]]) -> None:
    """Check that each record of a log is what readers rely on. Raises RefusedError."""
    try:
        for record in read():
            _check_record(name, record)
    except RecursionError:
        raise RefusedError(f"{name} is nested too deeply") from None


def _check_record(name: str, record: Any) -> None:
    """Check that a record's values are of the declared types, which readers rely on."""
    for field in dataclasses.fields(record):
        value, kind = getattr(record, field.name), str(field.type)
        if isinstance(value, Package):
            _check_record(name, value)
        elif value is None and "None" in kind:
            continue
        elif kind.startswith("int"):
            if type(value) is not int or value not in _INTEGERS:
                raise RefusedError(f"{name}: {field.name} is not a number")
        elif not isinstance(value, str):
            raise RefusedError(f"{name}: {field.name} is not a text")
