"""The commands about stores: names for them, copies between them, their state."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nbrepro.cli.options import JSON, TABLE, complete_store
from nbrepro.cli.printing import Column, print_json, print_nested, print_table
from nbrepro.config import Project, find_project
from nbrepro.errors import ExitCode, NotFoundError, UsageError
from nbrepro.formats import visible

if TYPE_CHECKING:
    from nbrepro.model import RunId
    from nbrepro.stores import Store
    from nbrepro.stores.copies import RunCheck


@click.group("store", short_help="Name, copy, check and compact stores.")
def store_command() -> None:
    """Name, copy, check and compact stores.

    A store is a directory, a SPARQL server (sparql+http://HOST/DATASET) or Neo4j
    (neo4j://HOST). Names are the project's; `project` is its own embedded store.
    User and password come from NBREPRO_STORE_USER and NBREPRO_STORE_PASSWORD, or from the file that
    NBREPRO_STORE_CREDENTIALS names (user on its first line, password on its second).
    """


@store_command.command("add")
@click.argument("name")
@click.argument("location", metavar="URL|PATH")
def add_command(name: str, location: str) -> None:
    """Give the store at URL or PATH a name that every --store understands."""
    from nbrepro.stores import check_location
    from nbrepro.stores.names import add_name

    check_location(location)
    add_name(_project(), name, location)
    click.echo(f"{name} is {visible(location)}; use it always with: nbrepro store use {name}")


@store_command.command("list")
@click.option("--json", "style", flag_value=JSON, default=TABLE, help="Print JSON.")
def list_command(style: str) -> None:
    """List the named stores; the one that is used unless --store is given is marked."""
    from nbrepro.stores.names import read_names

    names = read_names(_project())
    records = [
        {"name": name, "location": location, "default": name == names.default}
        for name, location in sorted(names.locations.items())
    ]
    if style == JSON:
        print_json(records)
        return
    columns = [
        Column("store", lambda record: record["name"], "bold"),
        Column("location", lambda record: visible(record["location"])),
        Column("default", lambda record: "yes" if record["default"] else ""),
    ]
    print_table(records, columns, "no store has a name")


@store_command.command("use")
@click.argument("name", shell_complete=complete_store)
def use_command(name: str) -> None:
    """Use the named store wherever --store is not given."""
    from nbrepro.stores.names import use_name

    names = use_name(_project(), name)
    click.echo(f"from now on: {name} ({visible(names.locations[name])})")


@store_command.command("copy")
@click.argument("source", metavar="FROM", shell_complete=complete_store)
@click.argument("target", metavar="TO", shell_complete=complete_store)
@click.option("--run", "runs", multiple=True, metavar="RUN", help="Only this run (again for more).")
def copy_command(source: str, target: str, runs: Sequence[str]) -> None:
    """Copy runs from one store to another: names, URLs or paths.

    A run of the same name at TO is replaced. The runs at FROM stay.
    """
    from nbrepro.stores.copies import copy_run

    if _located(source) == _located(target):
        raise UsageError(f"{target}: is the store that is copied from; give another")
    with _open(source) as given, _open(target, new=True) as taken:
        chosen = _chosen(given, runs)
        count = 0
        for run in _shown(chosen, "copying"):
            count += copy_run(given, taken, run)
    click.echo(f"{len(chosen)} runs copied to {visible(target)} ({count} statements)")


@store_command.command("check")
@click.argument("name", required=False, shell_complete=complete_store)
@click.option("--json", "style", flag_value=JSON, default=TABLE, help="Print JSON.")
def check_command(name: str | None, style: str) -> int:
    """Check that a store opens, that its runs are whole, and name what killed loads left.

    Exit code 5 where a run is not whole.
    """
    from nbrepro.stores.copies import check_run

    with _open(name) as store:
        checks = [check_run(store, run) for run in _shown(_chosen(store, ()), "checking")]
        leftovers = store.leftovers()
        location = store.location
    if style == JSON:
        runs = [{**dataclasses.asdict(check), "faults": list(check.faults)} for check in checks]
        print_nested({"store": location, "runs": runs, "leftovers": list(leftovers)})
    else:
        _print_checks(checks, leftovers)
    return ExitCode.STORE if any(check.faults for check in checks) else ExitCode.OK


@store_command.command("compact")
@click.argument("name", required=False, shell_complete=complete_store)
def compact_command(name: str | None) -> None:
    """Drop what killed loads left and what no run leads to any more, and free the space."""
    with _open(name) as store:
        before = _size(store.location)
        done = store.compact()
        after = _size(store.location)
    click.echo(f"{done.leftovers} unfinished loads and {done.nodes} unused shared nodes dropped")
    if before:
        click.echo(f"{before:,} bytes before, {after:,} after")


def _project() -> Project:
    """Give the project here; a directory without one becomes it when something is named."""
    return find_project(Path.cwd()) or Project(Path.cwd().resolve())


def _located(name: str | None) -> str:
    from nbrepro.stores.names import locate

    project = find_project(Path.cwd())
    location = locate(name, project) if project else name
    if location is None:
        raise UsageError("no project (.nbrepro/) here or above; give the store's name, URL or path")
    return location if "://" in location else str(Path(location).resolve())


def _open(name: str | None, new: bool = False) -> Store:
    from nbrepro.stores import open_store

    location = _located(name)
    if not new and "://" not in location and not Path(location).exists():
        raise NotFoundError(f"{name or location}: no store of this name or at this path")
    return open_store(location)


def _chosen(store: Store, references: Sequence[str]) -> list[RunId]:
    """Give the runs that references mean, or all, the oldest first."""
    from nbrepro.model import RunId
    from nbrepro.references import choose_run
    from nbrepro.rows import RunRow, from_table

    rows = from_table(RunRow, store.runs())
    if references:
        rows = [choose_run(rows, reference) for reference in references]  # type: ignore[assignment]
    return [RunId(run) for run in dict.fromkeys(row.run for row in reversed(rows))]


def _shown(runs: Sequence[RunId], doing: str) -> Iterator[RunId]:
    """Yield the runs and show on standard error how far it is."""
    if sys.stderr.isatty():
        with click.progressbar(runs, label=doing, file=sys.stderr, show_pos=True) as bar:
            yield from bar
        return
    for number, run in enumerate(runs, 1):
        click.echo(f"{number} of {len(runs)}: {doing} {visible(run)}", err=True)
        yield run


def _print_checks(checks: Sequence[RunCheck], leftovers: Sequence[str]) -> None:
    columns: list[Column] = [
        Column("run", lambda check: visible(check.run), "bold"),
        Column("noted", lambda check: str(check.noted), right=True),
        Column("found", lambda check: str(check.found), right=True),
        Column("state", lambda check: _state(check)),
    ]
    print_table(checks, columns, "no runs")
    for uid in leftovers:
        click.echo(f"left by a load that did not end: {visible(uid)} (nbrepro store compact)")


def _state(check: RunCheck) -> str:
    more = f" (and {len(check.faults) - 3} more)" if len(check.faults) > 3 else ""
    return "whole" if not check.faults else visible("; ".join(check.faults[:3])) + more


def _size(location: str) -> int:
    """Give the bytes of the files of a store in a directory; 0 for a server's."""
    if "://" in location:
        return 0
    files: list[Any] = [path for path in Path(location).rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in files)
