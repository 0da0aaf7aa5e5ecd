"""Answers as text: JSON and CSV for programs, and how a cell of a table looks to people.

JSON is ASCII, so that bytes of a path which are not UTF-8 survive as lone surrogates (`"\\udcff"`,
as Python's json reads them back). CSV is UTF-8 with such bytes as they are on disk, and quotes
newlines. Text for people escapes everything that could move a cursor or hide.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

_NAMED = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
_KIB = 1024


def to_json_lines(records: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Write records as one JSON array, one object a line."""
    opener = "["
    for record in records:
        yield opener + "\n " + json.dumps(record)
        opener = ","
    yield "[]\n" if opener == "[" else "\n]\n"


def to_json_nested(value: Any) -> Iterator[str]:
    """Write a nested value as JSON in pieces, however deep it is (json.dumps has a limit)."""
    stack: list[tuple[bool, Any]] = [(False, value)]
    while stack:
        written, item = stack.pop()
        if written:
            yield item
        elif isinstance(item, dict):
            _push(stack, "{", [(json.dumps(key) + ": ", inner) for key, inner in item.items()], "}")
        elif isinstance(item, list):
            _push(stack, "[", [("", inner) for inner in item], "]")
        else:
            yield json.dumps(item)


def _push(
    stack: list[tuple[bool, Any]], opener: str, items: Sequence[tuple[str, Any]], closer: str
) -> None:
    pieces: list[tuple[bool, Any]] = [(True, opener)]
    for index, (key, inner) in enumerate(items):
        pieces += [(True, (", " if index else "") + key), (False, inner)]
    stack.extend(reversed([*pieces, (True, closer)]))


def write_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]], out: BinaryIO) -> None:
    """Write a header and rows as CSV with newlines as line ends; None is an empty field."""
    writer = csv.writer(_Lines(out))
    writer.writerow(columns)
    writer.writerows(rows)


class _Lines:
    """Ends lines with a newline; csv itself must believe in CR LF to quote both."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def write(self, line: str) -> None:
        text = line.removesuffix("\r\n") + "\n"
        self._out.write(text.encode("utf-8", "surrogateescape"))


def visible(value: Any) -> str:
    """Give text on one line in which control characters and odd bytes are escaped."""
    if value is None:
        return ""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(_visible_character(character) for character in text)


def _visible_character(character: str) -> str:
    if character.isprintable():
        return character
    if character in _NAMED:
        return _NAMED[character]
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return (
        f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
    )


def shorten(path: str, root: str | None) -> str:
    """Give a path relative to `root` where it lies below it, in visible characters."""
    if root and path.startswith(root.rstrip("/") + "/"):
        path = os.path.relpath(path, root)
    return visible(path)


def to_size(size: int | None) -> str:
    """Give bytes as people read them: `17`, `1.2 kB`-like in powers of 1024."""
    if size is None:
        return ""
    amount = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < _KIB:
            return f"{size} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= _KIB
    return f"{amount:.1f} TiB"


def to_duration(seconds: float | None) -> str:
    """Give seconds as people read them: `12 ms`, `3.4 s`, `2 min 05 s`, `1 h 02 min`."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def to_moment(started: str | None) -> str:
    """Give an RFC 3339 time to the second, in UTC as it was written."""
    return "" if not started else started[:19].replace("T", " ") + "Z"


def to_first_line(source: str | None, width: int = 60) -> str:
    """Give the first line of code that is not empty, cut at `width` characters."""
    lines = [line for line in (source or "").splitlines() if line.strip()]
    first = visible(lines[0]) if lines else ""
    return first if len(first) <= width else first[: width - 1] + "…"
