"""Write a crate of a run as a directory or a zip file."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nbrepro.capture.archives import scratch
from nbrepro.errors import NotFoundError, UsageError
from nbrepro.export.asked import redacted
from nbrepro.export.crate import NO_LICENSE
from nbrepro.export.extract import Extract
from nbrepro.export.members import find_redactor, stage_run
from nbrepro.export.staging import Staging
from nbrepro.rundir import RunDirectory

_FIRST_DAY = (1980, 1, 1, 0, 0, 0)
"""The earliest time that zip knows: the same run gives the same bytes."""


def write_crate(
    extract: Extract,
    directory: RunDirectory | None,
    target: Path,
    *,
    with_data: bool = False,
    redact: bool = False,
    license_: str | None = None,
) -> Extract:
    """Write a crate to `target`: a zip file where it ends in .zip, else a new directory.

    Gives what was written, redacted where that was wanted. Raises UsageError where the directory
    exists already.
    """
    if not target.parent.is_dir():
        raise NotFoundError(f"{target.parent}: no such directory; make it first")
    redactor = find_redactor(extract, directory) if redact else None
    with (
        redacted(extract, redactor) as told,
        stage_run(
            told,
            directory,
            redactor,
            data=extract if with_data else None,
            license_=license_ or NO_LICENSE,
        ) as staging,
    ):
        if target.suffix == ".zip":
            _write_zip(staging, target)
        else:
            _write_directory(staging, target)
        return told


def _write_directory(staging: Staging, target: Path) -> None:
    if target.exists():
        raise UsageError(f"{target}: exists already; give the name of a new directory, or FILE.zip")
    with scratch(target.parent.resolve()) as folder:
        for name, staged in staging.files.items():
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(staged.path, place)
        folder.chmod(0o755)
        folder.rename(target)


def _write_zip(staging: Staging, target: Path) -> None:
    with (
        _in_one_step(target) as part,
        zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name, staged in staging.files.items():
            header = zipfile.ZipInfo(name, _FIRST_DAY)
            header.compress_type, header.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            with staged.path.open("rb") as content, packed.open(header, "w") as member:
                shutil.copyfileobj(content, member)


@contextmanager
def _in_one_step(target: Path) -> Iterator[Path]:
    part = target.with_name(f".{target.name}.part")
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
