"""Read the logs of distributed engines to tasks, one record an attempt."""

from __future__ import annotations

from typing import NamedTuple

from nbrepro.engines.clocks import Clock
from nbrepro.engines.dask import DaskLog
from nbrepro.engines.submits import Submit, read_submits
from nbrepro.engines.taskvine import TaskVineLog
from nbrepro.rundir import RunDirectory
from nbrepro.tasks import EngineWorker, TaskRecord

__all__ = ["Clock", "Engines", "Submit", "read_clocks", "read_engines", "read_submits"]


class Engines(NamedTuple):
    """The attempts at every task of a run, in order of engine, submission and attempt, and the
    workers that the engines' clients told of, in order of address (TaskVine's are known by their
    tasks and their directories)."""

    tasks: list[TaskRecord]
    workers: list[EngineWorker]


def read_engines(directory: RunDirectory) -> Engines:
    """Read what the engines' clients did. Raises RunDirectoryError where that is no submit log."""
    taskvine, dask = _follow(directory)
    workers = [dask.workers[address] for address in sorted(dask.workers)]
    return Engines([*taskvine.tasks(), *dask.tasks()], workers)


def read_clocks(directory: RunDirectory) -> dict[str, tuple[str, Clock]]:
    """Read how the engines call the workers that have directories of their own, and their clocks.

    The keys are the workers' ids. Raises RunDirectoryError.
    """
    taskvine, dask = _follow(directory)
    return taskvine.clocks() | dask.clocks()


def _follow(directory: RunDirectory) -> tuple[TaskVineLog, DaskLog]:
    logs = TaskVineLog(directory), DaskLog(directory)
    for submit in read_submits(directory):
        for log in logs:
            log.follow(submit)
    return logs
