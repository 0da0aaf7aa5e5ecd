"""From what people ask of a run to its dependency sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from nbrepro.dependencies.assembling import Dependencies
from nbrepro.dependencies.facts import Execution, Facts
from nbrepro.dependencies.scopes import choose_scope
from nbrepro.dependencies.sets import DependencySet
from nbrepro.model import Table
from nbrepro.rundir import CellRecord, NamesView
from nbrepro.variables import find_needs


def ask_dependencies(
    ask: Callable[..., Table],
    kernel_host: str | None,
    notebook: str,
    *,
    closure: bool = False,
    views: Callable[[], Iterable[NamesView]] = tuple,
    **scope: str | int | None,
) -> DependencySet:
    """Give the set of one scope of a run, whose named questions `ask` answers.

    `notebook` is its path; `views` reads what the kernel's names were at the ends of executions,
    where that was recorded and is at hand. `scope` is one of `cell` (its number), `task`,
    `function`, `worker`, `host`; without any it is the whole run.
    """
    facts = Facts(ask, kernel_host, notebook)
    chosen = choose_scope(facts, **scope)  # type: ignore[arg-type]
    if not closure:
        return Dependencies(facts, {}).direct(chosen)
    needs = find_needs(_records(facts.executions.values()), views())
    return Dependencies(facts, needs).closure(chosen)


def _records(executions: Iterable[Execution]) -> list[CellRecord]:
    """Give executions as the cell log has them; of those that were not kept nothing is told."""
    return [
        CellRecord(
            e.execution, e.cell, e.cell_id or "", None, e.source or "", e.status or "ok", 0, 0
        )
        for e in executions
    ]
