"""The commands about packages: make one, replay it, compare the replay, look into one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nbrepro.cli.options import (
    JSON,
    TABLE,
    F,
    complete_cell,
    open_asked,
    run_argument,
    store_option,
    style_options,
)
from nbrepro.cli.printing import Column, print_nested, print_rows
from nbrepro.cli.progress import open_progress
from nbrepro.errors import ExitCode, UsageError
from nbrepro.formats import to_size, visible

if TYPE_CHECKING:
    from nbrepro.packaging.building import Built
    from nbrepro.rows import Rows
    from nbrepro.rundir import RunDirectory


def _paths_option(name: str, what: str) -> Callable[[F], F]:
    return click.option(name, multiple=True, metavar="PATH", help=f"{what} (again for more).")


@click.command("package", short_help="Make a container image that replays a run.")
@run_argument
@click.option(
    "--cell", type=click.IntRange(min=1), metavar="N", shell_complete=complete_cell,
    help="Only what cell N needs: a number among code cells.",
)  # fmt: skip
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), metavar="FILE",
    help="Where the package is written.",
)  # fmt: skip
@click.option(
    "--format", "form", type=click.Choice(["oci", "dir", "tar", "squashfs"]), default="oci",
    show_default=True, help="An OCI image archive, or the bare file system.",
)  # fmt: skip
@click.option(
    "--compress", type=click.Choice(["gzip", "zstd"]), default="gzip", show_default=True,
    help="How the layers are compressed; old engines know gzip only.",
)  # fmt: skip
@click.option(
    "--with-data", type=click.Choice(["include", "reference"]), default="include",
    show_default=True, help="Data goes into the package, or stays outside, named by its digest.",
)  # fmt: skip
@_paths_option("--include", "Take this file or directory along")
@_paths_option("--exclude", "Leave this file, directory or pattern out")
@_paths_option("--allow", "Let this file in though a rule refuses it; is recorded")
@click.option("--no-proof", is_flag=True, help="Do not replay the package while it is made.")
@click.option("--network", is_flag=True, help="Let the replays of the proof use the network.")
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS",
    help="Longest time of one replay (default: none).",
)  # fmt: skip
@click.option("--no-progress", is_flag=True, help="Show nothing while it is made.")
@click.option("--json", "style", flag_value=JSON, default=TABLE, help="Print a JSON summary.")
@store_option
def package_command(
    run: str,
    cell: int | None,
    output: Path,
    form: str,
    compress: str,
    with_data: str,
    include: Sequence[str],
    exclude: Sequence[str],
    allow: Sequence[str],
    no_proof: bool,
    network: bool,
    timeout: float | None,
    no_progress: bool,
    style: str,
    store: str | None,
) -> None:
    """Make a container image that holds what a run needs, and nothing else, and replays it.

    The package is replayed in its own empty root while it is made: what was missed is added, and
    the outputs are compared with the run's.
    """
    from nbrepro.packaging.building import BuildOptions, build_package

    directory = find_run_directory(run, store)
    absolute = [tuple(str(Path(one).absolute()) for one in paths) for paths in (include, allow)]
    options = BuildOptions(
        form, compress, with_data, absolute[0], tuple(map(_pattern, exclude)), absolute[1],
        not no_proof, network, timeout, cell,
    )  # fmt: skip
    with open_progress(not no_progress) as progress:
        built = build_package(directory, output, options, progress)
    record = to_record(built)
    if style == JSON:
        print_nested(record)
    else:
        print_built(record)


def _pattern(text: str) -> str:
    return text if text.startswith(("/", "*")) else str(Path(text).absolute())


def find_run_directory(run: str, store: str | None) -> RunDirectory:
    """Find the evidence of a run. Raises NotFoundError."""
    from nbrepro.rundir import RunDirectory

    with open_asked(store) as provenance:
        asked = provenance.run(run)
        project = provenance.project
    if project is None:
        raise UsageError("the evidence of the run is needed; call this in its project")
    place = project.runs / asked.id
    if not place.is_dir():
        raise UsageError(f"{place}: the evidence of the run is not here, and is needed")
    return RunDirectory(place)


def to_record(built: Built) -> dict[str, Any]:
    """Give what was made, for people and programs."""
    proof = built.proof
    return {
        "package": str(built.path), "digest": built.digest or None, "files": built.files,
        "bytes": built.size_bytes, "packed": built.path.stat().st_size,
        "layers": [
            {"kind": layer.kind, "digest": layer.digest, "bytes": layer.size_bytes,
             "files": len(layer.files)}
            for layer in built.layers
        ],
        "rounds": proof.rounds, "cells": proof.cells, "equal": proof.equal,
        "different": proof.different, "complete": proof.complete, "failure": proof.failure or None,
        "unproven": proof.reason or None, "added": proof.added, "missing": built.missing,
        "changed": built.changed, "left_out": built.left_out, "allowed": built.allowed,
        "notes": list(built.notes),
    }  # fmt: skip


def print_built(record: dict[str, Any]) -> None:
    """Print what was made, and what its owner should know."""
    layers = ", ".join(f"{one['kind']} {to_size(one['bytes'])}" for one in record["layers"])
    click.echo(
        f"{record['package']}: {to_size(record['packed'])}, {record['files']} files ({layers})"
    )
    if record["digest"]:
        click.echo(f"digest: {record['digest']}")
    click.echo(f"proof: {_proof(record)}")
    for title, what in (
        ("added by the proof", "added"), ("left out", "left_out"), ("let in", "allowed"),
    ):  # fmt: skip
        if record[what]:
            names = [f"{visible(path)} ({why})" for path, why in list(record[what].items())[:5]]
            more = len(record[what]) - 5
            click.echo(f"{title}: {visible(', '.join(names))}{f', {more} more' * (more > 0)}")
    if record["changed"]:
        first = ", ".join(record["changed"][:5])
        click.echo(f"changed since the run, packaged as they are now: {visible(first)}")
    for note in record["notes"]:
        click.echo(f"note: {visible(note)}")
    click.echo(f"next: nbrepro replay {visible(record['package'])}")


def _proof(record: dict[str, Any]) -> str:
    if record["rounds"] == 0:
        return f"none ({record['unproven']})"
    if record["failure"]:
        return f"the replay failed: {visible(record['failure'])}"
    said = f"replayed {record['rounds']} times in an empty root without network"
    said += f", {record['equal']} of {record['cells']} cells equal"
    if record["different"]:
        said += f" (different: {', '.join(map(str, record['different']))})"
    return said + ("" if record["complete"] else f"; {record['unproven'] or 'not complete'}")


@click.command("replay", short_help="Run a package on this machine, isolated from it.")
@click.argument("image", type=click.Path(path_type=Path))
@click.option("--cell", type=click.IntRange(min=1), metavar="N", help="What cell N needs, and it.")
@click.option(
    "-p", "parameters", multiple=True, metavar="NAME=VALUE",
    help="Set a variable, in a cell after the one tagged 'parameters' (again for more).",
)  # fmt: skip
@click.option(
    "--input", "inputs", multiple=True, metavar="OLD=NEW",
    help="Let the file NEW of this machine take the place of OLD (again for more).",
)  # fmt: skip
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="DIRECTORY",
    help="Where to put what it makes (default: IMAGE.replay).",
)  # fmt: skip
@click.option("--network", is_flag=True, help="Let it use the network.")
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS",
    help="Longest time of the replay (default: none).",
)  # fmt: skip
@click.option("--no-cache", is_flag=True, help="Do not keep the unpacked image for the next time.")
@click.option("--no-progress", is_flag=True, help="Show nothing while it runs.")
@click.option("--json", "style", flag_value=JSON, default=TABLE, help="Print a JSON summary.")
def replay_command(
    image: Path,
    cell: int | None,
    parameters: Sequence[str],
    inputs: Sequence[str],
    output: Path | None,
    network: bool,
    timeout: float | None,
    no_cache: bool,
    no_progress: bool,
    style: str,
) -> int:
    """Replay the notebook of a package: in its own root, without network, root or ptrace.

    What it makes, and the executed notebook, is written outside of the image.
    """
    from nbrepro.capture.parameters import parse_parameters
    from nbrepro.packaging.replay import ReplayOptions, replay_package

    options = ReplayOptions(
        parse_parameters(parameters), parse_inputs(inputs), cell, network, timeout, not no_cache
    )
    folder = output or image.with_name(f"{image.stem}.replay")
    with open_progress(not no_progress) as progress:
        replayed = replay_package(image, folder, options, progress)
    if style == JSON:
        print_nested(
            {"output": str(folder), "code": replayed.code, "failure": replayed.failure or None,
             "cells": replayed.cells, "files": replayed.files}
        )  # fmt: skip
    else:
        click.echo(f"{folder}: {len(replayed.cells)} cells, {len(replayed.files)} files made")
        if replayed.failure:
            click.echo(f"failed: {visible(replayed.failure)}", err=True)
        click.echo(f"next: nbrepro verify {visible(image)} {visible(folder)}")
    return ExitCode.OK if replayed.code == 0 else ExitCode.NOTEBOOK_FAILED


def parse_inputs(texts: Sequence[str]) -> dict[str, Path]:
    """Turn `old=new` texts into paths. Raises UsageError."""
    found = {}
    for text in texts:
        old, equals, new = text.partition("=")
        if not equals or not old or not new:
            raise UsageError(f"--input {text}: is not OLD=NEW with two paths")
        found[old] = Path(new)
    return found


@click.command("verify", short_help="Compare a replay with the run in its package.")
@click.argument("image", type=click.Path(path_type=Path))
@click.argument("replay", required=False, type=click.Path(path_type=Path))
@click.option(
    "--tolerance", type=click.FloatRange(min=0), default=1e-9, show_default=True,
    help="How far numbers may differ, relatively.",
)  # fmt: skip
@click.option("--no-progress", is_flag=True, help="Show nothing while it runs.")
@style_options
def verify_command(
    image: Path, replay: Path | None, tolerance: float, no_progress: bool, style: str
) -> int:
    """Compare a replay with the run in its package: outputs by cell, files by digest.

    Without REPLAY the package is replayed first. Exit code 8 says that something differs
    or is missing; what was written to stderr is shown, and does not count.
    """
    import tempfile

    from nbrepro.outputs import Tolerance
    from nbrepro.packaging.replay import ReplayOptions, replay_package
    from nbrepro.packaging.verifying import verify_replay

    with tempfile.TemporaryDirectory(prefix="nbrepro-") as folder:
        if replay is None:
            replay = Path(folder, "replay")
            with open_progress(not no_progress) as progress:
                replay_package(image, replay, ReplayOptions(), progress)
        rows = verify_replay(image, replay, Tolerance(relative=tolerance))
    print_rows(rows, style, verified_columns(), "nothing was compared")
    if style == TABLE:
        click.echo(_verdict(rows))
    return (
        ExitCode.OK
        if not any(row.verdict in ("different", "missing") for row in rows)
        else ExitCode.DIFFERENT
    )


def _verdict(rows: Rows[Any]) -> str:
    from nbrepro.packaging.verifying import count_verdicts

    counts = count_verdicts(rows)
    parts = [
        f"{found.get('equal', 0) + found.get('warnings', 0)} of {sum(found.values())} {kind}s equal"
        for kind, found in counts.items()
    ]
    return ", ".join(parts)


def verified_columns() -> list[Column]:
    """Give the columns of a table of what was compared."""
    return [
        Column("of", lambda row: row.kind),
        Column("", lambda row: visible(row.subject), "bold"),
        Column("verdict", lambda row: row.verdict),
        Column("why", lambda row: visible(row.detail or "")),
        Column("recorded", lambda row: visible(row.recorded or "")),
        Column("again", lambda row: visible(row.again or "")),
    ]


@click.command("inspect", short_help="Show what is in a package, the largest first.")
@click.argument("image", type=click.Path(path_type=Path))
@click.option(
    "--by", type=click.Choice(["package", "role", "layer", "file"]), default="package",
    show_default=True, help="What the sizes are summed by.",
)  # fmt: skip
@style_options
def inspect_command(image: Path, by: str, style: str) -> None:
    """Show what is in a package, by distribution, role, layer or file, the largest first."""
    from nbrepro.packaging.inspecting import inspect_image

    rows = inspect_image(image, by)
    print_rows(rows, style, inspected_columns(), "the package is empty")


def inspected_columns() -> list[Column]:
    """Give the columns of a table of what is in a package."""
    return [
        Column("of", lambda row: visible(row.subject), "bold"),
        Column("files", lambda row: str(row.files), right=True),
        Column("size", lambda row: to_size(row.bytes), right=True),
        Column("layer", lambda row: visible(row.layer)),
        Column("why", lambda row: visible(row.reason or "")),
    ]
