"""The command that cuts a notebook down to what one cell needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nbrepro.cli.options import JSON, TABLE, complete_cell, open_asked, run_argument, store_option
from nbrepro.cli.printing import Column, print_nested, print_notes, print_table
from nbrepro.cli.progress import open_progress
from nbrepro.errors import ExitCode, UsageError
from nbrepro.formats import shorten, to_first_line

if TYPE_CHECKING:
    from nbrepro.runs import Run
    from nbrepro.slicing import Slice, Slicer
    from nbrepro.slicing.verifying import Verdict


@click.command("slice", short_help="Cut a notebook down to what one cell needs.")
@run_argument
@click.option(
    "--cell", required=True, metavar="N|ID", shell_complete=complete_cell,
    help="The cell to re-create: its number among code cells (from 1) or its id.",
)  # fmt: skip
@click.option(
    "--execution", type=click.IntRange(min=1), metavar="N",
    help="This execution of the run, not the cell's last one.",
)  # fmt: skip
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="PATH",
    help="Write the notebook here.",
)  # fmt: skip
@click.option(
    "--verify", is_flag=True,
    help="Run it in an empty root with only its inputs and packages, and compare.",
)  # fmt: skip
@click.option(
    "--minimise", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS",
    help="Drop cells for as long as it verifies, at most this long.",
)  # fmt: skip
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", default=600,
    show_default=True, help="Longest time of one verification.",
)  # fmt: skip
@click.option("--no-progress", is_flag=True, help="Show nothing while it verifies.")
@click.option("--json", "style", flag_value=JSON, default=TABLE, help="Print JSON.")
@store_option
def slice_command(
    run: str,
    cell: str,
    execution: int | None,
    output: Path | None,
    verify: bool,
    minimise: float | None,
    timeout: float,
    no_progress: bool,
    style: str,
    store: str | None,
) -> int:
    """Cut the notebook of a run down to what one cell needs, with the reason for every cell.

    Earlier cells are needed for names that they bind or change, for states that they set, and for
    files that they wrote; what is only perhaps needed is in it too, marked `possible`.

    With --verify it exits with 0 only where the cell shows what it did in the run, else with 8.
    """
    from nbrepro.slicing import choose_execution, make_notebook, make_slicer
    from nbrepro.slicing.history import to_json

    _check_output(output)
    verdict = None
    with open_asked(store) as provenance:
        asked = provenance.run(run)
        slicer = make_slicer(asked)
        chosen = slicer.slice_of(choose_execution(asked, cell, execution))
        root = str(provenance.project.root) if provenance.project else None
        if verify or minimise:
            chosen, verdict = _prove(asked, slicer, chosen, minimise, timeout, not no_progress)
    if output:
        output.write_text(to_json(make_notebook(chosen, slicer.history)), encoding="utf-8")
    record = slice_record(chosen, len(slicer.history.records), output, verdict)
    if style == JSON:
        print_nested(record)
    else:
        _print_slice(record, root)
    return ExitCode.OK if verdict is None or verdict.equal else ExitCode.DIFFERENT


def _prove(
    run: Run, slicer: Slicer, chosen: Slice, seconds: float | None, timeout: float, shown: bool
) -> tuple[Slice, Verdict]:
    from nbrepro.slicing.verifying import Verifier

    with (
        open_progress(shown) as progress,
        Verifier(
            slicer, run, timeout, progress.stage, lambda n: progress.cell_ended(n, "ok")
        ) as by,
    ):
        progress.started(len(chosen.records))
        verdict = by.verify(chosen)
        if verdict.equal and seconds:
            return by.minimise(chosen, seconds)
    return chosen, verdict


def _check_output(output: Path | None) -> None:
    if output is not None and not output.resolve().parent.is_dir():
        raise UsageError(f"{output}: its directory does not exist; make it first")


def slice_record(
    chosen: Slice, executions: int, output: Path | None, verdict: Verdict | None = None
) -> dict[str, Any]:
    """Give a slice as nested dictionaries."""
    return {
        "run": chosen.run,
        "cell": chosen.goal.position,
        "execution": chosen.goal.execution,
        "executions": executions,
        "output": str(output) if output else None,
        "cells": [
            {
                "cell": record.position, "execution": record.execution,
                "certainty": needed.certainty, "reason": needed.reason,
                "needed_by": needed.needed_by, "kind": needed.kind or None,
                "names": list(needed.names), "source": record.source,
            }
            for record, needed in zip(chosen.records, chosen.kept, strict=True)
        ],
        "inputs": [
            {"path": i.path, "role": i.role, "sha256": i.sha256 or None, "reason": i.reason}
            for i in chosen.inputs
        ],
        "directories": list(chosen.directories),
        "notes": list(chosen.notes),
        "verified": _verdict_record(verdict),
    }  # fmt: skip


def _verdict_record(verdict: Verdict | None) -> dict[str, Any] | None:
    if verdict is None:
        return None
    return {
        "equal": verdict.equal,
        "reason": verdict.reason or None,
        "differences": [
            {"part": d.part, "recorded": d.recorded, "again": d.again, "reason": d.reason}
            for d in verdict.differences
        ],
        "packages": list(verdict.packages),
    }


def _print_slice(record: dict[str, Any], root: str | None) -> None:
    columns = [
        Column("cell", lambda row: str(row["cell"]), right=True),
        Column("execution", lambda row: str(row["execution"]), right=True),
        Column("certainty", lambda row: row["certainty"]),
        Column("reason", _reason),
        Column("source", lambda row: to_first_line(row["source"], 48)),
    ]
    print_table(record["cells"], columns, "")
    if record["inputs"]:
        click.echo()
        inputs = [
            Column("input", lambda row: shorten(row["path"], root)),
            Column("role", lambda row: row["role"]),
            Column("content", lambda row: (row["sha256"] or "")[:12]),
            Column("reason", lambda row: row["reason"]),
        ]
        print_table(record["inputs"], inputs, "")
    kept, every = len(record["cells"]), record["executions"]
    print_notes([f"{kept} of {every} executions are kept", *record["notes"]])
    if record["verified"]:
        print_notes(_verdict_notes(record["verified"], record["cell"]))
    if record["output"]:
        print_notes([f"written to {record['output']}"])


def _verdict_notes(verdict: dict[str, Any], cell: int) -> Iterator[str]:
    packages = f"an empty root with {len(verdict['packages'])} packages"
    if verdict["equal"]:
        yield f"verified: in {packages}, cell {cell} shows what it did in the run"
    elif verdict["reason"]:
        yield f"not verified: {verdict['reason']}"
    else:
        yield f"not equal: in {packages}, cell {cell} shows something else"
    for one in verdict["differences"][:5]:
        sides = f"{one['recorded']!r} in the run, {one['again']!r} in the slice"
        yield f"{one['part']}: {one['reason']}: {sides}"


def _reason(row: dict[str, Any]) -> str:
    by = f", for execution {row['needed_by']}" if row["needed_by"] else ""
    return f"{row['reason']}{by}"
