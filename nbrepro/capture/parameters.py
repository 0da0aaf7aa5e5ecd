"""Parameters of a notebook as papermill has them: values from text, the cell that sets them."""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import nbformat
from nbformat import NotebookNode

from nbrepro.errors import UsageError
from nbrepro.notebook import INJECTED_TAG, PARAMETERS_TAG, read_tags

INJECTED_ID = "injected-parameters"
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None, "none": None}


def parse_parameters(texts: Iterable[str]) -> dict[str, Any]:
    """Turn `name=value` texts into values; the last of a name counts. Raises UsageError."""
    return dict(_parse_parameter(text) for text in texts)


def parse_value(text: str) -> Any:
    """Turn `3`, `0.5`, `true`, `null`, `[1, 2]`, `{"a": 1}` into a value; the rest is text.

    Text in quotes is the text between them, so that `"3"` stays text.
    """
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for parse in (int, float, _parse_json):
        try:
            return parse(text)
        except ValueError:
            continue
    return text


def _parse_parameter(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise UsageError(f"-p {text}: is not NAME=VALUE with a variable's name; write -p year=2020")
    return name, parse_value(value)


def _parse_json(text: str) -> Any:
    if text[:1] not in ("[", "{", '"', "'"):
        raise ValueError(text)
    if text.startswith("'"):
        return _parse_quoted(text)
    return json.loads(text)


def _parse_quoted(text: str) -> str:
    try:
        value = ast.literal_eval(text)
    except SyntaxError:
        raise ValueError(text) from None
    if not isinstance(value, str):
        raise ValueError(text)
    return value


def format_parameters(parameters: Mapping[str, Any]) -> str:
    """Write the Python source that sets the parameters. Raises UsageError for odd values."""
    lines = [f"{name} = {_literal(value, name)}" for name, value in parameters.items()]
    return "\n".join(["# Parameters", *lines])


def _literal(value: Any, name: str) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return f"float({str(value)!r})"
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value)
    if isinstance(value, Mapping):
        items = (f"{_literal(k, name)}: {_literal(v, name)}" for k, v in value.items())
        return "{" + ", ".join(items) + "}"
    if isinstance(value, list | tuple):
        inside = ", ".join(_literal(item, name) for item in value)
        return f"[{inside}]" if isinstance(value, list) else f"({inside},)"
    raise UsageError(
        f"parameter {name}: {type(value).__name__} cannot be written as source; "
        "give numbers, text, booleans, None, lists or dictionaries"
    )


def inject_parameters(node: NotebookNode, parameters: Mapping[str, Any]) -> int:
    """Insert the cell that sets the parameters into `node`, and give its index.

    It follows the first cell tagged `parameters`, or comes first. A cell that an earlier tool
    injected is blanked, so that it does not set them back.
    """
    for cell in node.cells:
        if cell.cell_type == "code" and INJECTED_TAG in read_tags(cell):
            cell.source = ""
    tagged = [i for i, c in enumerate(node.cells) if PARAMETERS_TAG in read_tags(c)]
    index = tagged[0] + 1 if tagged else 0
    cell = nbformat.v4.new_code_cell(
        format_parameters(parameters), metadata={"tags": [INJECTED_TAG]}, id=INJECTED_ID
    )
    if (node.nbformat, node.nbformat_minor) < (4, 5):
        del cell["id"]
    node.cells.insert(index, cell)
    return index
