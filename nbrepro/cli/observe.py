"""The commands that record: run a notebook under observation, ingest its evidence."""

from __future__ import annotations

import dataclasses
import importlib
import os
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nbrepro.answers import find_recorded
from nbrepro.cli.options import JSON, TABLE, store_option
from nbrepro.cli.printing import print_json, print_nested
from nbrepro.cli.progress import open_progress
from nbrepro.config import Project, find_project, read_settings
from nbrepro.errors import ExitCode, NbreproError, NotFoundError, UsageError
from nbrepro.formats import visible

if TYPE_CHECKING:
    from nbrepro.capture import RunOptions, RunOutcome
    from nbrepro.ingest import IngestSummary
    from nbrepro.rows import PackageRow
    from nbrepro.rundir import RunDirectory


@click.command("run", short_help="Run a notebook and record what its cells touch.")
@click.argument("notebook", type=click.Path(path_type=Path))
@click.option(
    "-p", "parameters", multiple=True, metavar="NAME=VALUE",
    help="Set a variable, in a cell after the one tagged 'parameters' (again for more).",
)  # fmt: skip
@click.option("--kernel", metavar="NAME", help="Kernel to use (default: the notebook's own).")
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS",
    help="Longest time of one cell (default: none).",
)  # fmt: skip
@click.option("--allow-errors", is_flag=True, help="Go on after a failing cell, and exit with 0.")
@click.option(
    "--cwd", type=click.Path(path_type=Path), metavar="DIRECTORY",
    help="Where the kernel works (default: the notebook's folder).",
)  # fmt: skip
@click.option(
    "--tracer", type=click.Choice(["auto", "strace", "audit"]), default="auto", show_default=True,
    help="What watches the kernel: auto takes strace where it can.",
)  # fmt: skip
@click.option("--order", metavar="N,N,...", help="Run these code cells, in this order, e.g. 1,2,1.")
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="PATH",
    help="Write the executed notebook here.",
)  # fmt: skip
@click.option(
    "--in-place", is_flag=True, help="Write the executed notebook over NOTEBOOK, if it ran well."
)
@click.option("--no-progress", is_flag=True, help="Show nothing while it runs.")
@click.option("--json", "style", flag_value=JSON, default=TABLE, help="Print a JSON summary.")
@store_option
def run_command(
    notebook: Path,
    parameters: Sequence[str],
    kernel: str | None,
    timeout: float | None,
    allow_errors: bool,
    cwd: Path | None,
    tracer: str,
    order: str | None,
    output: Path | None,
    in_place: bool,
    no_progress: bool,
    style: str,
    store: str | None,
) -> int:
    """Run NOTEBOOK under observation and record what every cell touched.

    The notebook is executed as it is; the file is not changed unless --in-place says so. Evidence
    and answers go to .nbrepro/ beside the notebook, or in the nearest folder above that has one.
    """
    from nbrepro.capture import run_notebook
    from nbrepro.rundir import RunDirectory
    from nbrepro.stores.names import locate

    check_notebook(notebook)
    check_output(output)
    project = find_project(notebook.resolve().parent) or Project(notebook.resolve().parent)
    options = make_options(
        project,
        parameters=parameters, kernel=kernel, timeout_s=timeout, allow_errors=allow_errors,
        cwd=cwd, tracer=tracer, order=parse_order(order),
    )  # fmt: skip
    location = locate(store, project)
    # While the kernel starts, so that what is needed at the end is there when it ends.
    threading.Thread(target=_load_modules, daemon=True).start()
    with open_progress(not no_progress) as progress:
        outcome = run_notebook(notebook, options, progress)
        directory = RunDirectory(outcome.directory)
        progress.stage("storing what it touched")
        summary = ingest_run(directory, location)
    code = outcome.exit_code
    if output:
        write_executed(directory, output)
    # A notebook that failed half-way must not replace the one that the user has.
    if in_place and code == ExitCode.OK:
        write_executed(directory, notebook)
    record = summarize(outcome, location, project, summary)
    if style == JSON:
        print_nested(record | {"exit_code": int(code)})
    else:
        print_summary(record)
    return code


def _load_modules() -> None:
    for name in ("nbrepro.ingest", "nbrepro.answers", "nbrepro.stores.oxigraph"):
        importlib.import_module(name)


def check_notebook(notebook: Path) -> None:
    """Check that there is a file to run. Raises NotFoundError."""
    if notebook.is_dir():
        raise UsageError(f"{notebook}: is a directory; give a notebook (.ipynb)")
    if not notebook.exists():
        folder = notebook.parent if notebook.parent.is_dir() else Path()
        known = sorted(path.name for path in folder.glob("*.ipynb"))
        hint = f"{folder} has {', '.join(known[:5])}" if known else "check the name"
        raise NotFoundError(f"{notebook}: no such notebook; {hint}")


def check_output(output: Path | None) -> None:
    """Check before a long run that its result can be written. Raises UsageError."""
    if output is None:
        return
    folder = output.parent
    if output.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise UsageError(f"--output {output}: cannot be written; give a file in a folder of yours")


def parse_order(text: str | None) -> tuple[int, ...] | None:
    """Turn `1,2,1` into positions of code cells. Raises UsageError."""
    if text is None:
        return None
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() and int(word) for word in words):
        raise UsageError(f"--order {text}: write numbers of code cells from 1, e.g. 1,2,1")
    return tuple(int(word) for word in words)


def make_options(project: Project, *, parameters: Sequence[str], **given: Any) -> RunOptions:
    """Make the options of a run from what the command line says and the project configures."""
    from nbrepro.capture import RunOptions
    from nbrepro.capture.parameters import parse_parameters

    return RunOptions(
        parameters=parse_parameters(parameters),
        project=project,
        settings=read_settings(project),
        **given,
    )


def write_executed(directory: RunDirectory, target: Path) -> None:
    """Copy the executed notebook in one step; a run that left none is told on stderr."""
    from nbrepro.rundir import EXECUTED

    executed = directory.path / EXECUTED
    if not executed.is_file():
        click.echo(f"{target}: not written, the run left no executed notebook", err=True)
        return
    part = target.with_name(target.name + ".part")
    shutil.copyfile(executed, part)
    if target.exists():
        shutil.copymode(target, part)
    part.replace(target)


def ingest_run(directory: RunDirectory, location: str) -> IngestSummary:
    """Ingest one run. Errors say how to do it again: the evidence is kept."""
    from nbrepro.ingest import ingest
    from nbrepro.stores import open_store

    again = f"the evidence is kept; do it again with: nbrepro ingest {directory.path}"
    try:
        with open_store(location) as store:
            return ingest(directory, store)
    except NbreproError as error:
        raise type(error)(f"{error} ({again})") from None
    except KeyboardInterrupt:
        click.echo(f"nbrepro: {again}", err=True)
        raise


def summarize(
    outcome: RunOutcome, location: str, project: Project, summary: IngestSummary
) -> dict[str, Any]:
    """Tell a run in short, by asking the store what it now knows."""
    from nbrepro.answers import open_provenance
    from nbrepro.rundir import RunDirectory

    manifest = RunDirectory(outcome.directory).read_manifest()
    with open_provenance(project.root, location) as provenance:
        run = provenance.run(outcome.run)
        cells, data, packages = run.cells(), run.data(), run.packages()
    return {
        "run": run.id,
        "notebook": run.row.notebook,
        "status": outcome.status,
        "error": outcome.error or None,
        "seconds": run.row.seconds,
        "tracer": manifest.tracer.name,
        "unseen": [*manifest.tracer.unseen, *manifest.notes],
        "directory": str(outcome.directory),
        "store": location,
        "cells": len(cells),
        "read": len({row.path for row in data if row.mode in ("read", "read-write")}),
        "written": len({row.path for row in data if row.mode in ("write", "read-write")}),
        "packages": [f"{row.name} {row.version}" for row in sorted(packages, key=_prominence)],
        "statements": summary.statements,
        "unparsed": summary.unparsed,
        "unattributed": summary.unattributed,
        "busiest_cell": _busiest(data),
    }


def _prominence(row: PackageRow) -> tuple[bool, int]:
    # The system's packages are many and seldom news.
    return (row.manager == "dpkg", -row.files)


def _busiest(data: Sequence[Any]) -> int | None:
    touched = [row.cell for row in data if row.cell]
    return max(sorted(set(touched)), key=touched.count) if touched else None


def print_summary(record: dict[str, Any]) -> None:
    """Print a run in short, and the command to try next."""
    from nbrepro.formats import to_duration

    packages = record["packages"]
    first = ", ".join(packages[:4]) + (", ..." if len(packages) > 4 else "")
    click.echo(
        f"run {record['run']}: {record['status']}, {record['cells']} cells "
        f"in {to_duration(record['seconds'])}, tracer {record['tracer']}"
    )
    if record["error"]:
        click.echo(f"error: {visible(record['error'])}", err=True)
    click.echo(f"data: {record['read']} files read, {record['written']} written")
    click.echo(f"packages: {len(packages)}" + (f" ({visible(first)})" if first else ""))
    for sentence in _unseen(record):
        click.echo(f"not seen: {visible(sentence)}")
    click.echo(f"next: {_next_command(record)}")


def _unseen(record: dict[str, Any]) -> list[str]:
    counted = {
        "lines of the trace that were not understood": record["unparsed"],
        "accesses that belong to no cell": record["unattributed"],
    }
    return [*record["unseen"], *(f"{count} {what}" for what, count in counted.items() if count)]


def _next_command(record: dict[str, Any]) -> str:
    from nbrepro.stores.names import locate

    cell = record["busiest_cell"]
    command = f"nbrepro data --cell {cell}" if cell else "nbrepro show"
    here = find_recorded(Path.cwd())
    # What is recorded elsewhere is found by its store.
    if here is None or locate(None, here) != record["store"]:
        command += f" --store {visible(record['store'])}"
    return command


@click.command("ingest", short_help="Rebuild a store from run directories.")
@click.argument("rundirs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "style", flag_value=JSON, default=TABLE, help="Print JSON.")
@store_option
def ingest_command(rundirs: Sequence[Path], style: str, store: str | None) -> None:
    """Rebuild what a store knows of runs, from the evidence in their run directories alone."""
    from nbrepro.rundir import RunDirectory

    records = []
    for number, path in enumerate(rundirs, 1):
        if not path.is_dir():
            raise NotFoundError(f"{path}: no such run directory; they are in .nbrepro/runs/")
        location = store_beside(path, store)
        click.echo(f"{number} of {len(rundirs)}: {visible(path)}", err=True)
        summary = ingest_run(RunDirectory(path), location)
        records.append({**dataclasses.asdict(summary), "store": location})
        if style != JSON:
            click.echo(f"run {summary.run}: {summary.lines} lines, {summary.statements} statements")
    if style == JSON:
        print_json(records)


def store_beside(rundir: Path, store: str | None = None) -> str:
    """Give the store that `store` names in the project that a run directory lies in, or in the
    project here; without it, the store that this project uses."""
    from nbrepro.stores.names import locate

    project = find_project(rundir.resolve()) or find_project(Path.cwd())
    if project is None and store is not None:
        return store
    if project is None:
        raise UsageError(f"{rundir}: lies in no project (.nbrepro/); say where to with --store")
    return locate(store, project)
