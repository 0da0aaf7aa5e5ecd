"""Options that several commands share, and how shells complete them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nbrepro.errors import NbreproError

if TYPE_CHECKING:
    from nbrepro.answers import Provenance
    from nbrepro.runs import Run

F = TypeVar("F", bound=Callable[..., Any])

TABLE, JSON, CSV = "table", "json", "csv"


def store_option(command: F) -> F:
    """Add `--store`: a name, a directory, or the URL of a server; or `--from` an archive."""
    return click.option(
        "--store", "--from", "store", metavar="NAME|PATH|URL", shell_complete=complete_store,
        help="Store to use (default: the project's own, or what `nbrepro store use` says); or "
        "an archive (run.nbrepro) or PROV-JSON file to ask without importing it.",
    )(command)  # fmt: skip


def style_options(command: F) -> F:
    """Add `--json` and `--csv`; without them the answer is a table for people."""
    command = click.option("--csv", "style", flag_value=CSV, help="Print CSV.")(command)
    command = click.option("--json", "style", flag_value=JSON, help="Print JSON.")(command)
    return click.option("--table", "style", flag_value=TABLE, default=TABLE, hidden=True)(command)


def run_argument(command: F) -> F:
    """Add the argument RUN: the last run unless given."""
    return click.argument("run", default="last", metavar="[RUN]", shell_complete=complete_run)(
        command
    )


def path_argument(command: F) -> F:
    """Add the argument PATH: a file that the run touched."""
    return click.argument("path", type=click.Path(), shell_complete=complete_path)(command)


def cell_option(command: F) -> F:
    """Add `--cell`: a number among code cells, or a cell id."""
    return click.option(
        "--cell", metavar="N|ID", shell_complete=complete_cell,
        help="Only this cell: its number among code cells (from 1) or its id.",
    )(command)  # fmt: skip


def owner_options(command: F) -> F:
    """Add `--task`, `--worker` and `--host`: ids, or unique prefixes of them."""
    for name, complete, what in (
        ("host", complete_host, "What happened on this host"),
        ("worker", complete_worker, "This worker with its tasks"),
        ("task", complete_task, "This attempt at a task"),
    ):
        command = click.option(
            f"--{name}", metavar="ID", shell_complete=complete,
            help=f"{what} only: its name or a unique prefix.",
        )(command)  # fmt: skip
    return command


def open_asked(store: str | None) -> Provenance:
    """Open the store that the command line means."""
    from nbrepro.answers import open_provenance

    return open_provenance(store=store)


def complete_run(ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Complete the id of a run."""
    return _complete(ctx, begun, lambda provenance: (row.run for row in provenance.runs()))


def complete_cell(ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Complete the number or the id of a cell."""

    def cells(run: Run) -> Iterable[str]:
        for row in run.cells():
            yield str(row.cell)
            if row.cell_id:
                yield row.cell_id

    return _complete(ctx, begun, lambda provenance: cells(_run_of(ctx, provenance)))


def complete_task(ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Complete the id of a task."""
    return _complete(ctx, begun, lambda it: (row.task for row in _run_of(ctx, it).tasks()))


def complete_worker(ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Complete the id of a worker."""
    return _complete(ctx, begun, lambda it: (row.worker for row in _run_of(ctx, it).workers()))


def complete_function(ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Complete the name of a function that tasks ran."""
    return _complete(
        ctx, begun, lambda it: (row.function or "" for row in _run_of(ctx, it).tasks())
    )


def complete_member(ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Complete a package that the run used."""
    return _complete(ctx, begun, lambda it: (row.name for row in _run_of(ctx, it).packages()))


def complete_host(ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Complete the name of a host."""
    return _complete(ctx, begun, lambda it: _run_of(ctx, it).distribution.hosts)


def complete_path(ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Complete a file that the run touched, relative to the project."""

    def paths(provenance: Provenance) -> Iterable[str]:
        root = f"{provenance.project.root}/" if provenance.project else ""
        return (path.removeprefix(root) for path in _run_of(ctx, provenance).paths())

    return _complete(ctx, begun, paths)


def complete_store(_ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Complete the name of a store; paths and URLs are left to the shell."""
    from nbrepro.config import find_project
    from nbrepro.stores.names import read_names

    project = find_project(Path.cwd())
    try:
        names = read_names(project).locations if project else {}
    except NbreproError:
        return []
    return [name for name in sorted(names) if name.startswith(begun)]


def complete_question(ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Complete the name of a question."""
    return _complete(ctx, begun, lambda provenance: sorted(provenance.questions()))


def complete_parameter(ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Complete a parameter of the question, `run=`, and then its value where they are known."""
    key, equals, value = begun.partition("=")
    if equals:
        complete = _VALUES.get(key)
        return [f"{key}={found}" for found in complete(ctx, _parameter, value)] if complete else []

    def keys(provenance: Provenance) -> Iterable[str]:
        # The name is not parsed yet where the option in front of the cursor lacks its value.
        name = ctx.params.get("name") or next(iter(ctx.args), "")
        question = provenance.question(name)
        return (f"{parameter.name}=" for parameter in question.parameters)

    return _complete(ctx, begun, keys)


_VALUES = {
    "run": complete_run, "other": complete_run, "cell": complete_cell, "file": complete_path,
    "task": complete_task, "worker": complete_worker, "host": complete_host,
}  # fmt: skip


def _run_of(ctx: click.Context, provenance: Provenance) -> Run:
    return provenance.run(ctx.params.get("run") or "last")


def _complete(
    ctx: click.Context, begun: str, names: Callable[[Provenance], Iterable[str]]
) -> list[str]:
    # A shell must not print a failure into the line that is being typed.
    try:
        with open_asked(ctx.params.get("store")) as provenance:
            found = dict.fromkeys(names(provenance))
    except NbreproError:
        return []
    return [name for name in found if name.startswith(begun) and name.isprintable()]
