"""Check that a Cypher query does what its header says: tokens, not grammar."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from nbrepro.errors import QueryError
from nbrepro.queries.header import Header, line_at

_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<comment>//[^\n]*|/\*.*?\*/)
      | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<parameter>\$\w+|\$`[^`]*`)
      | (?P<name>`(?:[^`]|``)*`)
      | (?P<word>\w+)
      | (?P<mark>.)""",
    re.VERBOSE | re.DOTALL,
)
_OPENING, _CLOSING = "([{", ")]}"
_AFTER_COLUMNS = frozenset({"ORDER", "SKIP", "LIMIT", "UNION"})
_WRITING = frozenset({"CREATE", "MERGE", "DELETE", "DETACH", "SET", "REMOVE", "DROP", "FOREACH"})


class CypherToken(NamedTuple):
    """A token with its kind, its place, and how many brackets it stands in."""

    kind: str
    text: str
    start: int
    depth: int

    @property
    def word(self) -> str:
        """Give a bare word in capitals, else an empty text."""
        return self.text.upper() if self.kind == "word" else ""


def cypher_tokens(text: str) -> Iterator[CypherToken]:
    """Yield the tokens of a query, without space and comments."""
    depth = 0
    for match in _TOKEN.finditer(text):
        kind, found = match.lastgroup or "mark", match.group()
        if kind in ("space", "comment"):
            continue
        depth -= kind == "mark" and found in _CLOSING
        yield CypherToken(kind, found, match.start(), depth)
        depth += kind == "mark" and found in _OPENING


def check_cypher(text: str, path: Path, header: Header) -> None:
    """Check that a query reads, its columns and parameters. Raises QueryError with file."""
    words = list(cypher_tokens(text))
    for before, token in zip((None, *words), words, strict=False):
        # `n.set` and `:Remove` are names.
        if token.word in _WRITING and (before is None or before.text not in ".:"):
            line = line_at(text, token.start)
            raise QueryError(f"{path}:{line}: {token.word} writes; named questions only read")
    columns = read_columns(words)
    if columns != header.columns:
        raise QueryError(
            f"{path}:1: RETURN gives [{', '.join(columns)}], the header's columns are "
            f"[{', '.join(header.columns)}]; make them equal"
        )
    _check_parameters(words, path, header)


def read_columns(words: Sequence[CypherToken]) -> tuple[str, ...]:
    """Give the names of the columns that the last RETURN outside brackets gives."""
    starts = [i for i, token in enumerate(words) if token.word == "RETURN" and token.depth == 0]
    if not starts:
        return ()
    columns: list[str] = []
    last = ""
    for token in words[starts[-1] + 1 :]:
        if token.depth == 0 and token.word in _AFTER_COLUMNS:
            break
        if token.depth == 0 and token.text in (",", ";"):
            columns.append(last)
            last = ""
        elif token.word != "DISTINCT":
            last = token.text.strip("`")
    return tuple(filter(None, [*columns, last]))


def _check_parameters(words: Sequence[CypherToken], path: Path, header: Header) -> None:
    declared = {parameter.name for parameter in header.parameters}
    used = {token.text[1:].strip("`") for token in words if token.kind == "parameter"}
    if used - declared:
        name = min(used - declared)
        raise QueryError(f"{path}:1: ${name} is used but the header does not declare it")
    if declared - used:
        name = min(declared - used)
        raise QueryError(f"{path}:1: the parameter {name!r} is not used; write ${name} in it")
