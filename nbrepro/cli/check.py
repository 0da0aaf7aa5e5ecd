"""The command that tells whether a graph is valid: of a run, or in a PROV-JSON file."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import click

from nbrepro.cli.options import CSV, JSON, complete_run, open_asked, store_option, style_options
from nbrepro.cli.printing import Column, print_csv, print_nested, print_notes, print_table
from nbrepro.cli.progress import open_progress
from nbrepro.errors import ExitCode
from nbrepro.formats import visible
from nbrepro.validity.findings import Finding, Report

_SHOWN = 200
"""More findings than this are for programs: a table of them is not read."""


@click.command("check", short_help="Check whether a graph is valid.")
@click.argument("target", default="last", metavar="[RUN|FILE.json]", shell_complete=complete_run)
@style_options
@store_option
def check_command(target: str, store: str | None, style: str) -> int:
    """Check whether the graph of RUN, or any PROV-JSON file, is valid.

    A file is checked against PROV-CONSTRAINTS (W3C); a run also against the shapes of nbrepro's
    graphs and its own rules. The exit code is 7 where something is found.

    \b
    nbrepro check
    nbrepro check provenance.json --json
    """
    with open_progress(sys.stderr.isatty()) as progress:
        if _is_file(target):
            from nbrepro.validity import check_document

            report = check_document(Path(target), progress.stage)
        else:
            with open_asked(store) as provenance:
                report = provenance.run(target).check(progress.stage)
    print_report(report, style)
    return ExitCode.OK if report.valid else ExitCode.INVALID


def _is_file(target: str) -> bool:
    return target.lower().endswith(".json") or "/" in target or Path(target).is_file()


def print_report(report: Report, style: str) -> None:
    """Print what was found, and what was not read."""
    if style == JSON:
        print_nested({"valid": report.valid, **dataclasses.asdict(report)})
    elif style == CSV:
        names = [field.name for field in dataclasses.fields(Finding)]
        rows = (dataclasses.asdict(finding) for finding in report.findings)
        print_csv(names, ([_joined(row[name]) for name in names] for row in rows))
    else:
        _print_table(report)


def _print_table(report: Report) -> None:
    shown = report.findings[:_SHOWN]
    verdict = f"{report.subject}: {report.records} records"
    if report.valid:
        click.echo(visible(f"{verdict}, valid"))
    else:
        print_table(shown, _columns(_base(report), any(f.bundle for f in shown)), "")
        click.echo(visible(f"{verdict}, {_count(len(report.findings), 'finding')}"))
    hidden = len(report.findings) - len(shown)
    print_notes([f"{_count(hidden, 'more finding')}: --json"] if hidden else [])
    print_notes(f"not checked: {reason}" for reason in report.unread[:_SHOWN])
    left = len(report.unread) - _SHOWN
    print_notes([f"{_count(left, 'more reason')}: --json"] if left > 0 else [])


def _columns(base: str, bundled: bool) -> list[Column]:
    def short(text: str) -> str:
        """Leave out the run's own IRI before what it names."""
        return visible(text.replace(base, "") if base and text != base else text)

    return [
        Column("rule", lambda finding: finding.rule, "bold"),
        Column("no.", lambda finding: str(finding.constraint or ""), right=True),
        *([Column("bundle", lambda finding: visible(finding.bundle))] if bundled else []),
        Column("subject", lambda finding: short(finding.subject)),
        Column("why", lambda finding: short(finding.why)),
        Column("records", lambda finding: short("; ".join(finding.records))),
    ]


def _base(report: Report) -> str:
    """Find the IRI of the run below which the subjects are named."""
    for finding in report.findings:
        if finding.subject.startswith("arcp://uuid,"):
            return "/".join(finding.subject.split("/")[:3]) + "/"
    return ""


def _joined(value: Any) -> Any:
    return "\n".join(value) if isinstance(value, tuple | list) else value


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
