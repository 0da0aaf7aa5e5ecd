"""Replays a package on this machine, and keeps what it made outside of the image."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nbrepro.errors import UsageError
from nbrepro.packaging.images import ImageError
from nbrepro.packaging.isolation import Bind
from nbrepro.packaging.plan import HOME, NOTEBOOK, PACKAGE, PLAN, PlannedExecution
from nbrepro.packaging.replaying import Heard, Progress, Running, find_result, run_driver
from nbrepro.packaging.unpacking import open_root

SCHEMA = "nbrepro-replay/1"
RECORD, EXECUTED, FILES = "replay.json", "executed.ipynb", "files"
_LENT = f"{HOME}/lent"
_NOISE = ("/tmp", "/var/tmp", "/dev", "/proc", "/run", HOME)  # noqa: S108 (in the root)


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """How a package is replayed.

    `inputs` maps paths in the package to files of this machine that take their place. `cell`
    replays what the cell at a position needs. `keep` keeps the unpacked image for the next time.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Path] = field(default_factory=dict)
    cell: int | None = None
    network: bool = False
    timeout_s: float | None = None
    keep: bool = True


@dataclass(slots=True)
class Replayed:
    """How a replay went: its exit code, why it failed, and the files that it made (and where)."""

    folder: Path
    code: int
    failure: str
    cells: list[int]
    files: list[str]


def replay_package(
    image: Path, folder: Path, options: ReplayOptions, progress: Progress
) -> Replayed:
    """Replay the package `image` and write what it made into `folder`, which must be new or empty.

    `folder` gets the executed notebook, `files/` with everything the notebook made at its absolute
    path, and `replay.json`. Raises UsageError, ImageError, MachineError.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder}: is there already; give a new or empty directory")
    progress.stage("opening the image")
    with open_root(image, options.keep) as root:
        package = read_package(root, image)
        with tempfile.TemporaryDirectory(prefix="nbrepro-", ignore_cleanup_errors=True) as work:
            scratch = Path(work, "scratch")
            scratch.mkdir()
            plan, notebook = plan_replay(root, package, options)
            running = _running(root, scratch, package, options, _lend(Path(work), plan, notebook))
            heard = run_driver(running, progress)
            return _keep(folder, scratch, package, heard, plan)


def read_package(root: Path, image: Path) -> dict[str, Any]:
    """Read what a package says of itself. Raises ImageError."""
    try:
        package: dict[str, Any] = json.loads(Path(f"{root}{HOME}", PACKAGE).read_text())
        missing = [key for key in ("python", "cwd", "environment", "run") if key not in package]
    except (OSError, ValueError) as error:
        raise ImageError(f"{image}: is no package of nbrepro ({error})") from None
    if missing:
        raise ImageError(f"{image}: its {PACKAGE} lacks {', '.join(missing)}")
    return package


def plan_replay(
    root: Path, package: Mapping[str, Any], options: ReplayOptions
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the plan and the notebook of a replay with these options. Raises UsageError."""
    home = Path(f"{root}{HOME}")
    plan = json.loads((home / PLAN).read_text(encoding="utf-8"))
    notebook = json.loads((home / NOTEBOOK).read_text(encoding="utf-8"))
    plan["whole"] = options.cell is None
    if options.cell is not None:
        plan["cells"] = _cells_for(plan, options.cell)
    if options.parameters:
        _inject(plan, notebook, options.parameters)
    for path in options.inputs:
        if not path.startswith("/"):
            raise UsageError(f"--input {path}: give the absolute path that it has in the package")
    return plan, notebook


def _cells_for(plan: Mapping[str, Any], cell: int) -> list[dict[str, Any]]:
    """Give the executions that the last execution of a cell needs, and it."""
    planned: list[dict[str, Any]] = plan["cells"]
    at = [number for number, one in enumerate(planned) if one["position"] == cell]
    if not at:
        known = sorted({one["position"] for one in planned if one["position"]})
        raise UsageError(
            f"--cell {cell}: is not among the cells of the package ({', '.join(map(str, known))})"
        )
    needs = plan.get("needs", {}).get(str(planned[at[-1]]["execution"]))
    before = planned[: at[-1] + 1]
    if needs is None:
        return before
    kept = {*needs, planned[at[-1]]["execution"]}
    return [one for one in before if one["execution"] in kept]


def _inject(plan: dict[str, Any], notebook: dict[str, Any], parameters: Mapping[str, Any]) -> None:
    """Add the cell that sets the parameters, and its execution, as a run does."""
    import nbformat

    from nbrepro.capture.parameters import inject_parameters
    from nbrepro.notebook import PARAMETERS_TAG, read_tags

    node = nbformat.from_dict(notebook)
    index = inject_parameters(node, parameters)
    cells = [
        {**one, "index": one["index"] + (one["index"] >= index)}
        for one in plan["cells"]
        if one["position"] != 0
    ]
    injected = asdict(PlannedExecution(index, 0, 0))
    tagged = index > 0 and PARAMETERS_TAG in read_tags(node.cells[index - 1])
    at = [number for number, one in enumerate(cells) if tagged and one["index"] == index - 1]
    for place in reversed(at or [-1]):
        cells.insert(place + 1, dict(injected))
    plan["cells"] = cells
    notebook.clear()
    notebook.update(json.loads(json.dumps(node)))


def _lend(work: Path, plan: Mapping[str, Any], notebook: Mapping[str, Any]) -> Bind:
    lent = work / "lent"
    lent.mkdir()
    (lent / PLAN).write_text(json.dumps(plan))
    (lent / NOTEBOOK).write_text(json.dumps(notebook))
    return Bind(lent, _LENT)


def _running(
    root: Path, scratch: Path, package: Mapping[str, Any], options: ReplayOptions, lent: Bind
) -> Running:
    for path, source in options.inputs.items():
        if not source.exists():
            raise UsageError(f"--input {path}={source}: there is no such file on this machine")
    inputs = tuple(Bind(source, path) for path, source in options.inputs.items())
    environment = {str(name): str(value) for name, value in package["environment"].items()}
    resolver = Path("/etc/resolv.conf")
    if options.network and resolver.exists():
        inputs = (*inputs, Bind(resolver, "/etc/resolv.conf"))
    arguments = ("--plan", f"{_LENT}/{PLAN}", "--notebook", f"{_LENT}/{NOTEBOOK}")
    return Running(
        root, scratch, str(package["python"]), str(package["cwd"]), environment, arguments,
        (lent, *inputs), options.network, options.timeout_s,
    )  # fmt: skip


def _keep(
    folder: Path, scratch: Path, package: Mapping[str, Any], heard: Heard, plan: Mapping[str, Any]
) -> Replayed:
    """Write what a replay made into its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    result = find_result(scratch)
    if result.is_file() and not result.is_symlink():
        shutil.copyfile(result, folder / EXECUTED)
    made = list(_made(scratch / "upper", package))
    for path in made:
        target = Path(f"{folder}/{FILES}{path}")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(f"{scratch}/upper{path}", target, follow_symlinks=False)
    cells = [int(one["position"]) for one in plan["cells"]]
    replayed = Replayed(folder, heard.code, heard.failure, cells, made)
    record = {
        "schema": SCHEMA, "run": package["run"], "code": heard.code, "failure": heard.failure,
        "whole": plan["whole"] and heard.code == 0, "cells": cells, "files": made,
        "log": heard.lines,
    }  # fmt: skip
    (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n")
    return replayed


def _made(upper: Path, package: Mapping[str, Any]) -> list[str]:
    """List the files that the notebook made: not those of a moment, nor what programs cache."""
    found = []
    outputs = package.get("outputs", {})
    home = f"{package['environment'].get('HOME', '/root')}/."
    for folder, _, names in os.walk(upper):
        for name in sorted(names):
            path = f"{folder}/{name}"[len(str(upper)) :]
            made = Path(f"{upper}{path}")
            if made.is_symlink() or not made.is_file():
                continue
            passing = path.endswith(".pyc") or path.startswith(home)
            noise = any(path.startswith(f"{place}/") for place in _NOISE)
            inside = path.startswith(f"{package['cwd'].rstrip('/')}/")
            if path in outputs or (not passing and (inside or not noise)):
                found.append(path)
    return sorted(found)
