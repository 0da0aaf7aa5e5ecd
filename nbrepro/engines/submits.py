"""Read `submits.jsonl`: what the probe in the kernel saw of the engines' clients.

Checked here is what the readers rely on; schemas/submits.schema.json says all of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbrepro.errors import RunDirectoryError
from nbrepro.rundir import SUBMITS, WORKERS, RunDirectory

_FIELDS: dict[tuple[str, str], dict[str, type]] = {
    ("taskvine", "manager"): {"manager": str, "logs": str},
    ("taskvine", "submit"): {
        "manager": str, "number": int, "type": str, "function": str, "library": str,
        "inputs": list, "outputs": list,
    },
    ("taskvine", "workers"): {"manager": str, "workers": dict},
    ("taskvine", "minis"): {"manager": str, "minis": dict},
    ("taskvine", "done"): {"manager": str, "number": int, "status": str, "host": str},
    ("dask", "client"): {"scheduler": str, "id": str},
    ("dask", "submit"): {"scheduler": str, "keys": list},
    ("dask", "workers"): {"workers": dict},
    ("dask", "started"): {"key": str, "function": str, "worker": str},
    ("dask", "done"): {"key": str, "status": str, "worker": str},
    ("dask", "clock"): {"worker": str, "sent": int, "there": int, "answered": int},
    ("dask", "unobservable"): {"key": str, "reason": str, "worker": str},
    ("", "collected"): {"worker": str},
    ("", "problem"): {"reason": str},
}  # fmt: skip
_COMMON: dict[str, type] = {"event": str, "engine": str, "at_ns": int, "execution": int}


@dataclass(frozen=True, slots=True)
class Submit:
    """One event; `at_ns` is by the clock of the host that saw it: for Dask's `started` and `done`
    that is the worker's. `execution` is the submitting cell execution, 0 for none."""

    event: str
    engine: str
    at_ns: int
    execution: int
    fields: dict[str, Any]


def read_submits(directory: RunDirectory) -> Iterator[Submit]:
    """Read the whole log in order; there is none where no engine was used.

    A torn last line is left out. Raises RunDirectoryError with place and reason.
    """
    path = directory.path / SUBMITS
    if not path.exists():
        return
    with path.open(encoding="utf-8") as log:
        for number, line in enumerate(log, 1):
            try:
                submit = parse_submit(json.loads(line))
            except (ValueError, TypeError, KeyError) as error:
                if line.endswith("\n"):
                    raise RunDirectoryError(f"{path}:{number}: {error!r}") from None
            else:
                yield submit


def parse_submit(record: dict[str, Any]) -> Submit:
    """Check one event. Raises TypeError, KeyError or ValueError that names the field."""
    fields = dict(record)
    _check(fields, _COMMON)
    event, engine = fields["event"], fields["engine"]
    expected = _FIELDS.get((engine, event)) or _FIELDS.get(("", event))
    if expected is None:
        raise ValueError(f"no event {event!r} of {engine!r} is known")
    _check(fields, expected)
    words = {name: fields.pop(name) for name in _COMMON}
    return Submit(**words, fields=fields)


def _check(fields: dict[str, Any], expected: dict[str, type]) -> None:
    for name, kind in expected.items():
        if not isinstance(fields[name], kind):
            raise TypeError(f"{name} is {fields[name]!r}, not {kind.__name__}")


def is_home(directory: RunDirectory, worker: str) -> bool:
    """Tell whether the worker's own directory, or its archive, is in the run directory."""
    place: Path = directory.path / WORKERS
    return (place / worker).is_dir() or (place / f"{worker}.tar.zst").is_file()


def observed_by(directory: RunDirectory, worker: str, traced: bool) -> bool:
    """Tell whether a trace covers a worker: its own that came home, or the kernel's."""
    return is_home(directory, worker) if worker else traced
