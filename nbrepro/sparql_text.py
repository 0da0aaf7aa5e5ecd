"""Read as much of a SPARQL query's text as checking and binding it needs: tokens, not grammar."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<iri><[^<>"{}|^`\\\x00-\x20]*>)
      | (?P<comment>\#[^\n]*)
      | (?P<string>\"\"\"(?:\"{0,2}(?:[^"\\]|\\.))*\"\"\"|'''(?:'{0,2}(?:[^'\\]|\\.))*'''
          |"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<variable>[?$]\w+)
      | (?P<word>[\w-]*:(?:[\w.:%~-]|\\.)*|\w[\w-]*)
      | (?P<mark>.)""",
    re.VERBOSE | re.DOTALL,
)

READING = frozenset({"SELECT", "ASK", "CONSTRUCT", "DESCRIBE"})
WRITING = frozenset(
    {"INSERT", "DELETE", "LOAD", "CLEAR", "DROP", "CREATE", "ADD", "MOVE", "COPY", "WITH"}
)


class Token(NamedTuple):
    """A token with its kind and place; a variable's text is without its `?` or `$`."""

    kind: str
    text: str
    start: int
    end: int


class BindingSite(NamedTuple):
    """`VALUES ?name { UNDEF }`: the places of the clause and of the UNDEF in it."""

    name: str
    start: int
    end: int
    value: int
    value_end: int


@dataclass(frozen=True, slots=True)
class Select:
    """A SELECT with what it projects, and the variables used inside its braces."""

    start: int
    end: int
    projected: tuple[str, ...]
    used: frozenset[str]


def tokens(text: str) -> Iterator[Token]:
    """Yield the tokens of a query, without space and comments."""
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "mark"
        if kind == "variable":
            yield Token(kind, match.group()[1:], match.start(), match.end())
        elif kind not in ("space", "comment"):
            yield Token(kind, match.group(), match.start(), match.end())


def read_form(words: Sequence[Token]) -> str:
    """Give the keyword that says what a query does, in capitals, or an empty text."""
    for word in words:
        if word.kind == "word" and word.text.upper() in READING | WRITING:
            return word.text.upper()
    return ""


def read_binding_sites(words: Sequence[Token]) -> Iterator[BindingSite]:
    """Yield each `VALUES ?name { UNDEF }` of a query, in order."""
    for i in range(len(words) - 4):
        values, name, opening, undefined, closing = words[i : i + 5]
        if (values.text.upper(), name.kind, opening.text, undefined.text.upper(), closing.text) == (
            "VALUES", "variable", "{", "UNDEF", "}",
        ):  # fmt: skip
            yield BindingSite(name.text, values.start, closing.end, undefined.start, undefined.end)


def read_selects(words: Sequence[Token]) -> list[Select]:
    """Give every SELECT of a query, the outermost first."""
    return [
        _select(words, i)
        for i, word in enumerate(words)
        if word.kind == "word" and word.text.upper() == "SELECT"
    ]


def _select(words: Sequence[Token], at: int) -> Select:
    body = at + 1
    while body < len(words) and words[body].text != "{":
        body += 1
    end = _group_end(words, body)
    used = frozenset(word.text for word in words[body:end] if word.kind == "variable")
    last = words[min(end, len(words)) - 1].end
    return Select(words[at].start, last, tuple(_projected(words[at + 1 : body])), used)


def _group_end(words: Sequence[Token], opening: int) -> int:
    depth = 0
    for i in range(opening, len(words)):
        depth += {"{": 1, "}": -1}.get(words[i].text, 0)
        if depth == 0:
            return i + 1
    return len(words)


def _projected(words: Sequence[Token]) -> Iterator[str]:
    depth = 0
    for before, word in zip((None, *words), words, strict=False):
        depth += {"(": 1, ")": -1}.get(word.text, 0)
        renamed = depth == 1 and before is not None and before.text.upper() == "AS"
        if word.text == "*" and depth == 0:
            yield "*"
        elif word.kind == "variable" and (depth == 0 or renamed):
            yield word.text
