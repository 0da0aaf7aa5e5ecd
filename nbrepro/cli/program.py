"""The `nbrepro` command: its subcommands, loaded when they are called, and how failures end."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import click

from nbrepro.errors import ExitCode, NbreproError

_HOMES = {
    "run": "observe",
    "runs": "ask",
    "show": "ask",
    "data": "ask",
    "packages": "ask",
    "tasks": "tasks",
    "workers": "tasks",
    "drift": "tasks",
    "slice": "slicing",
    "deps": "dependencies",
    "why": "files",
    "lineage": "files",
    "impact": "files",
    "query": "question",
    "diff": "diff",
    "check": "check",
    "store": "stores",
    "package": "packages",
    "replay": "packages",
    "verify": "packages",
    "inspect": "packages",
    "export": "exporting",
    "archive": "archives",
    "import": "archives",
    "ingest": "observe",
    "worker": "workers",
    "gather": "workers",
    "doctor": "machine",
    "completion": "machine",
}
"""Each subcommand's module, in the order of the help: asking must not load what running needs."""


class Program(click.Group):
    """A group whose commands live in modules that are imported on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the subcommands in the order in which people meet them."""
        return list(_HOMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a subcommand."""
        if cmd_name not in _HOMES:
            return None
        module = import_module(f"nbrepro.cli.{_HOMES[cmd_name]}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the subcommand, or say which one may have been meant."""
        if args and args[0] not in _HOMES and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], _HOMES, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "see: nbrepro --help"
            ctx.fail(f"no command is called {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand; every failure becomes one sentence and an exit code."""
        code = end_well(lambda: super(Program, self).invoke(ctx))
        ctx.exit(code)


def end_well(act: Callable[[], Any]) -> int:
    """Run `act` and give the exit code; failures are printed as one sentence on stderr."""
    try:
        code = act()
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of a pipe has seen enough; what Python flushes at its end must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except NbreproError as error:
        if os.environ.get("NBREPRO_DEBUG"):
            raise
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _fail("interrupted", ExitCode.INTERRUPTED)
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except Exception as error:
        if os.environ.get("NBREPRO_DEBUG"):
            raise
        kind = type(error).__name__
        return _fail(
            f"failed unexpectedly ({kind}: {error}); NBREPRO_DEBUG=1 shows where",
            ExitCode.INTERNAL,
        )
    return code if isinstance(code, int) else ExitCode.OK


def _fail(sentence: str, code: ExitCode) -> int:
    from nbrepro.formats import visible

    click.echo(f"nbrepro: {visible(sentence)}", err=True)
    return code


def _print_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        import nbrepro

        click.echo(f"nbrepro {nbrepro.__version__}")
        ctx.exit()


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version,
    help="Print the version.",
)  # fmt: skip
def program() -> None:
    """Watch a Jupyter notebook run, and answer which cell touched which file.

    \b
    nbrepro run analysis.ipynb    run it under observation
    nbrepro show                  its cells
    nbrepro data --cell 5         what data cell 5 touched
    nbrepro lineage result.csv    the cells and inputs behind a file

    RUN is the last run unless given: an id, a unique prefix, or RUN~1 for the one before.
    Exit codes: 0 ok, 1 a cell failed, 2 usage, 3 not found, 4 bad input, 5 store, 6 machine,
    7 invalid graph, 8 different, 70 internal, 130 interrupted, 143 terminated.
    """
