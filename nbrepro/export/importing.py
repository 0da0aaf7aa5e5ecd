"""Bring the archive of a run into a project: its evidence to the others', its graph to a store.

Everything is checked before anything is where it belongs; what is refused leaves nothing behind.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from nbrepro.archives.contents import EVIDENCE, GRAPH, UNPACKED_BYTES, Contents
from nbrepro.archives.reading import Archive, open_archive
from nbrepro.archives.tars import RefusedError
from nbrepro.capture.archives import check_log, check_trace, check_worker, scratch
from nbrepro.config import Project
from nbrepro.errors import NotFoundError, RunDirectoryError, UsageError
from nbrepro.export.foreign import read_foreign
from nbrepro.model import RunId
from nbrepro.rundir import CELLS, HANDLES, NAMES, SIGHTINGS, SOFTWARE, RunDirectory
from nbrepro.stores.archived import graph_store
from nbrepro.stores.copies import copy_run
from nbrepro.stores.interface import Store

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Imported:
    """What was imported: the run, its statements, where its evidence is now, if any came, and
    sentences on what was not taken."""

    run: str
    statements: int
    evidence: Path | None = None
    notes: Sequence[str] = ()


def import_archive(
    path: Path,
    project: Project,
    store: Store,
    *,
    replace: bool = False,
    most_bytes: int = UNPACKED_BYTES,
    say: Say | None = None,
) -> Imported:
    """Import an archive. Raises ArchiveError for one that is refused, UsageError where its run is
    here already and is not to be replaced."""
    say = say or (lambda _: None)
    with (
        open_archive(path, most_bytes) as archive,
        scratch(project.runs) as folder,
        tempfile.TemporaryFile() as graph,
    ):
        run = RunId(archive.contents.run)
        place = project.runs / run
        if not replace and (place.exists() or _is_kept(store, run)):
            raise UsageError(f"run {run} is here already; give --replace to have it of {path}")
        say("unpacking and checking")
        unpacked = _unpack(archive, folder, graph)
        if unpacked:
            _check_evidence(folder, archive.contents)
        say("loading the graph")
        graph.seek(0)
        count = copy_run(graph_store(archive.contents, graph), store, run)
        if unpacked:
            _put(folder, place)
    return Imported(run, count, place if unpacked else None)


def import_document(path: Path, store: Store, *, replace: bool = False) -> Imported:
    """Import PROV-JSON as a run; see `foreign`. Raises DocumentError, UsageError as above."""
    told = read_foreign(path)
    if not replace and _is_kept(store, told.run):
        raise UsageError(f"run {told.run} is here already; give --replace to have it of {path}")
    count = store.load(told.run, told.uuid, told.statements)
    return Imported(told.run, count, notes=told.left)


def _is_kept(store: Store, run: RunId) -> bool:
    try:
        store.kept(run)
    except NotFoundError:
        return False
    return True


def _unpack(archive: Archive, folder: Path, graph: IO[bytes]) -> bool:
    """Read every member, keep the graph and the evidence; tell whether there was any."""
    found = False
    for member, blocks in archive.members():
        if member.name == GRAPH:
            graph.writelines(blocks)
        elif member.name.startswith(EVIDENCE):
            place = folder / member.name.removeprefix(EVIDENCE)
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with place.open("xb") as sink:
                sink.writelines(blocks)
            found = True
        else:
            # What the graph says in other formats is checked as it was packed, and not kept.
            for _ in blocks:
                pass
    return found


def _check_evidence(folder: Path, contents: Contents) -> None:
    """Check that all evidence can be read later, and is of the run. Raises RefusedError."""
    directory = RunDirectory(folder)
    try:
        manifest = directory.read_manifest()
        if (manifest.run, manifest.uuid) != (contents.run, contents.uuid):
            raise RefusedError(f"its evidence is of run {manifest.run!r}")
        readers: dict[str, Callable[[], Iterable[Any]]] = {
            CELLS: directory.read_cells,
            SIGHTINGS: directory.read_sightings,
            HANDLES: directory.read_handles,
            NAMES: directory.read_names,
            SOFTWARE: directory.read_software,
        }
        for name, read in readers.items():
            check_log(name, read)
        for trace in directory.trace_paths():
            check_trace(trace)
        for worker in directory.worker_directories():
            check_worker(worker, worker.read_manifest().worker)
    except RunDirectoryError as error:
        raise RefusedError(f"its evidence: {str(error).replace(f'{folder}/', '')}") from None


def _put(folder: Path, place: Path) -> None:
    """Put the evidence where it belongs, in place of what is there."""
    if place.exists():
        old = place.with_name(f".{place.name}.old")
        place.rename(old)
        folder.rename(place)
        shutil.rmtree(old, ignore_errors=True)
    else:
        folder.rename(place)
