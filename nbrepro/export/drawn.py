"""Draw an extract: its activities, the files that carry results, and what went between."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from nbrepro.errors import MachineError
from nbrepro.export.drawing import to_dot, to_svg
from nbrepro.export.extract import Extract
from nbrepro.lineage import LINEAGE_ROLES
from nbrepro.model import Cell, Node, Table

DRAWN_EDGES = 3000
"""More edges than this make no drawing that people could read; Graphviz would need minutes."""

_COLUMNS = ("execution", "cell", "task", "mode", "path", "sha256")
_MODES = {"used": "used", "wasGeneratedBy": "generated", "wasInvalidatedBy": "removed"}


def write_dot(extract: Extract, out: BinaryIO) -> None:
    """Write the extract in Graphviz's language."""
    out.write(to_dot(to_table(extract), str(extract.run.get("run", "run"))).encode())


def write_svg(extract: Extract, out: BinaryIO) -> None:
    """Write the extract as a drawing. Raises MachineError where it has too many edges, or where
    Graphviz is not installed."""
    table = to_table(extract)
    if len(table) > DRAWN_EDGES:
        raise MachineError(
            f"the drawing would have {len(table)} edges, more than the {DRAWN_EDGES} that are "
            "laid out; export a part (--cell, --lineage-of), or -f dot"
        )
    out.write(to_svg(to_dot(table, str(extract.run.get("run", "run")))).encode())


def to_table(extract: Extract) -> Table:
    """Give the accesses of an extract to the files that carry results, each once."""
    files = {
        node.uid: node
        for node in extract.nodes("Entity")
        if node.kind == "FileVersion" and node.properties.get("role") in LINEAGE_ROLES
    }
    activities = {node.uid: node for node in extract.nodes("Activity")}
    rows = dict.fromkeys(_rows(extract, activities, files))
    return Table(_COLUMNS, tuple(rows))


def _rows(
    extract: Extract, activities: dict[str, Node], files: dict[str, Node]
) -> Iterator[tuple[Cell, ...]]:
    for edge in extract.edges(*_MODES):
        used = edge.relation == "used"
        activity, file = (edge.source, edge.target) if used else (edge.target, edge.source)
        if activity not in activities or file not in files:
            continue
        of: Any = activities[activity].properties.get
        about: Any = files[file].properties.get
        yield (
            of("execution"), of("cell"), of("task"), _MODES[edge.relation], about("path"),
            about("sha256"),
        )  # fmt: skip
