"""The commands around workers: start one under observation, and bring its evidence home."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nbrepro.cli.options import JSON, TABLE, complete_run, store_option
from nbrepro.errors import ExitCode, NotFoundError, UsageError

if TYPE_CHECKING:
    from nbrepro.capture.gathering import Gathered


@click.command(
    "worker",
    short_help="Start a worker of TaskVine or Dask under observation.",
    context_settings={"allow_interspersed_args": False},
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="-- COMMAND...")
@click.option(
    "--dir", "home", type=click.Path(path_type=Path), metavar="DIRECTORY",
    help="Where worker directories are made (default: $NBREPRO_WORKER_DIR, "
    "else ~/.local/state/nbrepro/workers).",
)  # fmt: skip
@click.option(
    "--tracer", type=click.Choice(["auto", "strace"]), default="auto", show_default=True,
    help="strace: do not start the worker where it cannot be traced.",
)  # fmt: skip
@click.option(
    "--shim", type=click.Path(path_type=Path), metavar="PATH",
    help="Start nothing; write a script that behaves like COMMAND (vine_worker), observed.",
)  # fmt: skip
def worker_command(
    command: Sequence[str], home: Path | None, tracer: str, shim: Path | None
) -> None:
    """Become COMMAND, any worker, observed: it keeps this process's pid, signals and exit code.

    \b
    nbrepro worker -- vine_worker HOST PORT
    nbrepro worker -- dask worker tcp://HOST:8786
    nbrepro worker --shim ./vine_worker      for Factory(worker_binary="./vine_worker")

    Where it cannot be traced it runs untraced, and says so.
    """
    from nbrepro.capture.worker import start_worker, write_shim

    if shim is None:
        start_worker(command, home, tracer)
    write_shim(shim, command, home, tracer)


@click.command("gather", short_help="Bring workers' evidence into a run.")
@click.argument(
    "paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH..."
)
@click.option(
    "--run", default="last", metavar="RUN", shell_complete=complete_run,
    help="The run they worked for (default: the last): an id, a prefix, or a run directory.",
)  # fmt: skip
@click.option("--json", "style", flag_value=JSON, default=TABLE, help="Print JSON.")
@store_option
def gather_command(paths: Sequence[Path], run: str, style: str, store: str | None) -> int:
    """Bring the evidence of workers into a run, and ingest the run again.

    PATH is a worker directory, a directory of them, or an archive (.tar.zst, .tar) of one. A worker
    belongs to the run if its trace carries the run's marks, if the run names it, or by its time.
    """
    from nbrepro.capture.gathering import gather
    from nbrepro.cli.observe import ingest_run
    from nbrepro.rundir import RunDirectory

    path, location = _find_run(run, store)
    directory = RunDirectory(path)
    found = gather(directory, paths)
    _print_gathered(found, style)
    outcomes = {item.outcome for item in found}
    if outcomes == {"left"}:
        raise NotFoundError(f"{path.name}: none of the workers given belongs to this run")
    if outcomes & {"taken", "known"}:
        ingest_run(directory, location)
    return ExitCode.BAD_INPUT if "refused" in outcomes else ExitCode.OK


def _find_run(run: str, store: str | None) -> tuple[Path, str]:
    """Give the run's directory and its store. Raises NotFoundError and UsageError."""
    from nbrepro.answers import open_provenance
    from nbrepro.cli.observe import store_beside

    path = Path(run)
    if (path / "manifest.json").is_file():
        return path.resolve(), store_beside(path, store)
    with open_provenance(store=store) as provenance:
        name, location = provenance.run(run).id, provenance.location
        project = provenance.project
    if project is None:
        raise UsageError(f"--run {run}: lies in no project here; give the path of its directory")
    return project.runs / name, location


def _print_gathered(found: Sequence[Gathered], style: str) -> None:
    import dataclasses

    from nbrepro.cli.printing import print_json
    from nbrepro.formats import visible

    if style == JSON:
        print_json([dataclasses.asdict(item) for item in found])
        return
    for item in found:
        if item.outcome == "refused":
            click.echo(f"nbrepro: {visible(item.reason)}", err=True)
        else:
            click.echo(f"{item.outcome} {visible(item.worker)}: {visible(item.reason)}")
