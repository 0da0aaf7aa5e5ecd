"""From what people ask of a run to its dependency sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from nbrepro.dependencies.assembling import Dependencies
from nbrepro.dependencies.facts import Execution, Facts
from nbrepro.dependencies.scopes import choose_scope
from nbrepro.dependencies.sets import DependencySet
from nbrepro.model import Table
from nbrepro.rundir import CellRecord
from nbrepro.variables import find_needs


def ask_dependencies(
    ask: Callable[..., Table],
    host: str | None,
    notebook: str,
    *,
    closure: bool = False,
    **scope: str | int | None,
) -> DependencySet:
    """Give the set of one scope of a run, whose named questions `ask` answers.

    `host` is the kernel's, `notebook` the path of the notebook. `scope` is one of `cell` (its
    number), `task`, `function`, `worker`, `host`; without any it is the whole run.
    """
    facts = Facts(ask, host, notebook)
    chosen = choose_scope(facts, **scope)  # type: ignore[arg-type]
    if not closure:
        return Dependencies(facts, {}).direct(chosen)
    return Dependencies(facts, find_needs(_records(facts.executions.values()))).closure(chosen)


def _records(executions: Iterable[Execution]) -> list[CellRecord]:
    """Give executions as the cell log has them; of those that were not kept nothing is told."""
    return [
        CellRecord(
            e.execution, e.cell, e.cell_id or "", None, e.source or "", e.status or "ok", 0, 0
        )
        for e in executions
    ]
