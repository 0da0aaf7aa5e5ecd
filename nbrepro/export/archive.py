"""Write the archive of a run: its graph in several formats and its evidence, in one file.

The same run gives the same bytes, whenever and wherever it is archived with the same versions.
"""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import zstandard

import nbrepro
from nbrepro.archives.contents import CONTENTS, GRAPH, Contents
from nbrepro.errors import MachineError
from nbrepro.export.asked import redacted
from nbrepro.export.evidence import see_evidence, stage_evidence
from nbrepro.export.extract import Extract, Tell
from nbrepro.export.redaction import Private, Redactor
from nbrepro.export.staging import Staged, Staging
from nbrepro.export.writers import FORMATS
from nbrepro.model import RunId
from nbrepro.rundir import RunDirectory
from nbrepro.runs import Run

_ZSTD_LEVEL = 6
_LARGEST_BYTES = 8 << 30
"""A tar header of the kind that is read here has no room for a longer size."""


def write_archive(
    run: Run,
    directory: RunDirectory | None,
    out: BinaryIO,
    *,
    redact: bool = True,
    tell: Tell | None = None,
) -> Contents:
    """Write the archive of a run; `directory` is its evidence, None where there is none here.

    Raises MachineError where it is too large for one.
    """
    noted = run.provenance.store.kept(RunId(run.id)).statements
    with (
        Extract(run.statements(), unique=True, tell=tell, noted=noted) as whole,
        redacted(whole, redactor := find_redactor(whole, directory) if redact else None) as extract,
        staged(extract, directory, redactor) as staging,
    ):
        files = list(staging.files.values())
        contents = Contents(
            run=str(extract.run["run"]),
            uuid=str(extract.run["uuid"]),
            statements=extract.noted,
            members=tuple(file.member for file in files),
            redacted=redactor.counts if redactor else None,
            notebook=str(extract.run.get("notebook", "")),
            writer=f"nbrepro {nbrepro.__version__}",
        )
        extract.say("packing", 0, 0)
        _pack(contents, files, out)
    return contents


def find_redactor(extract: Extract, directory: RunDirectory | None) -> Redactor:
    """Gather what is private in a graph and its evidence, and give what replaces it."""
    kept = [directory.read_manifest().token] if directory else []
    private = Private(kept)
    for statement in extract.statements():
        private.see_statement(statement)
    if directory is not None:
        extract.say("looking for what is private", 0, 0)
        see_evidence(directory, private)
    return Redactor(private)


@contextmanager
def staged(
    extract: Extract, directory: RunDirectory | None, redactor: Redactor | None
) -> Iterator[Staging]:
    """Give all files of an archive, the graph first."""
    with tempfile.TemporaryDirectory() as folder:
        staging = Staging(Path(folder))
        staging.write(GRAPH, lambda out: FORMATS["nquads"].write(extract, out))
        staging.write("prov.json", lambda out: FORMATS["prov-json"].write(extract, out))
        staging.write("bom.cdx.json", lambda out: FORMATS["cyclonedx"].write(extract, out))
        if directory is not None:
            extract.say("reading the evidence", 0, 0)
            stage_evidence(directory, staging, redactor)
        yield staging


def _pack(contents: Contents, files: list[Staged], out: BinaryIO) -> None:
    packer = zstandard.ZstdCompressor(level=_ZSTD_LEVEL)
    with (
        packer.stream_writer(out, closefd=False) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.USTAR_FORMAT) as tar,
        tempfile.TemporaryFile() as first,
    ):
        content = contents.to_json()
        first.write(content)
        first.seek(0)
        tar.addfile(_header(CONTENTS, len(content)), first)
        for member, path in files:
            if member.size >= _LARGEST_BYTES:
                raise MachineError(f"{path}: is too large to go into an archive ({member.size} B)")
            with path.open("rb") as stream:
                tar.addfile(_header(member.name, member.size), stream)


def _header(name: str, size: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.size, header.mode = size, 0o644
    return header
