"""Write the archive of a run: its graph in several formats and its evidence, in one file.

The same run gives the same bytes, whenever and wherever it is archived with the same versions.
"""

from __future__ import annotations

import tarfile
import tempfile
from typing import BinaryIO

import zstandard

import nbrepro
from nbrepro.archives.contents import CONTENTS, Contents
from nbrepro.errors import MachineError
from nbrepro.export.asked import open_whole, redacted
from nbrepro.export.extract import Tell
from nbrepro.export.members import find_redactor, stage_run
from nbrepro.export.staging import Staged
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
    with (
        open_whole(run, tell) as whole,
        redacted(whole, redactor := find_redactor(whole, directory) if redact else None) as extract,
        stage_run(extract, directory, redactor) as staging,
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
