"""Write a slice as a notebook: its cells in the order in which they ran, with their reasons."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from nbformat import NotebookNode, v4

from nbrepro.rundir import CellRecord
from nbrepro.slicing.choosing import Slice
from nbrepro.slicing.history import History
from nbrepro.variables import Needed

_KEY = "nbrepro"
_HEADING = re.compile(r"^#{1,6} ")


def make_notebook(chosen: Slice, history: History) -> NotebookNode:
    """Make the notebook of a slice; its last code cell is the one asked for.

    The metadata `nbrepro` say where each cell comes from and why it is there, and list the inputs.
    The last cell has the outputs of the run, the others none. A markdown cell stays with the code
    cell that follows it, a heading with anything that stays below it.
    """
    cells: list[NotebookNode] = []
    texts = _texts(chosen, history)
    before = 0
    for record, needed in zip(chosen.records, chosen.kept, strict=True):
        if chosen.numbered:
            cells += [_placeholder(number) for number in range(before + 1, record.execution)]
        before = record.execution
        cells += texts.pop(record.position, [])
        cells.append(_code(record, needed))
    goal = history.outputs(chosen.goal)
    cells[-1].outputs = [NotebookNode(output) for output in goal or []]
    _make_ids_unique(cells)
    notebook: NotebookNode = v4.new_notebook(cells=cells, metadata=_metadata(chosen, history))
    return notebook


def _code(record: CellRecord, needed: Needed) -> NotebookNode:
    told = {
        "cell": record.position, "execution": record.execution, "certainty": needed.certainty,
        "reason": needed.reason, "names": list(needed.names), "needed_by": needed.needed_by,
    }  # fmt: skip
    metadata: dict[str, Any] = {_KEY: told}
    if record.status != "ok":
        metadata["tags"] = ["raises-exception"]
    cell: NotebookNode = v4.new_code_cell(record.source, id=_valid_id(record), metadata=metadata)
    return cell


def _placeholder(execution: int) -> NotebookNode:
    source = f"# execution {execution} of the run is not needed, but counted"
    cell: NotebookNode = v4.new_code_cell(source, id=f"counted-{execution}")
    return cell


def _valid_id(record: CellRecord) -> str:
    name = re.sub(r"[^a-zA-Z0-9_-]", "-", record.cell_id)[:48]
    return name or f"execution-{record.execution}"


def _make_ids_unique(cells: list[NotebookNode]) -> None:
    seen: set[str] = set()
    for cell in cells:
        name, count = cell["id"], 1
        while cell["id"] in seen:
            count += 1
            cell["id"] = f"{name}-{count}"
        seen.add(cell["id"])


def _texts(chosen: Slice, history: History) -> dict[int, list[NotebookNode]]:
    """Give the markdown cells to show above each code cell, by its position."""
    if history.notebook is None:
        return {}
    kept = {record.position for record in chosen.records}
    found: dict[int, list[NotebookNode]] = {}
    waiting: list[NotebookNode] = []
    for position, cell in _positions(history.notebook):
        if cell.cell_type == "markdown":
            waiting.append(cell)
        elif position in kept:
            found[position] = [v4.new_markdown_cell(c.source, id=c.get("id") or f"text-{n}")
                               for n, c in enumerate(waiting, 1)]  # fmt: skip
            waiting = []
        elif cell.cell_type == "code":
            # Its own text goes with it; headings may be of what follows too.
            waiting = [one for one in waiting if _HEADING.match(one.source)]
    return found


def _positions(notebook: NotebookNode) -> Iterator[tuple[int, NotebookNode]]:
    position = 0
    for cell in notebook.cells:
        position += cell.cell_type == "code"
        yield position if cell.cell_type == "code" else 0, cell


def _metadata(chosen: Slice, history: History) -> dict[str, Any]:
    source = history.notebook.metadata if history.notebook is not None else {}
    kept = {key: source[key] for key in ("kernelspec", "language_info") if key in source}
    goal = chosen.goal
    return kept | {
        _KEY: {
            "run": chosen.run, "notebook": chosen.notebook, "cell": goal.position,
            "execution": goal.execution,
            "inputs": [
                {"path": i.path, "role": i.role, "sha256": i.sha256 or None, "reason": i.reason}
                for i in chosen.inputs
            ],
            "directories": list(chosen.directories),
            "notes": list(chosen.notes),
        }
    }  # fmt: skip
