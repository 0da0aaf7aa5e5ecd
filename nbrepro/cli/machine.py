"""The commands about this machine: doctor, completion."""

from __future__ import annotations

import dataclasses
import os
import shlex
from pathlib import Path

import click

from nbrepro.cli.options import JSON, TABLE
from nbrepro.cli.printing import Column, print_json, print_table
from nbrepro.doctor import Command, Finding, State, examine, mend
from nbrepro.errors import ExitCode, UsageError
from nbrepro.formats import visible


@click.command("doctor", short_help="Check this machine, and mend what it lacks.")
@click.option("--mend", "mending", is_flag=True, help="Show and run the commands that mend gaps.")
@click.option("--json", "style", flag_value=JSON, default=TABLE, help="Print JSON.")
def doctor_command(mending: bool, style: str) -> int:
    """Say what this machine can observe, store and package, and what would mend each gap.

    Exit code 6 where something that recording needs is missing.
    """
    findings = list(examine(Path.cwd()))
    if mending and _mend(findings):
        findings = list(examine(Path.cwd()))
    if style == JSON:
        print_json(dataclasses.asdict(finding) for finding in findings)
    else:
        print_table(findings, _columns(), "")
        _print_gaps(findings)
    lacking = any(f.needed and f.state is State.MISSING for f in findings)
    return ExitCode.MACHINE if lacking else ExitCode.OK


def _mend(findings: list[Finding]) -> bool:
    """Run what may be run; say whether anything was."""
    ran = False
    for finding, mended in mend(findings, _show):
        ran = True
        ending = "done" if mended.code == 0 else f"failed ({mended.code}): {visible(mended.said)}"
        click.echo(f"{finding.what}: {ending}", err=True)
    if not ran:
        click.echo("nothing that is needed can be mended from here", err=True)
    return ran


def _show(command: Command) -> None:
    click.echo(f"$ {shlex.join(command)}", err=True)


def _columns() -> list[Column]:
    return [
        Column("what", lambda finding: finding.what, "bold"),
        Column("state", lambda finding: finding.state),
        Column("found", lambda finding: visible(finding.detail)),
        Column("what follows", lambda finding: finding.follows),
    ]


def _print_gaps(findings: list[Finding]) -> None:
    for finding in findings:
        if finding.state is State.OK:
            continue
        optional = "" if finding.needed else " (optional)"
        for command in finding.mend:
            click.echo(f"mend {finding.what}{optional}: {shlex.join(command)}")
        if finding.advice and not finding.mend:
            click.echo(f"mend {finding.what}{optional}: {finding.advice}")


@click.command("completion", short_help="Print the completion script of a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> None:
    """Print the script that completes commands, runs, cells and files in a shell.

    \b
    eval "$(nbrepro completion bash)"      in ~/.bashrc
    eval "$(nbrepro completion zsh)"       in ~/.zshrc
    nbrepro completion fish | source       in config.fish
    """
    from click.shell_completion import get_completion_class

    from nbrepro.cli.program import program

    kind = get_completion_class(shell)
    if kind is None:
        raise UsageError(f"{shell}: this click cannot complete it; use bash, zsh or fish")
    # click asks bash for its version; a shell that is not installed can still read the script.
    script = kind(program, {}, "nbrepro", "_NBREPRO_COMPLETE")
    text = script.source_template % script.source_vars()
    click.echo(text.strip() + os.linesep, nl=False)
