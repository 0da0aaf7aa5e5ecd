"""Read the logs of distributed engines to tasks, one record an attempt."""

from __future__ import annotations

from nbrepro.engines.clocks import Clock
from nbrepro.engines.dask import dask_clocks, dask_tasks, dask_workers
from nbrepro.engines.submits import Submit, read_submits
from nbrepro.engines.taskvine import taskvine_clocks, taskvine_tasks
from nbrepro.rundir import RunDirectory
from nbrepro.tasks import EngineWorker, TaskRecord

__all__ = ["Clock", "Submit", "read_clocks", "read_submits", "read_tasks", "read_workers"]


def read_tasks(directory: RunDirectory) -> list[TaskRecord]:
    """Read the attempts at every task of the run, in order of engine, submission and attempt.

    Raises RunDirectoryError where the submit log is not one.
    """
    submits = read_submits(directory)
    return [*taskvine_tasks(submits, directory), *dask_tasks(submits, directory)]


def read_workers(directory: RunDirectory) -> list[EngineWorker]:
    """Read the workers that the engines' clients told of, in order of address.

    TaskVine's are known by their tasks and their directories. Raises RunDirectoryError.
    """
    found = dask_workers(read_submits(directory), directory)
    return [found[address] for address in sorted(found)]


def read_clocks(directory: RunDirectory) -> dict[str, tuple[str, Clock]]:
    """Read how the engines call the workers that have directories of their own, and their clocks.

    The keys are the workers' ids. Raises RunDirectoryError.
    """
    submits = read_submits(directory)
    return taskvine_clocks(submits, directory) | dask_clocks(submits)
