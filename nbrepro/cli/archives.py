"""The commands that carry runs between machines: archive and import."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from nbrepro.cli.exporting import find_evidence, open_output, say_written
from nbrepro.cli.options import open_asked, run_argument, store_option
from nbrepro.cli.printing import print_notes
from nbrepro.cli.progress import open_progress
from nbrepro.config import Project, find_project
from nbrepro.errors import NotFoundError
from nbrepro.formats import visible


@click.command("archive", short_help="Put a run into one file, with its evidence.")
@run_argument
@click.option("-o", "--output", metavar="FILE|-", help="Where to (default: RUN.nbrepro).")
@click.option(
    "--redact/--no-redact", default=True,
    help="Replace user names, home paths, host names and secrets (default: yes).",
)  # fmt: skip
@store_option
def archive_command(run: str, output: str | None, redact: bool, store: str | None) -> None:
    """Put RUN into one file: its graph, in several formats, and its evidence, with checksums.

    \b
    nbrepro archive -o run.nbrepro
    nbrepro data --from run.nbrepro --cell 5    (asked where it is)
    nbrepro import run.nbrepro                  (on another machine)
    """
    from nbrepro.archives.contents import SUFFIX
    from nbrepro.export.archive import write_archive

    with open_asked(store) as provenance, open_progress(sys.stderr.isatty()) as progress:
        asked = provenance.run(run)
        directory = find_evidence(provenance, asked.id)
        target = output or f"{asked.id}{SUFFIX}"
        with open_output(target) as out:
            done = write_archive(asked, directory, out, redact=redact, tell=progress.counted)
    say_written(target, done.statements, done.redacted)
    if directory is None:
        click.echo(f"no evidence of {visible(asked.id)} is here: the graph alone", err=True)


@click.command("import", short_help="Bring an archived run into the project.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="Replace a run of the same id.")
@store_option
def import_command(file: Path, replace: bool, store: str | None) -> None:
    """Bring the run in FILE into the project here: an archive, or PROV-JSON of any tool.

    An archive that is not as it says of itself is refused, and leaves nothing behind. What
    PROV-JSON calls entities, activities and agents becomes files, tasks and workers of a run.
    """
    from nbrepro.archives.reading import is_archive
    from nbrepro.export.importing import import_archive, import_document
    from nbrepro.stores import open_store
    from nbrepro.stores.names import locate

    if not file.is_file():
        raise NotFoundError(f"{file}: no such file; give an archive (run.nbrepro) or PROV-JSON")
    project = find_project(Path.cwd()) or Project(Path.cwd().resolve())
    location = locate(store, project) or str(project.store)
    with open_progress(sys.stderr.isatty()) as progress, open_store(location) as target:
        if is_archive(file):
            done = import_archive(file, project, target, replace=replace, say=progress.stage)
        else:
            progress.stage("reading")
            done = import_document(file, target, replace=replace)
    print_notes(done.notes)
    click.echo(f"run {visible(done.run)}: {done.statements} statements; nbrepro show {done.run}")
