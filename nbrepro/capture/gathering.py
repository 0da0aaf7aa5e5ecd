"""Bring the evidence of workers into the directory of the run that they worked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from zstandard import ZstdError

from nbrepro.capture.aging import forget
from nbrepro.capture.archives import is_archive, scratch, unpacked
from nbrepro.capture.collecting import collect
from nbrepro.engines import read_clocks
from nbrepro.errors import NbreproError, NotFoundError, RunDirectoryError
from nbrepro.model import RunId
from nbrepro.processes import MARKER
from nbrepro.rundir import (
    SUBMITS,
    WORKER_MANIFEST,
    WORKERS,
    RunDirectory,
    WorkerDirectory,
    WorkerManifest,
    open_trace,
)

BY_TIME = "taken for a worker of this run because it ran at the same time"
_CLOCKS_APART_NS = 5_000_000_000
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Gathered:
    """What became of one worker's evidence, and why.

    It was `taken`, `known` to the run already, `left` since it is of another run, or `refused`
    since it is torn, foreign or hostile.
    """

    worker: str
    source: str
    outcome: str
    reason: str


def gather(run: RunDirectory, paths: Sequence[Path]) -> list[Gathered]:
    """Take the workers at `paths` that worked for the run into its directory.

    A path is a worker directory, a directory of them, or an archive. Raises NotFoundError, before
    anything is taken, where there is nothing.
    """
    judge = _Judge(run)
    sources = [source for path in paths for source in _find_sources(path)]
    found = [_take_or_refuse(run, source, judge) for source in sources]
    _tell_workers(run)
    return found


def adopt(run: RunDirectory, local: Sequence[Path] = ()) -> list[str]:
    """Unpack the archives that came home during the run, and take what lies on this machine.

    `local` are directories of worker directories; taken are those that the run's marks, log or
    tracer name, and removed there where the worker ended. Gives a sentence for everything that
    could not be taken; never raises for one.
    """
    notes: list[str] = []
    for archive in sorted((run.path / WORKERS).glob("*")):
        if archive.is_file() and is_archive(archive):
            notes += _attempt(archive, lambda path: _unpack(run, path))
    try:
        judge = _Judge(run)
        sources = [source for folder in local if folder.is_dir() for source in _below(folder)]
    except (NbreproError, OSError) as error:
        return [*notes, f"workers on this machine were not looked for ({error})"]
    for source in sources:
        notes += _attempt(source, lambda path: _take_known(run, path, judge))
    return notes + _attempt(run.path, lambda _: _tell_workers(run))


def _tell_workers(run: RunDirectory) -> None:
    """Note in the workers' manifests what only the manager's side knows."""
    directories = list(run.worker_directories())
    if not directories:
        return
    clocks, kernel = read_clocks(run), run.read_manifest()
    for directory in directories:
        manifest = told = directory.read_manifest()
        if manifest.worker in clocks:
            address, clock = clocks[manifest.worker]
            told = replace(told, address=address)
            if clock.error_ns >= 0:
                offset_ns, error_ns = clock
                told = replace(told, clock_offset_ns=offset_ns, clock_error_ns=error_ns)
        if told.status == "unobserved" and any(str(run.path.resolve()) in n for n in told.notes):
            told = replace(told, status="ok", error="", tracer=kernel.tracer)
        if told != manifest:
            directory.write_manifest(told)


def _attempt(source: Path, act: Callable[[Path], None]) -> list[str]:
    try:
        act(source)
    except (NbreproError, OSError, ZstdError) as error:
        return [f"the evidence of a worker could not be taken: {error}"]
    return []


def _unpack(run: RunDirectory, archive: Path) -> None:
    """Take an archive that the run's own probe brought home, and remove it."""
    with unpacked(archive, run.path / WORKERS) as directory:
        _place(run, directory)
    archive.unlink()


def _take_known(run: RunDirectory, source: Path, judge: _Judge) -> None:
    manifest = WorkerDirectory(source).read_manifest()
    if judge.overlaps(manifest, WorkerDirectory(source)) and judge.proof(source, manifest):
        _take(run, source, judge)
        forget(WorkerDirectory(source))


def _find_sources(path: Path) -> list[Path]:
    """List the worker directories and archives at a path. Raises NotFoundError."""
    if path.is_dir():
        found = [path] if (path / WORKER_MANIFEST).is_file() else _below(path)
        if found:
            return found
        raise NotFoundError(f"{path}: holds no worker directory and no archive of one")
    if not path.exists():
        raise NotFoundError(f"{path}: no such file or directory")
    if not is_archive(path):
        raise NotFoundError(f"{path}: is neither a directory nor a .tar.zst or .tar archive")
    return [path]


def _below(folder: Path) -> list[Path]:
    entries = sorted(entry for entry in folder.iterdir() if entry.name[0] != ".")
    return [
        entry
        for entry in entries
        if (entry / WORKER_MANIFEST).is_file() or (entry.is_file() and is_archive(entry))
    ]


def _take_or_refuse(run: RunDirectory, source: Path, judge: _Judge) -> Gathered:
    try:
        return _take(run, source, judge)
    except RunDirectoryError as error:
        return Gathered("", str(source), "refused", str(error))
    except (OSError, ZstdError) as error:
        return Gathered("", str(source), "refused", f"{source}: cannot be taken ({error})")


def _take(run: RunDirectory, source: Path, judge: _Judge) -> Gathered:
    """Take one worker's evidence if it belongs to the run."""
    with _opened(run, source) as (original, closed):
        manifest = original.read_manifest()
        reason = judge.reason(original, manifest)
        if not reason:
            why = "it did not run at the time of this run, and nothing in the run names it"
            return Gathered(manifest.worker, str(source), "left", why)
        with closed as directory:
            if reason == BY_TIME:
                manifest = directory.read_manifest()
                notes = (*manifest.notes, BY_TIME)
                directory.write_manifest(replace(manifest, notes=notes))
            taken = _place(run, directory)
    if not taken:
        return Gathered(manifest.worker, str(source), "known", "the run has its evidence already")
    return Gathered(manifest.worker, str(source), "taken", reason)


_Closed = AbstractContextManager[WorkerDirectory]


@contextmanager
def _opened(run: RunDirectory, source: Path) -> Iterator[tuple[WorkerDirectory, _Closed]]:
    """Give a worker's evidence as it lies there, and how to get a closed copy to keep."""
    if source.is_dir():
        directory = WorkerDirectory(source)
        yield directory, _collected(run, directory)
        return
    with unpacked(source, run.path / WORKERS) as directory:
        yield directory, _itself(directory)


@contextmanager
def _collected(run: RunDirectory, source: WorkerDirectory) -> Iterator[WorkerDirectory]:
    token = run.read_manifest().token
    with scratch(run.path / WORKERS) as path:
        yield collect(source, path, token)


@contextmanager
def _itself(directory: WorkerDirectory) -> Iterator[WorkerDirectory]:
    yield directory


def _place(run: RunDirectory, directory: WorkerDirectory) -> bool:
    """Move a closed worker directory into the run, unless what is there says as much."""
    manifest = directory.read_manifest()
    target = WorkerDirectory(run.path / WORKERS / manifest.worker)
    if target.path.is_dir():
        if _weight(target) >= _weight(directory):
            return False
        with scratch(run.path / WORKERS) as old:
            target.path.rename(old / manifest.worker)
            directory.path.rename(target.path)
        return True
    directory.path.rename(target.path)
    return True


def _weight(directory: WorkerDirectory) -> tuple[bool, int]:
    """Tell how much evidence there is: of a worker's end, then the longer trace."""
    manifest, trace = directory.read_manifest(), directory.find_trace()
    return bool(
        manifest.ended_ns
    ) or manifest.status == "killed", trace.stat().st_size if trace else -1


class _Judge:
    """Tells whether a worker worked for a run."""

    def __init__(self, run: RunDirectory) -> None:
        manifest = run.read_manifest()
        self.run = RunId(manifest.run)
        self._path = str(run.path.resolve())
        self._mark = f"{MARKER}{manifest.token}/".encode()
        self._started_ns = manifest.started_ns
        self._ended_ns = manifest.ended_ns or time.time_ns()
        submits = run.path / SUBMITS
        self._submits = submits.read_bytes() if submits.is_file() else b""

    def reason(self, directory: WorkerDirectory, manifest: WorkerManifest) -> str:
        """Say how a worker is known to belong to the run; empty where it is not."""
        proof = self.proof(directory.path, manifest)
        if proof:
            return proof
        return BY_TIME if self.overlaps(manifest, directory) else ""

    def proof(self, path: Path, manifest: WorkerManifest) -> str:
        """Say what in the evidence itself proves it; empty for nothing."""
        if manifest.worker.encode() in self._submits:
            return "the run names it"
        if any(self._path in note for note in manifest.notes):
            return "the run's own tracer watched it"
        trace = WorkerDirectory(path).find_trace()
        if trace is not None and _contains(trace, self._mark):
            return "its trace carries the run's marks"
        return ""

    def overlaps(self, manifest: WorkerManifest, directory: WorkerDirectory) -> bool:
        """Tell whether the worker and the run lived at the same time, by the manager's clock."""
        started_ns = manifest.started_ns + manifest.clock_offset_ns
        last_ns = manifest.ended_ns or _last_written_ns(directory)
        began_before_end = started_ns <= self._ended_ns + _CLOCKS_APART_NS
        ended_ns = last_ns + manifest.clock_offset_ns
        return began_before_end and ended_ns >= self._started_ns - _CLOCKS_APART_NS


def _last_written_ns(directory: WorkerDirectory) -> int:
    """Give until when a worker is known to have lived, which its trace's time stamp tells."""
    trace = directory.find_trace()
    found = trace or directory.path / WORKER_MANIFEST
    return found.stat().st_mtime_ns


def _contains(trace: Path, text: bytes) -> bool:
    """Search a trace; a text may lie across two blocks."""
    rest = b""
    with open_trace(trace) as stream:
        while block := stream.read(_BLOCK_BYTES):
            if text in rest + block:
                return True
            rest = block[-len(text) :]
    return False
