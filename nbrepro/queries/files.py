"""Find and read query files: ours, then those of a project."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from nbrepro.errors import NotFoundError, QueryError
from nbrepro.queries.cypher_check import check_cypher
from nbrepro.queries.header import parse_header
from nbrepro.queries.question import Question
from nbrepro.queries.sparql_check import check_sparql
from nbrepro.resources import find_resources

SUFFIXES = {"sparql": ".rq", "cypher": ".cypher"}
"""The dialects that questions are written in, with the suffix of their files."""

_DIALECTS = {suffix: dialect for dialect, suffix in SUFFIXES.items()}
_CHECKS = {"sparql": check_sparql, "cypher": check_cypher}


def find_question(name: str, directories: Sequence[Path] = ()) -> Question:
    """Find a question by name, ours first, then in the directories. Raises NotFoundError."""
    if re.fullmatch(r"[\w.-]+", name):
        for place in _places(directories):
            paths = [path for path in _files(place) if path.stem == name]
            if paths:
                return _joined(paths)
    raise NotFoundError(f"no question is called {name!r}; `nbrepro query --list` shows them all")


def load_questions(directories: Sequence[Path] = ()) -> dict[str, Question]:
    """Load every question by name. Raises QueryError with file and line for the first bad file."""
    questions: dict[str, Question] = {}
    for place in _places(directories):
        named: dict[str, list[Path]] = {}
        for path in _files(place):
            named.setdefault(path.stem, []).append(path)
        for name, paths in named.items():
            if name in questions:
                raise QueryError(
                    f"{paths[0]}: {questions[name].path} has this name already; choose another"
                )
            questions[name] = _joined(paths)
    return questions


def _places(directories: Sequence[Path]) -> Iterator[tuple[Path, ...]]:
    """Yield the places of questions; the dialects of one question are in one place."""
    ours = find_resources("queries")
    yield tuple(ours / dialect for dialect in SUFFIXES)
    for directory in directories:
        yield (directory,)


def _files(place: Sequence[Path]) -> Iterator[Path]:
    for suffix in _DIALECTS:
        for directory in place:
            yield from sorted(directory.glob(f"*{suffix}"))


def _joined(paths: Sequence[Path]) -> Question:
    first, *others = map(read_question, paths)
    for other in others:
        if (first.summary, first.parameters, first.columns) != (
            other.summary, other.parameters, other.columns,
        ):  # fmt: skip
            raise QueryError(
                f"{other.path}:1: its header is not that of {first.path}; make them equal"
            )
        first = replace(first, texts={**first.texts, **other.texts})
    return first


def read_question(path: Path) -> Question:
    """Read and check one query file. Raises QueryError with file and line."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise QueryError(f"{path}: cannot be read ({error})") from None
    return parse_question(text, path)


def parse_question(text: str, path: Path) -> Question:
    """Make a question from the text of its file, whose suffix names the dialect.

    Raises QueryError with file and line.
    """
    dialect = _DIALECTS.get(path.suffix, "sparql")
    header = parse_header(text, path, dialect)
    _CHECKS[dialect](text, path, header)
    return Question(
        path.stem, header.summary, header.parameters, header.columns, {dialect: text}, path
    )
