"""The commands that ask about one file: why, lineage, impact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from nbrepro.cli.ask import data_columns, root_of
from nbrepro.cli.options import (
    CSV,
    JSON,
    open_asked,
    path_argument,
    run_argument,
    store_option,
    style_options,
)
from nbrepro.cli.printing import (
    print_csv,
    print_drawn,
    print_nested,
    print_notes,
    print_rows,
    print_table,
)
from nbrepro.formats import shorten, visible
from nbrepro.lineage import FileNode, StepNode, Tree
from nbrepro.runs import Why

if TYPE_CHECKING:
    from rich.tree import Tree as RichTree


@click.command("why", short_help="Say why a file has its role, and who touched it.")
@path_argument
@run_argument
@style_options
@store_option
def why_command(path: str, run: str, store: str | None, style: str) -> None:
    """Say why a file has its role: the rule, the package that owns it, every access.

    PATH may be relative, or any end of a path that only one file has.
    """
    with open_asked(store) as provenance:
        asked = provenance.run(run)
        why = asked.why(path)
        root = root_of(provenance)
    if style == JSON:
        print_nested(why_record(asked.id, why))
    elif style == CSV:
        print_csv(why.accesses.columns, ([*row.values()] for row in why.accesses.records()))
    else:
        _print_why(why, root)


def why_record(run: str, why: Why) -> dict[str, Any]:
    """Give everything known of a file as nested dictionaries."""
    owner = next(iter(why.owners.records()), {})
    known = [*why.accesses.records(), *why.software.records(), owner]
    return {
        "run": run,
        "path": why.path,
        "role": next((row["role"] for row in known if row.get("role")), None),
        "rule": next((row["rule"] for row in known if row.get("rule")), None),
        "package": {key: owner[key] for key in ("name", "version", "manager", "purl")}
        if owner.get("purl")
        else None,
        "accesses": list(why.accesses.records()),
        "software": list(why.software.records()),
    }


def _print_why(why: Why, root: str | None) -> None:
    record = why_record("", why)
    click.echo(f"{shorten(why.path, root)}")
    click.echo(f"role {visible(record['role'])}, by the rule {visible(record['rule'])}")
    package = record["package"]
    if package:
        click.echo(
            f"owned by {visible(package['name'])} {visible(package['version'])} "
            f"({visible(package['manager'])}, {visible(package['purl'])})"
        )
    if why.software:
        cells = {"the kernel itself" if r.cell is None else f"cell {r.cell}" for r in why.software}
        click.echo(f"opened as software by {', '.join(sorted(cells, key=_by_number))}")
    if why.accesses:
        click.echo()
        print_table(why.accesses, data_columns(root), "")
        names = sorted({visible(row.named) for row in why.accesses if row.named})
        processes = sorted({visible(row.process) for row in why.accesses if row.process})
        print_notes([f"named by the program: {', '.join(names)}"] if names else [])
        print_notes([f"processes: {', '.join(processes)}"] if processes else [])


def _by_number(text: str) -> tuple[int, str]:
    digits = text.rpartition(" ")[2]
    return (int(digits) if digits.isdecimal() else 0, text)


@click.command("lineage", short_help="Show what a file came from, as a tree.")
@path_argument
@run_argument
@style_options
@store_option
def lineage_command(path: str, run: str, store: str | None, style: str) -> None:
    """Show the cells and the inputs behind a file, as a tree."""
    with open_asked(store) as provenance:
        asked = provenance.run(run)
        tree = asked.lineage(path)
        root = root_of(provenance)
    _print_tree(tree, style, root, "made by", f"not made by run {asked.id}: an input")


@click.command("impact", short_help="Show what depends on a file, as a tree.")
@path_argument
@run_argument
@style_options
@store_option
def impact_command(path: str, run: str, store: str | None, style: str) -> None:
    """Show the cells and the files that depend on a file, as a tree."""
    with open_asked(store) as provenance:
        asked = provenance.run(run)
        tree = asked.impact(path)
        root = root_of(provenance)
    _print_tree(tree, style, root, "used by", f"nothing in run {asked.id} used it")


def _print_tree(tree: Tree, style: str, root: str | None, verb: str, leaf: str) -> None:
    if style == JSON:
        print_nested(tree.nested())
    elif style == CSV:
        rows = tree.rows()
        print_rows(rows, CSV, [], "")
    else:
        print_drawn(_branches(tree.root, root, verb))
        print_notes([] if tree.root.steps else [leaf])


def _branches(top: FileNode, root: str | None, verb: str) -> RichTree:
    from rich.text import Text
    from rich.tree import Tree as RichTree

    trunk = RichTree(Text(_file_label(top, root)))
    work = [(top, trunk)]
    while work:
        node, branch = work.pop()
        for step in node.steps:
            inner = branch.add(Text(_step_label(step, verb), style="bold"))
            work.extend((file, inner.add(Text(_file_label(file, root)))) for file in step.files)
    return trunk


def _file_label(node: FileNode, root: str | None) -> str:
    label = shorten(node.path, root)
    if node.sha256:
        label += f"  {node.sha256[:12]}"
    if node.role != "data":
        label += f"  ({node.role})"
    if node.removed_by is not None:
        label += f"  removed by cell {node.removed_by}"
    return label + ("  (shown elsewhere)" if node.repeated else "")


def _step_label(step: StepNode, verb: str) -> str:
    who = "" if step.cell is None else f"cell {step.cell}"
    if step.task:
        where = f" on {visible(step.worker)}" if step.worker else ""
        who = f"task {visible(step.task)}{where}{', of ' if who else ''}{who}"
    elif step.worker:
        who = f"worker {visible(step.worker)} itself"
    return f"{verb} {who or 'the kernel itself'}"
