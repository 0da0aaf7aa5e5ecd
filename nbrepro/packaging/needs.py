"""Which executions of a run others need: through variables and through files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nbrepro.rundir import CellRecord
from nbrepro.variables import EXACT, Need, close_needs, find_needs, join_needs
from nbrepro.versions import VersionedTouch


def find_all_needs(
    cells: Sequence[CellRecord], versioned: Iterable[VersionedTouch]
) -> dict[int, list[int]]:
    """Map every execution to those that its result needs, itself among them, in order."""
    needs = join_needs(find_needs(cells), _needs_of_files(versioned))
    return {
        record.execution: [one.execution for one in close_needs(needs, [record.execution])]
        for record in cells
    }


def _needs_of_files(versioned: Iterable[VersionedTouch]) -> dict[int, tuple[Need, ...]]:
    """Give what executions need of those that made the file versions that they used."""
    makers: dict[int, int] = {}
    needs: dict[int, dict[int, Need]] = {}
    for one in versioned:
        execution = one.touch.owner.execution
        if one.used is not None:
            maker = makers.get(one.used.number, 0)
            if 0 < maker < execution:
                needs.setdefault(execution, {})[maker] = Need(
                    maker, (one.touch.path,), EXACT, "made the file", "file"
                )
        if one.generated is not None:
            makers.setdefault(one.generated.number, execution)
    return {execution: tuple(found.values()) for execution, found in needs.items()}
