"""The commands that ask what a run touched: runs, show, data, packages."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import click

from nbrepro.answers import Provenance
from nbrepro.cli.options import (
    JSON,
    cell_option,
    open_asked,
    owner_options,
    run_argument,
    store_option,
    style_options,
)
from nbrepro.cli.printing import Column, print_nested, print_rows
from nbrepro.formats import (
    shorten,
    to_duration,
    to_first_line,
    to_moment,
    to_size,
    visible,
)
from nbrepro.model import Mode, Role
from nbrepro.rows import CellRow, DataRow, PackageRow, RunRow
from nbrepro.runs import Run

_MODES = click.Choice([str(mode) for mode in Mode])
_ROLES = click.Choice([*(str(role) for role in Role), "all"])
STAGES = ("events", "accesses", "owners", "statements")


@click.command("runs")
@style_options
@store_option
def runs_command(store: str | None, style: str) -> None:
    """List the recorded runs, newest first."""
    with open_asked(store) as provenance:
        root = root_of(provenance)
        rows = provenance.runs()
    columns = [
        Column("run", lambda row: visible(row.run), "bold"),
        Column("notebook", lambda row: shorten(row.notebook, root)),
        Column("status", lambda row: visible(row.status)),
        Column("started", lambda row: to_moment(row.started)),
        Column("took", lambda row: to_duration(row.seconds), right=True),
        Column("cells", lambda row: visible(row.cells), right=True),
        Column("tracer", lambda row: visible(row.tracer)),
        Column("host", lambda row: visible(row.host)),
    ]
    print_rows(rows, style, columns, "no run is recorded here yet; run: nbrepro run NOTEBOOK")


@click.command("show", short_help="Show a run and its cells.")
@run_argument
@click.option(
    "--as", "stage", type=click.Choice(STAGES),
    help="Print a stage of the walk from trace to graph, one value a line, from the evidence.",
)  # fmt: skip
@style_options
@store_option
def show_command(run: str, stage: str | None, store: str | None, style: str) -> None:
    """Show a run: its cells with their status, duration, and counts of what they touched."""
    if stage:
        from nbrepro.cli.stages import print_stage

        print_stage(run, stage, store, style)
        return
    with open_asked(store) as provenance:
        asked = provenance.run(run)
        cells = asked.cells()
    if style == JSON:
        print_nested({**dataclasses.asdict(asked.row), "cells": list(cells.records())})
        return
    if style != "csv":
        print_run(asked.row)
    print_rows(cells, style, cell_columns(), "no cell was executed")


def print_run(row: RunRow) -> None:
    """Print what a run is, above its cells."""
    click.echo(f"{visible(row.run)}  {visible(row.notebook)}")
    click.echo(
        f"{row.status}, started {to_moment(row.started)}, took {to_duration(row.seconds)}, "
        f"on {visible(row.host)}, tracer {visible(row.tracer)}"
    )
    if row.error:
        click.echo(f"error: {visible(row.error)}")
    click.echo()


def cell_columns() -> list[Column]:
    """Give the columns of a table of cells."""
    return [
        Column("cell", lambda row: visible(row.cell), "bold", right=True),
        Column("execution", lambda row: visible(row.execution), right=True),
        Column("status", _status),
        Column("took", lambda row: to_duration(row.seconds), right=True),
        Column("data", lambda row: visible(row.data), right=True),
        Column("packages", lambda row: visible(row.packages), right=True),
        Column("processes", lambda row: visible(row.processes), right=True),
        Column("source", lambda row: to_first_line(row.source)),
    ]


def _status(row: CellRow) -> str:
    return f"{row.status}: {to_first_line(row.error, 40)}" if row.error else row.status


@click.command("data", short_help="List the files that a run or a cell touched.")
@run_argument
@cell_option
@owner_options
@click.option("--execution", type=int, metavar="K", help="Only the K-th execution of the run.")
@click.option("--mode", type=_MODES, help="Only this mode; read and write include read-write.")
@click.option(
    "--role", "roles", type=_ROLES, multiple=True,
    help="Files of this role (again for more); default: data and config.",
)  # fmt: skip
@style_options
@store_option
def data_command(
    run: str,
    cell: str | None,
    task: str | None,
    worker: str | None,
    host: str | None,
    execution: int | None,
    mode: str | None,
    roles: Sequence[str],
    store: str | None,
    style: str,
) -> None:
    """List the files that a run, or one of its cells, read and wrote.

    What a cell's tasks touched on workers is the cell's too, and marked so.
    """
    with open_asked(store) as provenance:
        asked = provenance.run(run)
        rows = asked.data(
            cell, execution=execution, role=roles or None, mode=mode, task=task, worker=worker,
            host=host,
        )  # fmt: skip
        root = root_of(provenance)
    who = _who(asked, cell=cell, task=task, worker=worker, host=host)
    print_rows(rows, style, data_columns(root, rows), f"{who} touched no such file")


def _who(run: Run, **owners: str | None) -> str:
    given = [f"{what} {name} of " for what, name in owners.items() if name]
    return f"{''.join(given)}run {run.id}"


def data_columns(root: str | None, rows: Iterable[DataRow] = ()) -> list[Column]:
    """Give the columns of a table of accesses, with paths relative to `root`.

    What only runs with workers have is a column only where one of the rows has it.
    """
    rows = list(rows)
    where = [
        Column("task", lambda row: visible(row.task)),
        Column("worker", lambda row: visible(row.worker)),
    ]
    return [
        Column("cell", _cell, "bold", True),
        *(column for column in where if any(getattr(row, column.title) for row in rows)),
        Column("count", _count, right=True),
        Column("mode", lambda row: row.mode),
        Column("path", lambda row: _path(row, root), "cyan"),
        Column("role", lambda row: row.role),
        Column("size", lambda row: to_size(row.size), right=True),
        Column("content", _content),
        Column("evidence", _evidence),
    ]


def _cell(row: DataRow) -> str:
    if row.cell is not None:
        return str(row.cell)
    return "task" if row.task else "worker" if row.worker else "kernel"


def _count(row: DataRow) -> str:
    return "" if row.execution_count is None else f"[{row.execution_count}]"


def _path(row: DataRow, root: str | None) -> str:
    path = shorten(row.path, root)
    if not row.target:
        return path
    arrow = ":" if row.mode == Mode.CONNECT else " -> "
    return f"{path}{arrow}{shorten(row.target, root)}"


def _content(row: DataRow) -> str:
    if row.sha256:
        return row.sha256[:12]
    return f"undigested: {visible(row.undigested)}" if row.undigested else ""


def _evidence(row: DataRow) -> str:
    sure = row.certainty in (None, "exact")
    return (row.evidence or "") if sure else f"{row.evidence} ({row.certainty})"


@click.command("packages", short_help="List the packages that a run or a cell used.")
@run_argument
@cell_option
@owner_options
@style_options
@store_option
def packages_command(
    run: str,
    cell: str | None,
    task: str | None,
    worker: str | None,
    host: str | None,
    store: str | None,
    style: str,
) -> None:
    """List the packages, with versions, whose files a run or one of its cells used."""
    with open_asked(store) as provenance:
        asked = provenance.run(run)
        rows = asked.packages(cell, task=task, worker=worker, host=host)
    who = _who(asked, cell=cell, task=task, worker=worker, host=host)
    print_rows(rows, style, package_columns(), f"{who} used no package")


def package_columns() -> list[Column]:
    """Give the columns of a table of packages."""
    return [
        Column("package", lambda row: visible(row.name), "bold"),
        Column("version", lambda row: visible(row.version)),
        Column("manager", lambda row: visible(row.manager)),
        Column("files", lambda row: visible(row.files), right=True),
        Column("from", _source),
    ]


def _source(row: PackageRow) -> str:
    return visible(row.source or row.location)


def root_of(provenance: Provenance) -> str | None:
    """Give the directory that printed paths are relative to."""
    return str(provenance.project.root) if provenance.project else None
