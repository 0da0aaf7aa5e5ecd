"""The commands about distributed engines: tasks, workers, drift."""

from __future__ import annotations

from collections.abc import Callable

import click

from nbrepro.cli.ask import root_of
from nbrepro.cli.options import cell_option, open_asked, run_argument, store_option, style_options
from nbrepro.cli.printing import Column, print_rows
from nbrepro.formats import shorten, to_duration, to_moment, visible
from nbrepro.rows import DriftRow, InputRow, TaskRow, WorkerRow

_DIGESTED = ("data", "package files")


@click.command("tasks", short_help="List the tasks that cells sent to workers.")
@run_argument
@cell_option
@click.option(
    "--undeclared", is_flag=True,
    help="Inputs that a task took undeclared, and declared ones that it never touched.",
)  # fmt: skip
@style_options
@store_option
def tasks_command(
    run: str, cell: str | None, undeclared: bool, store: str | None, style: str
) -> None:
    """List the tasks that a run, or one of its cells, sent to workers: each attempt by itself."""
    with open_asked(store) as provenance:
        asked = provenance.run(run)
        root = root_of(provenance)
        who = f"cell {cell} of run {asked.id}" if cell else f"run {asked.id}"
        if undeclared:
            found = asked.undeclared(cell)
            nothing = _all_declared(who, {row.engine for row in asked.tasks(cell)})
            print_rows(found, style, input_columns(root), nothing)
            return
        rows = asked.tasks(cell)
    print_rows(rows, style, task_columns(), f"{who} sent no task to a worker")


def _all_declared(who: str, engines: set[str | None]) -> str:
    """Say why no input is undeclared; tasks of Dask declare none at all."""
    if not engines:
        return f"{who} sent no task to a worker"
    if engines == {"dask"}:
        return f"the tasks of {who} are Dask's, which declare no files: there is nothing to compare"
    return f"the tasks of {who} used what they declared, as far as they were observed"


def task_columns() -> list[Column]:
    """Give the columns of a table of attempts at tasks."""
    return [
        Column("cell", lambda row: visible(row.cell), right=True),
        Column("task", lambda row: visible(row.task), "bold"),
        Column("function", lambda row: visible(row.function)),
        Column("attempt", lambda row: visible(row.attempt), right=True),
        Column("status", lambda row: visible(row.status)),
        Column("took", lambda row: to_duration(row.seconds), right=True),
        Column("data", _files, right=True),
        Column("worker", lambda row: visible(row.worker)),
        Column("host", lambda row: visible(row.host)),
    ]


def _files(row: TaskRow) -> str:
    return "unobserved" if row.observed is False else str(row.files)


def input_columns(root: str | None) -> list[Column]:
    """Give the columns of a table of inputs on which tasks and their declarations disagree."""
    return [
        Column("input", lambda row: row.finding, "bold"),
        Column("cell", lambda row: visible(row.cell), right=True),
        Column("task", lambda row: visible(row.task)),
        Column("function", lambda row: visible(row.function)),
        Column("path", lambda row: shorten(row.path, root), "cyan"),
        Column("mode", lambda row: visible(row.mode)),
        Column("content", _content),
        Column("worker", lambda row: visible(row.worker)),
    ]


def _content(row: InputRow) -> str:
    return (row.sha256 or "")[:12]


@click.command("workers", short_help="List the workers of a run.")
@run_argument
@style_options
@store_option
def workers_command(run: str, store: str | None, style: str) -> None:
    """List the workers that a run sent tasks to, also those that were not observed."""
    with open_asked(store) as provenance:
        asked = provenance.run(run)
        rows = asked.workers()
    print_rows(rows, style, worker_columns(), f"run {asked.id} had no workers")


def worker_columns() -> list[Column]:
    """Give the columns of a table of workers."""
    return [
        Column("worker", lambda row: visible(row.worker), "bold"),
        Column("engine", lambda row: visible(row.engine)),
        Column("host", lambda row: visible(row.host)),
        Column("address", lambda row: visible(row.address)),
        Column("status", _status),
        Column("tracer", lambda row: visible(row.tracer)),
        Column("tasks", lambda row: visible(row.tasks), right=True),
        Column("packages", lambda row: visible(row.packages), right=True),
        Column("clock", _clock, right=True),
        Column("started", lambda row: to_moment(row.started)),
    ]


def _status(row: WorkerRow) -> str:
    return visible(f"{row.status}: {row.error}" if row.error else row.status)


def _clock(row: WorkerRow) -> str:
    """Tell how far the manager's clock is ahead of the worker's."""
    if row.clock_offset_ns is None or row.clock_error_ns in (None, -1):
        return "not measured"
    return f"{row.clock_offset_ns / 1e6:+.1f} ± {(row.clock_error_ns or 0) / 1e6:.1f} ms"


@click.command("drift", short_help="List what differs between the workers of a run.")
@run_argument
@style_options
@store_option
def drift_command(run: str, store: str | None, style: str) -> None:
    """List files, packages and interpreters that are not the same on all workers and hosts."""
    with open_asked(store) as provenance:
        asked = provenance.run(run)
        rows = asked.drift()
        root = root_of(provenance)
    nothing = f"nothing that run {asked.id} used was found to differ between its hosts and workers"
    print_rows(rows, style, drift_columns(root), nothing)


def drift_columns(root: str | None) -> list[Column]:
    """Give the columns of a table of differences between workers."""
    subject: Callable[[DriftRow], str] = lambda row: shorten(row.subject, root)  # noqa: E731
    return [
        Column("kind", lambda row: row.kind),
        Column("of", subject, "bold"),
        Column("value", _value),
        Column("host", lambda row: visible(row.host)),
        Column("worker", _where),
    ]


def _where(row: DriftRow) -> str:
    return visible(row.worker or ("" if row.kind == "system" else "manager"))


def _value(row: DriftRow) -> str:
    return row.value[:12] if row.kind in _DIGESTED else visible(row.value)
