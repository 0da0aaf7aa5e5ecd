"""What ran beside a notebook and must run beside its replay: a scheduler and separate workers.

The workers of a cluster that the notebook starts itself are its own children and need nothing of
this. Those that were started by themselves, on this machine and under observation, are started anew
by their recorded commands. Dask's scheduler is not observed: it is started where the notebook's
client found it, and its own modules are taken from its distribution.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbrepro.model import Role
from nbrepro.packaging.contents import ENVIRONMENT, Contents, Item
from nbrepro.rundir import SUBMITS, RunDirectory, WorkerManifest

_CONTACT = "--scheduler-file"
_OF_SCHEDULER = ("cli", "http", "diagnostics")


@dataclass(frozen=True, slots=True)
class Beside:
    """What to start beside the notebook, what that needs, and workers that cannot be started."""

    started: tuple[dict[str, Any], ...] = ()
    items: tuple[Item, ...] = ()
    elsewhere: tuple[str, ...] = ()


def find_beside(directory: RunDirectory, contents: Contents) -> Beside:
    """Find what ran beside the notebook of a run."""
    workers = [one.read_manifest() for one in directory.worker_directories()]
    here = [one for one in workers if one.host.name == contents.manifest.host.name]
    elsewhere = tuple(
        f"worker {one.worker} ran on host {one.host.name}: its files are not here"
        for one in workers
        if one not in here
    )
    dask = [one for one in here if one.engine == "dask" and one.command]
    address = _scheduler_address(directory)
    if not dask or not address:
        return Beside(elsewhere=elsewhere)
    started = [_scheduler(address, dask, contents.python), *map(_worker, dask)]
    folders = (Item(one.cwd, ENVIRONMENT, Role.DIRECTORY, "where a worker works") for one in dask)
    return Beside(tuple(started), (*folders, *_modules(contents)), elsewhere)


def _scheduler_address(directory: RunDirectory) -> str:
    path = directory.path / SUBMITS
    if not path.is_file():
        return ""
    for line in path.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        if record.get("event") == "client" and record.get("engine") == "dask":
            return str(record.get("scheduler", ""))
    return ""


def _scheduler(address: str, workers: Sequence[WorkerManifest], python: str) -> dict[str, Any]:
    host, _, port = address.rpartition("/")[2].rpartition(":")
    words = [python, "-m", "dask", "scheduler", "--host", host, "--port", port, "--no-dashboard"]
    contact = next((path for one in workers if (path := _contact(one.command))), "")
    words += [_CONTACT, contact] if contact else []
    return {"name": "the scheduler", "command": words, "cwd": workers[0].cwd}


def _worker(worker: WorkerManifest) -> dict[str, Any]:
    return {"name": f"worker {worker.worker}", "command": list(worker.command), "cwd": worker.cwd}


def _contact(command: Sequence[str]) -> str:
    return command[command.index(_CONTACT) + 1] if _CONTACT in command[:-1] else ""


def _modules(contents: Contents) -> Iterator[Item]:
    """Yield the modules that a scheduler loads and nothing that was observed did."""
    packages = {
        path[: path.index("/distributed/") + len("/distributed")]
        for path in contents.items
        if "-packages/distributed/" in path
    }
    for package in sorted(packages):
        for part in _OF_SCHEDULER:
            for path in sorted(Path(package, part).rglob("*")):
                if path.is_file() and "tests" not in path.parts:
                    rule = "may be needed by the scheduler, which was not observed"
                    yield Item(str(path), ENVIRONMENT, Role.PACKAGE, rule, "pkg:pypi/distributed")
