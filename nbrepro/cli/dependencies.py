"""The command that asks what something needs: deps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nbrepro.cli.ask import root_of
from nbrepro.cli.options import (
    JSON,
    TABLE,
    cell_option,
    complete_function,
    complete_member,
    open_asked,
    owner_options,
    run_argument,
    store_option,
    style_options,
)
from nbrepro.cli.printing import Column, print_nested, print_notes, print_rows
from nbrepro.errors import MachineError, UsageError
from nbrepro.formats import shorten, visible

if TYPE_CHECKING:
    from nbrepro.dependencies import Dependency, DependencySet
    from nbrepro.runs import Run

DOT, SVG = "dot", "svg"
FORMATS = ("requirements", "pyproject", "conda", "debian", "poncho")
_MINUS = "--minus"
_SHORT = 12


def scope_options(command: Any) -> Any:
    """Add the options that say whose dependencies are meant."""
    command = click.option(
        "--function", metavar="NAME", shell_complete=complete_function,
        help="All tasks that ran this function.",
    )(command)  # fmt: skip
    return cell_option(owner_options(command))


@click.command("minus", context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@scope_options
def _other(**_: str | None) -> None:
    """Read whose dependencies are taken away."""


class Comparing(click.Command):
    """Reads the scope behind `--minus` by itself; other options may stand on either side."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the second scope out of the arguments."""
        if _MINUS in args:
            place = args.index(_MINUS)
            behind = _other.make_context("nbrepro deps --minus", args[place + 1 :])
            ctx.meta[_MINUS] = {k: v for k, v in behind.params.items() if v is not None}
            args = [*args[:place], *behind.args]
        return super().parse_args(ctx, args)


@click.command("deps", cls=Comparing, short_help="List what a cell, task or worker needs.")
@run_argument
@scope_options
@click.option("--direct", "extent", flag_value="direct", default="direct",
              help="What it opened itself, with its tasks (the default).")  # fmt: skip
@click.option("--closure", "extent", flag_value="closure",
              help="The least that re-creates its result.")  # fmt: skip
@click.option(
    _MINUS, is_flag=True, help="Without what the scope behind it needs: --cell 5 --minus --cell 3."
)
@click.option("--exact", is_flag=True, help="Leave out what is only possible.")
@click.option(
    "--why", metavar="MEMBER", shell_complete=complete_member,
    help="Follow the reasons for a package, file or cell of the set.",
)  # fmt: skip
@click.option("--format", "form", type=click.Choice(FORMATS), help="Write an environment file.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Write it there, not to standard output.",
)  # fmt: skip
@click.option("--dot", "style", flag_value=DOT, help="Print the set as a graph for Graphviz.")
@click.option("--svg", "style", flag_value=SVG, help="Print it as a drawing (needs Graphviz).")
@style_options
@store_option
@click.pass_context
def deps_command(
    ctx: click.Context,
    /,
    run: str,
    extent: str,
    minus: bool,
    exact: bool,
    why: str | None,
    form: str | None,
    output: Path | None,
    store: str | None,
    style: str,
    **scope: str | None,
) -> None:
    """List what a cell, task, function, worker, host or the whole run needs, each with why.

    \b
    nbrepro deps --cell 5                          what cell 5 opened itself
    nbrepro deps --cell 5 --closure                what re-creates its result, from nothing
    nbrepro deps --cell 5 --closure --why pillow
    nbrepro deps --closure --worker w1 --format requirements -o requirements.txt
    """
    if output and not form:
        raise UsageError("-o needs --format: which kind of file is wanted?")
    with open_asked(store) as provenance:
        asked = provenance.run(run)
        members = asked.dependencies(closure=extent == "closure", **scope)
        if minus or _MINUS in ctx.meta:
            members = _without(asked, members, ctx.meta.get(_MINUS, {}), extent)
        root = root_of(provenance)
    members = members.exact() if exact else members
    if why is not None:
        _print_why(members.why(why), style, root)
    elif form is not None:
        _write(members, form, output, [Path.cwd(), Path(asked.row.notebook).parent])
    else:
        _print(members, style, root)


def _without(run: Run, members: DependencySet, other: dict[str, str], extent: str) -> DependencySet:
    if not other:
        raise UsageError("--minus needs whose dependencies to leave out, for example: --cell 3")
    return members.minus(run.dependencies(closure=extent == "closure", **other))


def _print(members: DependencySet, style: str, root: str | None) -> None:
    if style in (DOT, SVG):
        from nbrepro.cli.drawing_sets import to_dot
        from nbrepro.export.drawing import to_svg

        dot = to_dot(members, root)
        click.echo(dot if style == DOT else to_svg(dot), nl=False)
        return
    print_rows(members.rows(), style, _columns(root), f"{members.title} needs nothing")


def _columns(root: str | None) -> list[Column]:
    return [
        Column("kind", lambda row: row.kind),
        Column("name", lambda row: _name(row, root), "bold"),
        Column("version", _version),
        Column("manager", lambda row: visible(row.manager or row.role)),
        Column("certainty", lambda row: row.certainty),
        Column("why", lambda row: visible(row.reason)),
    ]


def _name(member: Dependency, root: str | None) -> str:
    return shorten(member.name, root)


def _version(member: Dependency) -> str:
    if member.kind == "file":
        return (member.digest or "")[:_SHORT]
    if member.kind == "cell" and member.version == member.name:
        return ""
    return visible(member.version)


def _print_why(chain: Sequence[Dependency], style: str, root: str | None) -> None:
    if style not in (JSON, TABLE):
        raise UsageError("--why is printed as text or with --json")
    if style == JSON:
        from nbrepro.dependencies.sets import COLUMNS

        print_nested([{name: getattr(member, name) for name in COLUMNS} for member in chain])
        return
    for depth, member in enumerate(chain):
        version = _version(member)
        named = f"{member.kind} {_name(member, root)}" + (f" {version}" if version else "")
        doubt = "" if member.certainty == "exact" else " (possible)"
        click.echo(f"{'  ' * depth}{named}: {visible(member.reason)}{doubt}")


def _write(
    members: DependencySet, form: str, output: Path | None, directories: Sequence[Path]
) -> None:
    from nbrepro.dependencies.environments import write_environment
    from nbrepro.dependencies.environments.locks import find_hashes

    text = write_environment(members, form, find_hashes(members, directories))
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise MachineError(f"{output}: cannot be written ({error.strerror})") from None
    print_notes([f"{output}: {len(members)} members of {members.title}"])
