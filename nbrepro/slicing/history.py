"""What is known of a run's executions: the code that ran, the kernel's views, what was shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nbformat import NotebookNode

from nbrepro.notebook import parse_notebook, read_bytes
from nbrepro.rundir import (
    CELLS,
    EXECUTED,
    NOTEBOOK,
    CellRecord,
    Manifest,
    NamesView,
    RunDirectory,
)

if TYPE_CHECKING:
    from nbrepro.runs import Run

NO_VIEW = "the kernel's own view of its names was not recorded: only the code is known"
NO_EVIDENCE = "the run directory is not here: only what the graph knows of the code is used"


@dataclass(slots=True)
class History:
    """The executions of a run. `notebook` and `outputs` are of the executed copy, where it is here.

    `notes` say what is not known.
    """

    records: Sequence[CellRecord]
    views: Sequence[NamesView] = ()
    manifest: Manifest | None = None
    notebook: NotebookNode | None = None
    executed: NotebookNode | None = None
    sizes: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def record(self, execution: int) -> CellRecord:
        """Give one execution."""
        return next(record for record in self.records if record.execution == execution)

    def outputs(self, record: CellRecord) -> list[NotebookNode] | None:
        """Give what an execution showed; None where a later one of its cell replaced that."""
        last = [one.execution for one in self.records if one.position == record.position][-1]
        if self.executed is None or last != record.execution:
            return None
        cells = [cell for cell in self.executed.cells if cell.cell_type == "code"]
        for cell in cells:
            if cell.get("id") == record.cell_id:
                return list(cell.outputs)
        index = record.position - 1
        return list(cells[index].outputs) if 0 <= index < len(cells) else None


def read_history(run: Run) -> History:
    """Read a run's evidence, or what the graph knows where its directory is not here."""
    project = run.provenance.project
    path = project.runs / run.id if project else None
    if path is None or not (path / CELLS).is_file():
        return History(_from_graph(run), notes=[NO_EVIDENCE])
    directory = RunDirectory(path)
    views = list(directory.read_views())
    return History(
        directory.read_cells(),
        views,
        directory.read_manifest(),
        _read(path / NOTEBOOK),
        _read(path / EXECUTED),
        {one.sha256: one.size for one in directory.read_sightings() if one.sha256},
        [] if views else [NO_VIEW],
    )


def _read(path: Path) -> NotebookNode | None:
    return parse_notebook(read_bytes(path), path).node if path.is_file() else None


def _from_graph(run: Run) -> list[CellRecord]:
    return [
        CellRecord(row.execution, row.cell, row.cell_id or "", row.execution_count,
                   row.source or "", row.status, 0, 0, row.error or "")
        for row in run.cells()
    ]  # fmt: skip


def to_json(node: NotebookNode) -> str:
    """Give a notebook as Jupyter saves it."""
    return json.dumps(node, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
