"""Decodes the text between a call's parentheses: arguments, strings, annotated descriptors."""

from __future__ import annotations

import re

_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|<[^<>]*>|[^"<,\[{()}\]]+|.', re.DOTALL)
_STRING = re.compile(r'@?"((?:[^"\\]|\\.)*)"(\.\.\.)?', re.DOTALL)
_ANNOTATED = re.compile(r"(?:AT_FDCWD|-?\d+)<((?:[^<>]|<[^<>]*>)*)>(\(deleted\))?")
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|x[0-9a-fA-F]{1,2}|.)", re.DOTALL)
_LETTERS = {
    b"n": b"\n",
    b"t": b"\t",
    b"r": b"\r",
    b"v": b"\v",
    b"f": b"\f",
    b"a": b"\a",
    b"b": b"\b",
}


def split_arguments(text: str) -> list[str]:
    """Split at the commas that no string, bracket or annotation encloses.

    >>> split_arguments('AT_FDCWD</tmp>, "a, b", {flags=O_RDONLY, mode=0}, 24')
    ['AT_FDCWD</tmp>', '"a, b"', '{flags=O_RDONLY, mode=0}', '24']
    """
    depth = 0
    arguments: list[str] = []
    current: list[str] = []
    for piece in _PIECE.findall(text):
        if piece == "," and depth == 0:
            arguments.append("".join(current).strip())
            current = []
            continue
        if piece in ("(", "[", "{"):
            depth += 1
        elif piece in (")", "]", "}"):
            depth = max(0, depth - 1)
        current.append(piece)
    last = "".join(current).strip()
    if last or arguments:
        arguments.append(last)
    return arguments


def unquote(text: str) -> str:
    r"""Undo strace's C escapes; bytes that are not UTF-8 become surrogates.

    >>> unquote(r'caf\303\251 \74x\76')
    'café <x>'
    """
    if "\\" not in text:
        return text
    raw = text.encode("utf-8", "surrogateescape")
    return _ESCAPE.sub(_unescape, raw).decode("utf-8", "surrogateescape")


def _unescape(match: re.Match[bytes]) -> bytes:
    code: bytes = match[1]
    if code[0] in b"01234567":
        return bytes((int(code, 8) & 0xFF,))
    if len(code) > 1:
        return bytes((int(code[1:], 16),))
    return _LETTERS.get(code, code)


def parse_string(argument: str) -> tuple[str, bool] | None:
    """Give a quoted argument's text and whether strace cut it short; None if it is no string."""
    match = _STRING.fullmatch(argument)
    return (unquote(match[1]), match[2] is not None) if match else None


def parse_descriptor(argument: str) -> tuple[str, bool] | None:
    """Give what `3</path>` or `AT_FDCWD</path>` refers to and whether that was deleted.

    None where the tracer did not say. What `-yy` adds within (`</dev/null<char 1:3>>`) is left out.
    """
    match = _ANNOTATED.fullmatch(argument)
    return (unquote(match[1].partition("<")[0]), match[2] is not None) if match else None
