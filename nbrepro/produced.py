"""What executions printed and showed, as digests: read from the executed notebook of a run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nbrepro.notebook import INJECTED_TAG, read_tags
from nbrepro.outputs import digest_outputs
from nbrepro.provenance.settings import relative_value
from nbrepro.rundir import EXECUTED, CellRecord, RunDirectory

_LIBRARY = re.compile(r"/lib/python3\.\d+t?/")
_SVG = "image/svg+xml"


def read_outputs(
    directory: RunDirectory, cells: Sequence[CellRecord], roots: Mapping[str, str]
) -> dict[int, str]:
    """Give the digest of the normalised outputs that each execution left, by execution.

    Paths below the run's `roots` are named by them: a warning tells where the package lies that
    warns, and on another machine that is another place. The notebook keeps the outputs of a cell's
    last execution only, and none of a run that was killed: an execution whose outputs are not known
    has no digest.
    """
    try:
        node = json.loads((directory.path / EXECUTED).read_text(encoding="utf-8"))
        left = dict(_code_cells(node))
        # What lies in the temporary directory has names by chance, which digests know by theirs.
        roots = {name: root for name, root in roots.items() if name != "temporary"}
        return {
            record.execution: digest_outputs(_placed(left[record.position]["outputs"], roots))
            for record in cells
            if record.execution_count is not None
            and left.get(record.position, {}).get("execution_count") == record.execution_count
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError, ImportError):
        return {}


def _placed(value: Any, roots: Mapping[str, str]) -> Any:
    """Name the roots in every text, however deep; pictures have none."""
    if isinstance(value, str):
        return _LIBRARY.sub("/lib/python3/", relative_value(value, roots))
    if isinstance(value, list):
        return [_placed(one, roots) for one in value]
    if isinstance(value, dict):
        return {
            name: inner if name.startswith("image/") and name != _SVG else _placed(inner, roots)
            for name, inner in value.items()
        }
    return value


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
