"""Tell whether the tasks of a cell ran elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from nbrepro.compare.direct import Given
from nbrepro.compare.values import Activity, Portrait


def given_placement(run: Portrait, other: Portrait, a: Activity, b: Activity) -> Iterator[Given]:
    """Yield the first task that another worker executed; workers are told by their order.

    Engines place tasks by chance, so that this is a cause only where nothing else is.
    """
    if [task.function for task in a.tasks] != [task.function for task in b.tasks]:
        return
    ours, theirs = _workers(run), _workers(other)
    for number, (one, two) in enumerate(zip(a.tasks, b.tasks, strict=True), 1):
        sides = ours[one.worker], theirs[two.worker]
        if sides[0] != sides[1]:
            yield Given(
                "placement",
                f"task {number} ({one.function})",
                f"worker {sides[0]} on {one.host}",
                f"worker {sides[1]} on {two.host}",
                "another worker executed it",
                weak=True,
            )
            return


def _workers(run: Portrait) -> dict[str, int]:
    """Number the workers of a run by the first task that each executed."""
    found: dict[str, int] = {}
    for execution in run.executions:
        for task in execution.tasks:
            found.setdefault(task.worker, len(found) + 1)
    return found
