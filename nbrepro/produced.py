"""What executions printed and showed, as digests: read from the executed notebook of a run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from nbrepro.notebook import INJECTED_TAG, read_tags
from nbrepro.outputs import digest_outputs
from nbrepro.rundir import EXECUTED, CellRecord, RunDirectory


def read_outputs(directory: RunDirectory, cells: Sequence[CellRecord]) -> dict[int, str]:
    """Give the digest of the normalised outputs that each execution left, by execution.

    The notebook keeps the outputs of a cell's last execution only, and none of a run that was
    killed: an execution whose outputs are not known has no digest.
    """
    try:
        node = json.loads((directory.path / EXECUTED).read_text(encoding="utf-8"))
        left = dict(_code_cells(node))
        return {
            record.execution: digest_outputs(left[record.position]["outputs"])
            for record in cells
            if record.execution_count is not None
            and left.get(record.position, {}).get("execution_count") == record.execution_count
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError, ImportError):
        return {}


def _code_cells(node: dict[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the code cells by position; the cell that sets the parameters has position 0."""
    position = 0
    for cell in node["cells"]:
        if cell["cell_type"] != "code":
            continue
        if INJECTED_TAG in read_tags(cell) and "".join(cell["source"]).strip():
            yield 0, cell
        else:
            position += 1
            yield position, cell
