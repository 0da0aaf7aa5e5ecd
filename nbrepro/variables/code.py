"""A cell's source as operations: IPython's own syntax is resolved as IPython does it."""

from __future__ import annotations

import ast
import functools
from typing import Any

from nbrepro.variables.magics import Magics
from nbrepro.variables.operations import Operation, Scanned, Unknown

_UNREADABLE = "its code cannot be parsed"


@functools.lru_cache(maxsize=1024)
def scan_cell(source: str) -> Scanned:
    """Read one cell. Code that cannot be parsed is an `Unknown` operation, with the reason."""
    try:
        tree = parse_cell(source)
    except (SyntaxError, ValueError, RecursionError) as error:
        reason = f"{_UNREADABLE} ({type(error).__name__})"
        return Scanned((Unknown(reason),), unread=reason)
    reader = Magics()
    try:
        reader.run(tree.body)
    except RecursionError:
        return Scanned((Unknown(_UNREADABLE),), unread=_UNREADABLE)
    operations: tuple[Operation, ...] = tuple(reader.operations)
    return Scanned(operations, shows=_shows(tree, source))


def parse_cell(source: str) -> ast.Module:
    """Parse a cell's source. Raises SyntaxError."""
    try:
        return ast.parse(source)
    except SyntaxError:
        code: str = _transformer().transform_cell(source)
        return ast.parse(code)


@functools.cache
def _transformer() -> Any:
    # IPython takes a while to load, and most cells are plain Python.
    from IPython.core.inputtransformer2 import TransformerManager

    make: Any = TransformerManager
    return make()


def _shows(tree: ast.Module, source: str) -> bool:
    last = tree.body[-1] if tree.body else None
    return isinstance(last, ast.Expr) and not source.rstrip().endswith(";")
