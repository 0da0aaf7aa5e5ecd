"""What a run is asked for, what it tells while it goes on, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from nbrepro.config import Project, Settings
from nbrepro.errors import ExitCode
from nbrepro.model import RunId


class Progress(Protocol):
    """Who shows how far the run is. `position` counts from 1 among code cells."""

    def started(self, cells: int) -> None: ...
    def cell_started(self, position: int, source: str) -> None: ...
    def cell_ended(self, position: int, status: str) -> None: ...
    def stage(self, name: str) -> None: ...


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to run a notebook. `order` lists positions among code cells, repeats allowed;
    `timeout_s` holds for each cell; `cwd` is the notebook's folder unless given."""

    project: Project
    settings: Settings = field(default_factory=Settings)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    kernel: str | None = None
    timeout_s: float | None = None
    allow_errors: bool = False
    cwd: Path | None = None
    tracer: str = "auto"
    order: tuple[int, ...] | None = None
    startup_timeout_s: float = 60.0


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How a run ended: `status` is `ok`, `failed` or `interrupted`, `error` one sentence,
    `signal` the number of the signal that interrupted it, else 0."""

    run: RunId
    directory: Path
    status: str
    error: str = ""
    signal: int = 0
    exit_code: ExitCode = ExitCode.OK
