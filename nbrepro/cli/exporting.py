"""The command that writes a run's graph, or a part of it, in a standard format."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from nbrepro.cli.options import (
    cell_option,
    complete_path,
    complete_task,
    complete_worker,
    open_asked,
    run_argument,
    store_option,
)
from nbrepro.cli.progress import open_progress
from nbrepro.errors import NotFoundError, UsageError
from nbrepro.export.writers import ALIASES, FORMATS, find_format
from nbrepro.formats import visible

if TYPE_CHECKING:
    from nbrepro.answers import Provenance
    from nbrepro.rundir import RunDirectory

STANDARD_OUTPUT = "-"
CRATE = "ro-crate"


@click.command("export", short_help="Write a run's graph in a standard format.")
@run_argument
@click.option(
    "-f", "--format", "name", required=True, metavar="FORMAT",
    type=click.Choice([*FORMATS, CRATE, *ALIASES]),
    help=f"One of: {', '.join((*FORMATS, CRATE))}; prov-o is turtle.",
)  # fmt: skip
@click.option("-o", "--output", metavar="FILE|-", help="Where to (default: RUN and an ending).")
@cell_option
@click.option("--task", metavar="ID", shell_complete=complete_task, help="Only this task.")
@click.option("--worker", metavar="ID", shell_complete=complete_worker, help="Only this worker.")
@click.option(
    "--lineage-of", metavar="FILE", shell_complete=complete_path, help="Only what made this file.",
)  # fmt: skip
@click.option(
    "--redact/--no-redact", default=False,
    help="Replace user names, home paths, host names and secrets (default: no).",
)  # fmt: skip
@click.option("--with-data", is_flag=True, help="ro-crate: include data files as they still are.")
@click.option("--license", "license_", metavar="URL|TEXT", help="ro-crate: the licence of it all.")
@store_option
def export_command(
    run: str,
    name: str,
    output: str | None,
    cell: str | None,
    task: str | None,
    worker: str | None,
    lineage_of: str | None,
    redact: bool,
    with_data: bool,
    license_: str | None,
    store: str | None,
) -> None:
    """Write the graph of RUN, or of a part of it, in a standard format.

    An ro-crate is a new directory, or a zip file where FILE ends in .zip.

    \b
    nbrepro export -f prov-json -o run.prov.json
    nbrepro export -f svg --lineage-of result.csv -o result.svg
    nbrepro export -f turtle -o - | less
    """
    from nbrepro.export.asked import find_part, open_extract

    crate = ALIASES.get(name, name) == CRATE
    if not crate and (with_data or license_ is not None):
        raise UsageError("--with-data and --license are for -f ro-crate")
    with open_asked(store) as provenance, open_progress(sys.stderr.isatty()) as progress:
        asked = provenance.run(run)
        part = find_part(asked, cell, task, worker, lineage_of)
        with open_extract(
            asked, part, redact=redact and not crate, tell=progress.counted
        ) as extract:
            if crate:
                from nbrepro.export.crates import write_crate

                target = output or f"{asked.id}.crate.zip"
                extract = write_crate(
                    extract, None if part else find_evidence(provenance, asked.id), Path(target),
                    with_data=with_data, redact=redact, license_=license_,
                )  # fmt: skip
            else:
                target = output or f"{asked.id}{find_format(name).suffix}"
                with open_output(target) as out:
                    find_format(name).write(extract, out)
    say_written(target, len(extract), extract.run.get("redacted"))


def find_evidence(provenance: Provenance, run: str) -> RunDirectory | None:
    """Find the run directory of a run; None where it is not here."""
    from nbrepro.rundir import MANIFEST, RunDirectory

    place = provenance.project.runs / run if provenance.project else None
    return RunDirectory(place) if place and (place / MANIFEST).is_file() else None


def say_written(target: str, records: int, redacted: object) -> None:
    """Say on standard error what was written."""
    if target != STANDARD_OUTPUT:
        more = f", redacted: {redacted}" if redacted else ""
        click.echo(f"{visible(target)}: {records} records{more}", err=True)


@contextmanager
def open_output(target: str) -> Iterator[BinaryIO]:
    """Open a file that comes to be in one step, or standard output. Raises NotFoundError."""
    if target == STANDARD_OUTPUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(target)
    if path.is_dir():
        raise UsageError(f"{target}: is a directory; give the name of a file")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as out:
            yield out
        part.replace(path)
    except FileNotFoundError:
        raise NotFoundError(f"{path.parent}: no such directory; make it first") from None
    finally:
        part.unlink(missing_ok=True)
