"""Draw the answer to a question as a graph: cell executions, files, and what went between.

The language is Graphviz's DOT (https://graphviz.org/doc/info/lang.html); its program `dot` lays it
out as SVG.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

from nbrepro.errors import MachineError, QueryError
from nbrepro.formats import visible
from nbrepro.model import Cell, Table

DRAWN = frozenset({"execution", "mode", "path"})
"""The columns that an answer must have to be drawn."""

_LAYOUT_S = 120
_INTO_CELL = frozenset({"read", "execute", "connect", "used", "read-write"})
_OUT_OF_CELL = frozenset({"write", "read-write", "rename", "generated"})
_SHORT = 8


def to_dot(table: Table, title: str) -> str:
    """Write an answer as DOT. Raises QueryError where its rows are no edges."""
    if not set(table.columns) >= DRAWN:
        raise QueryError(
            f"{title}: its rows are no edges to draw; ask a question with the columns "
            f"{', '.join(sorted(DRAWN))}, such as lineage-of-file"
        )
    lines = dict.fromkeys(line for row in table.records() for line in _lines(row))
    body = "".join(f"  {line}\n" for line in lines)
    return f"digraph {quoted(title)} {{\n  rankdir=LR\n  node [fontname=sans]\n{body}}}\n"


def _lines(row: dict[str, Cell]) -> Iterator[str]:
    cell, file, mode = _activity(row), quoted(_file_key(row)), str(row["mode"])
    name = _activity_label(row)
    yield f"{cell} [shape=box, style=rounded, label={quoted(name)}]"
    yield f"{file} [shape=note, label={quoted(*_file_label(row))}]"
    if mode in _INTO_CELL:
        yield f"{file} -> {cell}"
    if mode in _OUT_OF_CELL:
        yield f"{cell} -> {file}"
    if mode not in _INTO_CELL | _OUT_OF_CELL:
        yield f"{cell} -> {file} [style=dashed, label={quoted(mode)}]"


def _activity(row: dict[str, Cell]) -> str:
    words = (f"{name}:{row[name]}" for name in ("execution", "task") if row.get(name) is not None)
    return quoted("activity " + (" ".join(words) or "kernel"))


def _activity_label(row: dict[str, Cell]) -> str:
    if row.get("task") is not None:
        return f"task {row['task']}"
    if row["execution"] is None:
        return "kernel"
    cell, execution = row.get("cell"), row["execution"]
    return f"cell {cell}" + ("" if cell == execution else f" (execution {execution})")


def _file_key(row: dict[str, Cell]) -> str:
    return f"file {row['path']} {row.get('sha256') or ''}"


def _file_label(row: dict[str, Cell]) -> list[str]:
    digest = row.get("sha256")
    return [str(row["path"]), *([str(digest)[:_SHORT]] if digest else [])]


def quoted(*lines: str) -> str:
    """Write lines as DOT's quoted string: only quotes and backslashes mean something in it."""
    escaped = (visible(line).replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return '"' + "\\n".join(escaped) + '"'


def to_svg(dot: str) -> str:
    """Lay a graph out as SVG with Graphviz. Raises MachineError where that is not installed."""
    program = shutil.which("dot")
    if not program:
        raise MachineError(
            "Graphviz's program `dot`, which draws SVG, is not installed; install graphviz, or "
            "print the graph with --dot and draw it elsewhere"
        )
    try:
        done = subprocess.run(
            [program, "-Tsvg"], input=dot, capture_output=True, encoding="utf-8",
            timeout=_LAYOUT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise MachineError(
            f"Graphviz needs more than {_LAYOUT_S} s for this graph; ask for less, or use --dot"
        ) from None
    if done.returncode:
        reason = done.stderr.strip().partition("\n")[0]
        raise MachineError(f"Graphviz could not draw the graph ({reason}); use --dot instead")
    return done.stdout
