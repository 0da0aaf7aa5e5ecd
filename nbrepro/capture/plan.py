"""Which cells are executed, in which order, in the copy of the notebook that gets the outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nbformat import NotebookNode

from nbrepro.capture.parameters import INJECTED_ID, inject_parameters
from nbrepro.errors import UsageError
from nbrepro.model import CellId
from nbrepro.notebook import PARAMETERS_TAG, CodeCell, Notebook, read_tags

SKIPPED_TAG = "skip-execution"
"""Jupyter's own tag for cells that a headless run leaves out."""


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """An execution to come: `index` is the cell's place among all cells of the executed copy."""

    index: int
    position: int
    cell_id: CellId
    source: str

    @property
    def name(self) -> str:
        """Give what a person calls the cell."""
        return f"cell {self.position}" if self.position else "the injected parameters cell"


@dataclass(frozen=True, slots=True)
class Plan:
    """The copy to execute and what to execute of it."""

    node: NotebookNode
    cells: tuple[PlannedCell, ...]


def make_plan(
    notebook: Notebook, parameters: Mapping[str, Any], order: Sequence[int] | None = None
) -> Plan:
    """Plan a run. Raises UsageError for positions that do not exist and odd parameters."""
    check_order(notebook, order)
    node = notebook.to_node()
    injected = inject_parameters(node, parameters) if parameters else None
    cells = [_planned(cell, injected, node) for cell in _ordered(notebook, order)]
    if injected is not None:
        cells = _with_injected(cells, injected, node)
    kept = [cell for cell in cells if _runs(node.cells[cell.index])]
    return Plan(node, tuple(kept))


def check_order(notebook: Notebook, order: Sequence[int] | None) -> None:
    """Check that every position exists. Raises UsageError."""
    for position in order or ():
        if not 1 <= position <= len(notebook.cells):
            raise UsageError(
                f"{notebook.path}: has no code cell {position}; "
                f"it has {len(notebook.cells)}, counted from 1"
            )


def _ordered(notebook: Notebook, order: Sequence[int] | None) -> list[CodeCell]:
    if order is None:
        return list(notebook.cells)
    return [notebook.cells[position - 1] for position in order]


def _planned(cell: CodeCell, injected: int | None, node: NotebookNode) -> PlannedCell:
    index = cell.index if injected is None or cell.index < injected else cell.index + 1
    return PlannedCell(index, cell.position, cell.cell_id, node.cells[index].source)


def _with_injected(
    cells: list[PlannedCell], injected: int, node: NotebookNode
) -> list[PlannedCell]:
    """Put the injected cell after each execution of the tagged one, else first."""
    parameters = PlannedCell(injected, 0, CellId(INJECTED_ID), node.cells[injected].source)
    tagged = injected - 1
    if tagged < 0 or PARAMETERS_TAG not in read_tags(node.cells[tagged]):
        return [parameters, *cells]
    if all(cell.index != tagged for cell in cells):
        return [parameters, *cells]
    result: list[PlannedCell] = []
    for cell in cells:
        result.append(cell)
        if cell.index == tagged:
            result.append(parameters)
    return result


def _runs(cell: NotebookNode) -> bool:
    return bool(cell.source.strip()) and SKIPPED_TAG not in read_tags(cell)
