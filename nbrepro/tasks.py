"""What distributed engines say of their tasks and workers: frozen values like those of `model`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TaskFile:
    """A declared input or output of a task: its name in the sandbox and the manager's path.

    `path` is empty where the engine keeps the content itself (buffers, temporary results).
    """

    remote: str
    path: str


OWN_ENGINE = "nbrepro"
"""The engine of tasks that are the tool's own: they fetch traces, and no run shows them."""


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """One attempt at a task of a distributed engine.

    `task` is unique in the run: the engine's own name, with `#2`, `#3` ... for later attempts.
    `execution` is the cell execution that submitted it (0: none known). `worker` is the worker
    directory's id, or the engine's address of a worker that was not observed. `status` is `ok`,
    `failed`, `lost` (its worker went away) or `unknown`. `observed` says that a trace covers it.
    `sandbox` is the name of the directory that the engine runs it in (`task.4`), empty for none.
    """

    task: str
    engine: str
    function: str
    execution: int
    attempt: int
    worker: str
    host: str
    started_ns: int
    ended_ns: int
    status: str
    inputs: tuple[TaskFile, ...] = ()
    outputs: tuple[TaskFile, ...] = ()
    observed: bool = True
    sandbox: str = ""


@dataclass(frozen=True, slots=True)
class EngineWorker:
    """A worker as its engine's client saw it: `worker` is the id of its directory where it has
    one, else its address. `observed` says that a trace covers it."""

    worker: str
    engine: str
    address: str
    host: str
    pid: int
    started_ns: int
    observed: bool
