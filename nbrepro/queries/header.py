"""Read the header of a query file: its summary, parameters and columns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from nbrepro.errors import QueryError
from nbrepro.queries.question import Parameter

_MARKS = {"sparql": "#+", "cypher": "//+"}
_LINE = re.compile(r"\s*(\w+)\s*:\s*(.*?)\s*$")
_LIST = re.compile(r"\[\s*(.*?)\s*\]$")
_NAME = re.compile(r"[a-z][a-z0-9_]*\??$")
_KEYS = ("summary", "parameters", "columns")


@dataclass(frozen=True, slots=True)
class Header:
    """What a query file declares of itself."""

    summary: str
    parameters: tuple[Parameter, ...]
    columns: tuple[str, ...]


def parse_header(text: str, path: Path, dialect: str) -> Header:
    """Read the header of a query's text. Raises QueryError with file and line."""
    mark = _MARKS[dialect]
    lines = _lines(text, path, mark)
    summary = lines.get("summary", (0, ""))[1]
    if not summary:
        raise QueryError(f"{path}:1: no '{mark} summary:' line; say in one line what is asked")
    parameters = map(Parameter.parse, _names(lines, "parameters", path, mark))
    return Header(summary, tuple(parameters), tuple(_names(lines, "columns", path, mark)))


def line_at(text: str, position: int) -> int:
    """Give the number of the line that a position is in, from 1."""
    return text.count("\n", 0, position) + 1


def _lines(text: str, path: Path, mark: str) -> dict[str, tuple[int, str]]:
    found: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith(mark):
            continue
        match = _LINE.match(line[len(mark) :])
        if not match or match[1] not in _KEYS:
            raise QueryError(
                f"{path}:{number}: a header line is '{mark} summary: ...', "
                f"'{mark} parameters: [...]' or '{mark} columns: [...]'"
            )
        if match[1] in found:
            raise QueryError(f"{path}:{number}: a second '{mark} {match[1]}:' line; keep one")
        found[match[1]] = number, match[2]
    return found


def _names(lines: dict[str, tuple[int, str]], key: str, path: Path, mark: str) -> list[str]:
    number, text = lines.get(key, (1, ""))
    match = _LIST.match(text)
    names = [name.strip() for name in match[1].split(",")] if match and match[1] else []
    if not match or not all(_NAME.match(name) for name in names):
        raise QueryError(f"{path}:{number}: write '{mark} {key}: [one, two]', in lower case")
    plain = [name.rstrip("?") for name in names]
    repeated = sorted({name for name in plain if plain.count(name) > 1})
    if repeated:
        raise QueryError(f"{path}:{number}: {repeated[0]!r} stands twice in {key}")
    return names
