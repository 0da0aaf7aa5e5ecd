"""Prints rows as a table for people, or as JSON or CSV for programs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from nbrepro.cli.options import CSV, JSON
from nbrepro.formats import to_json_lines, to_json_nested, visible, write_csv
from nbrepro.rows import Rows

if TYPE_CHECKING:
    from rich.console import Console

# Rich folds what is wider than the terminal; a file or a pipe has no width.
_UNBOUNDED = 100_000


class Column(NamedTuple):
    """A column for people: its title, what it shows of a row, and how it is set."""

    title: str
    show: Callable[[Any], str]
    style: str = ""
    right: bool = False


def print_rows(rows: Rows[Any], style: str, columns: Sequence[Column], nothing: str) -> None:
    """Print rows in the asked style; `nothing` is the sentence for no rows."""
    if style == JSON:
        print_json(rows.records())
    elif style == CSV:
        print_csv(rows.columns, ([*record.values()] for record in rows.records()))
    else:
        print_table(rows, columns, nothing)
        print_notes(rows.notes)


def print_json(records: Iterable[dict[str, Any]]) -> None:
    """Print records as one JSON array."""
    _print_pieces(to_json_lines(records))


def print_nested(value: Any) -> None:
    """Print a nested value as JSON."""
    _print_pieces(to_json_nested(value))
    sys.stdout.write("\n")


def _print_pieces(pieces: Iterator[str]) -> None:
    for piece in pieces:
        sys.stdout.write(piece)


def print_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a header and rows as CSV."""
    sys.stdout.flush()
    write_csv(columns, rows, sys.stdout.buffer)


def print_table(rows: Sequence[Any], columns: Sequence[Column], nothing: str) -> None:
    """Print rows as an aligned table."""
    if not rows:
        click.echo(nothing)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column.title, justify="right" if column.right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(column.show(row), style=column.style) for column in columns))
    print_drawn(table)


def print_drawn(drawing: Any) -> None:
    """Print what rich draws; without a terminal, without the spaces that fill its lines."""
    console = make_console()
    if console.is_terminal:
        console.print(drawing)
        return
    with console.capture() as captured:
        console.print(drawing)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def print_notes(notes: Iterable[str]) -> None:
    """Print sentences on what an answer does not show."""
    for note in notes:
        colored = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        click.secho(visible(note), dim=True, color=colored)


def make_console(*, stderr: bool = False) -> Console:
    """Make a console that prints text as it is, with no width where no terminal is."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(
        file=stream,
        width=None if stream.isatty() else _UNBOUNDED,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=False,
    )
