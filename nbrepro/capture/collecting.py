"""Make a worker's evidence portable, on its own machine and perhaps while it still runs.

    python -m nbrepro.capture.collecting WORKERDIR -o ARCHIVE.tar.zst

The trace is taken as it is now; files, names and packages are looked up here, where they are.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import re
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

import zstandard

from nbrepro.capture.aging import note_fetched
from nbrepro.capture.archives import LIMIT_BYTES, TRACE, pack, scratch
from nbrepro.capture.closing import find_writers
from nbrepro.capture.digests import Digest, Digester, Look, Sightings, look_at
from nbrepro.capture.survey import Names, Scope, resolved_names, survey
from nbrepro.conformity import skip_iri_grammar
from nbrepro.errors import ExitCode, NbreproError
from nbrepro.rundir import (
    NAMES,
    SIGHTINGS,
    SOFTWARE,
    WorkerDirectory,
    WorkerManifest,
    open_trace,
)
from nbrepro.trace import read_lines

DIGEST_BYTES = 2 << 30
"""How much is read for digests at most, the smallest files first."""
BEYOND = "the worker's files are many or large, and this one was not read"
STILL_RUNNING = "the worker was still running when its trace was taken"
_TRACE_SHARE = 0.75
_LOGS = (SIGHTINGS, NAMES, SOFTWARE)
_ENDED = rb"^%d +(\d+)\.(\d+) \+\+\+ (?:exited with (\d+)|killed by (\w+))"


@dataclass(frozen=True, slots=True)
class Extras:
    """What only the engine's side knows of a worker."""

    address: str = ""
    clock_offset_ns: int = 0
    clock_error_ns: int = -1


@dataclass(slots=True)
class _Taken:
    """What was taken of a trace."""

    read_bytes: int = 0
    cut: bool = False
    ended_ns: int = 0
    exit_code: int = 0
    signal: str = ""
    notes: list[str] = field(default_factory=list)


def collect(
    source: WorkerDirectory,
    target: Path,
    token: str = "",
    limit_bytes: int = LIMIT_BYTES,
    extras: Extras | None = None,
) -> WorkerDirectory:
    """Copy a worker's evidence into the directory `target`, closed and complete as of now.

    `source` is only read. What is not known yet of files and packages is looked up if this is the
    worker's machine. Raises RunDirectoryError for a `source` that is none.
    """
    manifest = source.read_manifest()
    if extras is not None:
        manifest = replace(manifest, address=extras.address or manifest.address,
                           clock_offset_ns=extras.clock_offset_ns,
                           clock_error_ns=extras.clock_error_ns)  # fmt: skip
    here = manifest.host.name == (platform.node() or "localhost")
    directory = WorkerDirectory(target)
    trace = source.find_trace()
    if trace is not None:
        running = here and trace.suffix != ".zst" and bool(find_writers(trace))
        taken = _take_trace(
            trace, target / TRACE, manifest.pid, limit_bytes * _TRACE_SHARE, running
        )
        manifest = _end(manifest, taken, running, here)
        manifest = _look_up(source, directory, manifest, token, here)
    elif manifest.status == "running":
        error = "its tracer left no trace"
        manifest = replace(manifest, status="unobserved", error=error)
    directory.write_manifest(manifest)
    return directory


def _take_trace(trace: Path, target: Path, pid: int, limit_bytes: float, running: bool) -> _Taken:
    """Compress a trace up to a bound, and find the end of its first process.

    Of a `running` tracer's last line the rest is still to come, so that it is left out.
    """
    taken = _Taken()
    ended = re.compile(_ENDED % pid, re.MULTILINE)
    with open_trace(trace) as stream, target.open("wb") as sink:
        with zstandard.ZstdCompressor(level=3).stream_writer(sink, closefd=False) as packed:
            for block in read_lines(_upto(stream, trace)):
                if sink.tell() > limit_bytes:
                    taken.cut = True
                    break
                whole = block[: block.rfind(b"\n") + 1] if running else block
                packed.write(whole)
                taken.read_bytes += len(whole)
                if not taken.ended_ns and (found := ended.search(whole)):
                    _note_end(taken, found)
        sink.flush()
        os.fsync(sink.fileno())
    if taken.cut:
        taken.notes.append(
            f"the trace was cut after {taken.read_bytes} bytes; what came later is not known"
        )
    return taken


def _note_end(taken: _Taken, found: re.Match[bytes]) -> None:
    seconds, fraction, code, signal = found.groups()
    taken.ended_ns = int(seconds) * 10**9 + int(fraction.ljust(9, b"0")[:9])
    taken.exit_code = int(code or 0)
    taken.signal = (signal or b"").decode()


class _Bounded:
    """A growing file as long as it was when this was made: it grows by our own reading, too."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream = stream
        self._left = size

    def read(self, size: int) -> bytes:
        block = self._stream.read(min(size, self._left))
        self._left -= len(block)
        return block


def _upto(stream: IO[bytes], trace: Path) -> IO[bytes]:
    if trace.suffix == ".zst":
        return stream
    return _Bounded(stream, trace.stat().st_size)  # type: ignore[return-value]


def _end(manifest: WorkerManifest, taken: _Taken, running: bool, here: bool) -> WorkerManifest:
    """Say how the worker ended, as its trace tells."""
    manifest = replace(manifest, notes=(*manifest.notes, *taken.notes))
    if manifest.status != "running":
        return manifest
    if taken.signal:
        return replace(manifest, status="killed", ended_ns=taken.ended_ns,
                       error=f"killed by {taken.signal}")  # fmt: skip
    if taken.ended_ns:
        said = f"ended with exit code {taken.exit_code}" if taken.exit_code else ""
        return replace(manifest, status="ok", ended_ns=taken.ended_ns, error=said)
    if running:
        return replace(manifest, status="ok", notes=(*manifest.notes, STILL_RUNNING))
    if not taken.read_bytes:
        return replace(manifest, status="unobserved", error="its tracer wrote nothing")
    if taken.cut:
        return manifest
    where = "its tracer was killed or the machine stopped" if here else (
        f"host {manifest.host.name} stopped, or the worker still runs there")  # fmt: skip
    return replace(
        manifest, status="killed", error=f"the trace does not show the worker's end: {where}"
    )


def _look_up(
    source: WorkerDirectory,
    directory: WorkerDirectory,
    manifest: WorkerManifest,
    token: str,
    here: bool,
) -> WorkerManifest:
    """Take over what is known of files and packages, else look it up."""
    if (source.path / SOFTWARE).is_file():
        for name in _LOGS:
            if (source.path / name).is_file():
                shutil.copyfile(source.path / name, directory.path / name)
        return manifest
    if not here:
        note = "its files and packages were not looked up before its evidence left its machine"
        return replace(manifest, notes=(*manifest.notes, note))
    scope = Scope(manifest.roots, str(source.path))
    names = Names()
    found = survey(directory.path / TRACE, token, scope, names, manifest.cwd, ours=os.getpid())
    gaps = _write_sightings(directory, found.touched)
    directory.write_log(NAMES, resolved_names(names))
    directory.write_log(SOFTWARE, found.ownerships())
    return replace(manifest, notes=(*manifest.notes, *gaps))


def _write_sightings(directory: WorkerDirectory, paths: Iterable[str]) -> list[str]:
    """Write what the touched files are now; give what could not be told."""
    looks = sorted(((look_at(path), path) for path in paths), key=lambda seen: seen[0].size)
    sightings = Sightings(directory, Digester(), DIGEST_BYTES)
    left: list[tuple[Look, str]] = []
    size = 0
    for look, path in looks:
        size += max(look.size, 0) if look.kind == "file" else 0
        if look.kind == "file" and size > DIGEST_BYTES:
            left.append((look, path))
        else:
            sightings.settle(path, 0, always=True)
    sightings.finish()
    for look, path in left:
        unread = Digest(look, "", look.reason or BEYOND, time.time_ns())
        directory.append(SIGHTINGS, unread.sighting(path, 0))
    return sightings.gaps


def collect_archive(
    source: Path,
    archive: Path,
    token: str = "",
    limit_bytes: int = LIMIT_BYTES,
    extras: Extras | None = None,
) -> None:
    """Write the archive of the worker directory `source`. Raises NbreproError and OSError."""
    with scratch(archive.absolute().parent) as target:
        original = WorkerDirectory(source)
        directory = collect(original, target, token, limit_bytes, extras)
        pack(directory, archive, limit_bytes)
    with contextlib.suppress(OSError):  # it may be another user's
        note_fetched(original)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; failures are one sentence on stderr."""
    skip_iri_grammar()
    parser = argparse.ArgumentParser("nbrepro.capture.collecting", description=__doc__)
    parser.add_argument("directory", type=Path, metavar="WORKERDIR")
    parser.add_argument("-o", dest="archive", type=Path, required=True, metavar="ARCHIVE.tar.zst")
    parser.add_argument("--token", default="", help="secret part of the run's marks")
    parser.add_argument("--limit", type=int, default=LIMIT_BYTES, metavar="BYTES")
    parser.add_argument("--address", default="", help="how the engine calls the worker")
    parser.add_argument("--clock-offset-ns", type=int, default=0)
    parser.add_argument("--clock-error-ns", type=int, default=-1)
    given = parser.parse_args(arguments)
    extras = Extras(given.address, given.clock_offset_ns, given.clock_error_ns)
    try:
        collect_archive(given.directory, given.archive, given.token, given.limit, extras)
    except (NbreproError, OSError) as error:
        sys.stderr.write(f"nbrepro: {error}\n")
        return error.exit_code if isinstance(error, NbreproError) else ExitCode.MACHINE
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(main())
