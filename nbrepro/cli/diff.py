"""The command that compares runs: what differs first, why, and what follows from it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nbrepro.cli.options import complete_run, store_option
from nbrepro.cli.printing import Column, print_nested, print_notes, print_table
from nbrepro.cli.progress import open_progress
from nbrepro.errors import ExitCode, MachineError, UsageError
from nbrepro.formats import visible

if TYPE_CHECKING:
    from nbrepro.compare import CellPair, Comparison, Portrait

_SHOWN = 60


@click.command("diff", short_help="Compare runs: what differs first, and why.")
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN...", shell_complete=complete_run)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Write a page of its own, with nothing to load from elsewhere.",
)  # fmt: skip
@store_option
def diff_command(runs: tuple[str, ...], as_json: bool, html: Path | None, store: str | None) -> int:
    """Compare two runs: the first divergence and its cause, then cell by cell.

    RUN is a run of the store, STORE:RUN of another one, an archive or a run directory. More
    than two give a matrix. The exit code is 8 where they differ.

    \b
    nbrepro diff RUN~1 RUN
    nbrepro diff last laptop:last --html difference.html
    nbrepro diff last colleague.nbrepro
    """
    from nbrepro.compare import as_record, compare
    from nbrepro.compare.sources import open_sources

    if len(runs) < 2:
        raise UsageError("diff compares at least two runs; for example: nbrepro diff RUN~1 RUN")
    with open_progress(sys.stderr.isatty()) as progress, open_sources(store) as sources:
        portraits = []
        for reference in runs:
            progress.stage(f"reading {reference}")
            portraits.append(sources.read(reference))
        progress.stage("comparing")
        found = [compare(a, b) for a, b in combinations(portraits, 2)]
    if html is not None:
        _write_page(html, portraits, found)
    if as_json and len(found) == 1:
        print_nested(as_record(found[0]))
    elif as_json:
        print_nested(_matrix_record(portraits, found))
    elif len(found) == 1:
        print_comparison(found[0])
    else:
        print_matrix(portraits, found)
    return ExitCode.OK if all(one.equal for one in found) else ExitCode.DIFFERENT


def _write_page(path: Path, portraits: list[Portrait], found: list[Comparison]) -> None:
    from nbrepro.cli.diff_page import make_page

    try:
        path.write_text(make_page(portraits, found), encoding="utf-8", errors="replace")
    except OSError as error:
        raise MachineError(f"{path}: cannot be written ({error.strerror})") from error


def print_comparison(found: Comparison) -> None:
    """Print the summary, the causes, then the cells."""
    for line in summary(found):
        click.echo(visible(line))
    if found.differences:
        click.echo()
        print_table(found.differences[:_SHOWN], _cause_columns(), "")
    cells = [pair for pair in found.cells if pair.effects or pair.causes or not _both(pair)]
    if cells:
        click.echo()
        print_table(cells[:_SHOWN], _cell_columns(), "")
    if found.unused:
        click.echo()
        click.echo("Other differences, which nothing observed used or followed from:")
        print_table(found.unused[:_SHOWN], _cause_columns(), "")
    print_notes(f"not compared: {reason}" for reason in found.unknown[:_SHOWN])


def summary(found: Comparison) -> list[str]:
    """Say in a few sentences what the comparison found."""
    lines = [f"{found.a.name} (a) and {found.b.name} (b)"]
    first = found.first_divergence
    if first is None:
        same = sum(_both(pair) for pair in found.cells)
        return [*lines, f"No difference: {_count(same, 'cell')} with equal inputs and outputs."]
    where = "in the kernel itself" if first.cell is None and first.cell_b is None else (
        f"in cell {first.cell}" if first.cell is not None else f"in cell {first.cell_b} of b"
    )  # fmt: skip
    lines.append(f"First divergence {where}: {first.kind} {first.subject}: {first.because}.")
    lines.append(f"  a: {_side(first.a)}")
    lines.append(f"  b: {_side(first.b)}")
    changed = sum(bool(pair.effects) for pair in found.cells)
    more = len(found.differences) - 1
    further = f"{_count(more, 'further cause')}. " if more else ""
    verb = "differs" if changed == 1 else "differ"
    lines.append(
        f"{further}{_count(changed, 'cell')} of {len(found.cells)} {verb} in outputs, status or "
        "files as a consequence."
    )
    return lines


def _cause_columns() -> list[Column]:
    return [
        Column("cell", lambda d: _cell(d.cell, d.cell_b), right=True),
        Column("kind", lambda d: d.kind, "bold"),
        Column("subject", lambda d: visible(d.subject)),
        Column("a", lambda d: visible(_side(d.a))),
        Column("b", lambda d: visible(_side(d.b))),
        Column("because", lambda d: visible(d.because)),
        Column("followed by", lambda d: _count(len(d.effects), "effect")),
    ]


def _cell_columns() -> list[Column]:
    return [
        Column("cell", lambda p: _cell(p.cell, p.cell_b), right=True),
        Column("code", lambda p: visible(p.title[:40])),
        Column("paired by", lambda p: p.how + (", moved" if p.moved else "")),
        Column("depends on", lambda p: ", ".join(str(n + 1) for n in p.causes)),
        Column("differs in", lambda p: visible(", ".join(e.subject for e in p.effects))),
    ]


def print_matrix(portraits: list[Portrait], found: list[Comparison]) -> None:
    """Print for each two runs what differs first."""
    cells = _matrix(portraits, found)
    numbered = [Column(str(other + 1), _cell_of(cells, other)) for other in range(len(portraits))]
    named = Column("run", lambda row: f"{row + 1} {visible(portraits[row].name)}", "bold")
    print_table(range(len(portraits)), [named, *numbered], "")


def _cell_of(cells: list[list[str]], column: int) -> Callable[[int], str]:
    return lambda row: cells[row][column]


def _matrix(portraits: list[Portrait], found: list[Comparison]) -> list[list[str]]:
    cells = [["" for _ in portraits] for _ in portraits]
    pairs = combinations(range(len(portraits)), 2)
    for (one, other), comparison in zip(pairs, found, strict=True):
        first = comparison.first_divergence
        said = "=" if first is None else visible(f"{first.kind} {first.subject}")
        cells[one][other] = cells[other][one] = said
    return cells


def _matrix_record(portraits: list[Portrait], found: list[Comparison]) -> dict[str, Any]:
    from nbrepro.compare import as_record

    pairs = combinations(range(len(portraits)), 2)
    return {
        "runs": [portrait.name for portrait in portraits],
        "pairs": [
            {"a": one, "b": other, **{k: v for k, v in as_record(comparison).items()
                                      if k in ("equal", "first_divergence", "differences")}}
            for (one, other), comparison in zip(pairs, found, strict=True)
        ],
    }  # fmt: skip


def _both(pair: CellPair) -> bool:
    return pair.a is not None and pair.b is not None


def _cell(cell: int | None, other: int | None) -> str:
    if cell is None:
        return "" if other is None else f"b:{other}"
    return str(cell) if other in (None, cell) else f"{cell} (b:{other})"


def _side(text: str | None) -> str:
    return "(none)" if text is None else text


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
