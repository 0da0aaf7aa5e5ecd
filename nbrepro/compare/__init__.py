"""Compare two runs by their graphs: what differs first, why, and what follows from it.

    statements ─▶ portraits ─▶ pairs of executions ─▶ what they were given ─▶ causes and effects

`read_portrait` and `compare` are all that others need; `as_record` is the JSON form.
"""

from nbrepro.compare.causes import compare
from nbrepro.compare.portraits import read_portrait
from nbrepro.compare.records import as_record
from nbrepro.compare.values import KINDS, CellPair, Comparison, Difference, Effect, Portrait

__all__ = [
    "KINDS", "CellPair", "Comparison", "Difference", "Effect", "Portrait", "as_record", "compare",
    "read_portrait",
]  # fmt: skip
