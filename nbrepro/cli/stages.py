"""Prints a stage of the walk from the trace to the graph, one value a line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import click

from nbrepro.answers import open_provenance
from nbrepro.cli.options import CSV, JSON
from nbrepro.errors import NotFoundError, UsageError
from nbrepro.formats import visible
from nbrepro.rundir import RunDirectory


def print_stage(run: str, stage: str, store: str | None, style: str) -> None:
    """Print the values of `stage` of a run, as lines for people or as JSON lines."""
    if style == CSV:
        raise UsageError("--as prints values of several shapes; use --json instead of --csv")
    from nbrepro.ingest import stage as open_stage

    write = _write_json if style == JSON else _write_text
    for value in open_stage(find_run_directory(run, store), stage):
        write(value)


def find_run_directory(run: str, store: str | None) -> RunDirectory:
    """Find a run's evidence: a directory given as such, or that of a run in the store."""
    if "/" in run and Path(run).is_dir():
        return RunDirectory(Path(run))
    with open_provenance(store=store) as provenance:
        row = provenance.run(run).row
        beside = [Path(provenance.location).parent] if "://" not in provenance.location else []
        homes = [provenance.project.home] if provenance.project else []
    places = [home / "runs" / row.run for home in [*homes, *beside]]
    found = next((place for place in places if place.is_dir()), None)
    if found is None:
        raise NotFoundError(
            f"the evidence of run {row.run} is not in {places[0].parent}; "
            "give the path of its run directory instead of its id"
        )
    return RunDirectory(found)


def _write_json(value: Any) -> None:
    click.echo(json.dumps({"type": type(value).__name__, **dict(_items(value))}, default=_plain))


def _write_text(value: Any) -> None:
    words = (f"{name}={visible(_flat(inner))}" for name, inner in _items(value) if inner != "")
    click.echo(f"{type(value).__name__} {' '.join(words)}")


def _items(value: Any) -> Iterable[tuple[str, Any]]:
    """Give the fields of a frozen value, whichever kind of frozen value it is."""
    if is_dataclass(value):
        return [(field.name, getattr(value, field.name)) for field in fields(value)]
    if hasattr(value, "_asdict"):
        return [(name, _plain(inner)) for name, inner in value._asdict().items()]
    return [("value", value)]


def _plain(value: Any) -> Any:
    if is_dataclass(value) or hasattr(value, "_asdict"):
        return dict(_items(value))
    return dict(value) if hasattr(value, "items") else value


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flat(inner)}" for key, inner in value.items()) + "}"
    return str(_plain(value)) if not hasattr(value, "items") else _flat(dict(value))
