"""Which earlier executions an execution needs through variables: def-use on the code that ran.

    cells.jsonl ─▶ operations of each execution ─▶ flow, with the kernel's view ─▶ needs

`find_needs` is all that others need; `close_needs` follows needs to their end.
"""

from __future__ import annotations

from collections.abc import Iterable

from nbrepro.rundir import CellRecord, NamesView
from nbrepro.variables.code import scan_cell
from nbrepro.variables.flow import Flow
from nbrepro.variables.held import EXACT, POSSIBLE
from nbrepro.variables.needs import Need, Needed, close_needs, join_needs

__all__ = [
    "EXACT", "POSSIBLE", "Need", "Needed", "close_needs", "find_needs", "join_needs",
]  # fmt: skip


def find_needs(
    executions: Iterable[CellRecord], views: Iterable[NamesView] = ()
) -> dict[int, tuple[Need, ...]]:
    """Give what each execution needs of earlier ones through names and states.

    `executions` are those of one kernel, in the order in which they ran, as the cell log has them;
    `views` what the kernel's names were at their ends, where that was recorded. Keys are the
    executions' numbers. Nothing that is needed is left out; what may be needed is `possible`.
    """
    flow = Flow()
    every = list(executions)
    flow.counts = {one.execution_count: one.execution for one in every if one.execution_count}
    seen = {view.execution: view for view in views}
    return {
        record.execution: flow.execute(
            record.execution,
            scan_cell(record.source),
            failed=record.status != "ok",
            view=seen.get(record.execution),
        )
        for record in every
    }
