"""Named questions: `queries/sparql/NAME.rq`, and a project's own in `.nbrepro/queries/`.

A file starts with its header and is, as it stands, a valid query:

    #+ summary: Which cells read a file
    #+ parameters: [run, file, cell?]
    #+ columns: [cell, path]
    SELECT ?cell ?path WHERE { VALUES ?file { UNDEF } ?version nbr:path ?file . ... }

`VALUES ?file { UNDEF }` is the place where a parameter is bound: the UNDEF becomes the value, as a
term that the store writes; where an optional parameter (`cell?`) is not given, the clause goes.
`run` needs no such place: the query's default graph is that of the run. Shared things are in
`GRAPH graph:shared`. A sub-SELECT is a scope of its own: a parameter that it uses and neither
projects nor binds would silently match everything, so such a file is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nbrepro.errors import NotFoundError, QueryError, UsageError
from nbrepro.model import Value
from nbrepro.resources import find_resources
from nbrepro.sparql_text import BindingSite, Select, Token, read_binding_sites, read_selects, tokens

SUFFIXES = {"sparql": ".rq"}
"""The dialects that questions are written in, with the suffix of their files."""

_NUMBERS = frozenset({"cell", "execution", "port", "pid"})
_HEADER = re.compile(r"#\+\s*(\w+)\s*:\s*(.*?)\s*$")
_LIST = re.compile(r"\[\s*(.*?)\s*\]$")
_NAME = re.compile(r"[a-z][a-z0-9_]*\??$")


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a question asks for: `type` is `run`, `integer`, `path` or `text`."""

    name: str
    type: str
    required: bool


@dataclass(frozen=True, slots=True)
class Question:
    """A named question: `texts` holds its query by dialect, `path` where it was read."""

    name: str
    summary: str
    parameters: tuple[Parameter, ...]
    columns: tuple[str, ...]
    texts: Mapping[str, str]
    path: Path

    @property
    def of_run(self) -> bool:
        """Say whether the question is about one run."""
        return any(parameter.name == "run" for parameter in self.parameters)

    def check_values(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """Check the values given for the parameters; numbers may come as text.

        Raises UsageError for one that is missing, unknown or of the wrong type.
        """
        known = {parameter.name: parameter for parameter in self.parameters}
        unknown = [name for name in values if name not in known]
        if unknown:
            takes = ", ".join(known) or "no parameters"
            raise UsageError(
                f"{self.name} does not know the parameter {unknown[0]!r}; it takes {takes}"
            )
        missing = [p.name for p in self.parameters if p.required and p.name not in values]
        if missing:
            raise UsageError(
                f"{self.name} needs the parameter {missing[0]!r}; give {missing[0]}=VALUE"
            )
        return {name: _checked(known[name], value, self.name) for name, value in values.items()}

    def bind(self, dialect: str, terms: Mapping[str, str]) -> str:
        """Give the query with each parameter's term, already written in the dialect, in place."""
        text = self.texts[dialect]
        for site in reversed(list(read_binding_sites(list(tokens(text))))):
            term = terms.get(site.name)
            start, end = (site.start, site.end) if term is None else (site.value, site.value_end)
            text = text[:start] + (term or "") + text[end:]
        return text


def _checked(parameter: Parameter, value: Value, question: str) -> Value:
    if parameter.type == "integer":
        try:
            return int(value)
        except ValueError:
            raise UsageError(
                f"{question}: {parameter.name} is a whole number, not {value!r}"
            ) from None
    return str(value)


def find_question(name: str, directories: Sequence[Path] = ()) -> Question:
    """Find a question by name, ours first, then in the directories. Raises NotFoundError."""
    if re.fullmatch(r"[\w.-]+", name):
        for path in _files(directories):
            if path.stem == name:
                return read_question(path)
    raise NotFoundError(f"no question is called {name!r}; `nbrepro query --list` shows them all")


def load_questions(directories: Sequence[Path] = ()) -> dict[str, Question]:
    """Load every question by name. Raises QueryError with file and line for the first bad file."""
    questions: dict[str, Question] = {}
    for path in _files(directories):
        if path.stem in questions:
            raise QueryError(
                f"{path}: {questions[path.stem].path} has this name already; choose another"
            )
        questions[path.stem] = read_question(path)
    return questions


def _files(directories: Sequence[Path]) -> Iterator[Path]:
    ours = find_resources("queries") / "sparql"
    for directory in (ours, *directories):
        yield from sorted(directory.glob("*.rq"))


def read_question(path: Path) -> Question:
    """Read and check one query file. Raises QueryError with file and line."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise QueryError(f"{path}: cannot be read ({error})") from None
    return parse_question(text, path)


def parse_question(text: str, path: Path) -> Question:
    """Make a question from the text of its file. Raises QueryError with file and line."""
    header = _parse_header(text, path)
    summary = header.get("summary", (0, ""))[1]
    if not summary:
        raise QueryError(f"{path}:1: no '#+ summary:' line; say in one line what is asked")
    parameters = tuple(
        Parameter(name.rstrip("?"), _type(name.rstrip("?")), not name.endswith("?"))
        for name in _parse_list(header, "parameters", path)
    )
    columns = tuple(_parse_list(header, "columns", path))
    _check_query(text, path, parameters, columns)
    return Question(path.stem, summary, parameters, columns, {"sparql": text}, path)


def _type(name: str) -> str:
    if name in ("run", "file"):
        return {"run": "run", "file": "path"}[name]
    return "integer" if name in _NUMBERS else "text"


def _parse_header(text: str, path: Path) -> dict[str, tuple[int, str]]:
    header: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith("#+"):
            continue
        match = _HEADER.match(line)
        if not match or match[1] not in ("summary", "parameters", "columns"):
            raise QueryError(
                f"{path}:{number}: a header line is '#+ summary: ...', '#+ parameters: [...]' or "
                "'#+ columns: [...]'"
            )
        if match[1] in header:
            raise QueryError(f"{path}:{number}: a second '#+ {match[1]}:' line; keep one")
        header[match[1]] = number, match[2]
    return header


def _parse_list(header: dict[str, tuple[int, str]], key: str, path: Path) -> list[str]:
    number, text = header.get(key, (1, ""))
    match = _LIST.match(text)
    names = [name.strip() for name in match[1].split(",")] if match and match[1] else []
    if not match or not all(_NAME.match(name) for name in names):
        raise QueryError(f"{path}:{number}: write '#+ {key}: [one, two]', in lower case")
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise QueryError(f"{path}:{number}: {sorted(repeated)[0]!r} stands twice in {key}")
    return names


def _check_query(
    text: str, path: Path, parameters: Sequence[Parameter], columns: Sequence[str]
) -> None:
    words = list(tokens(text))
    selects = read_selects(words)
    if not selects or not _is_select(words):
        raise QueryError(f"{path}:1: not a SELECT query; named questions are")
    if selects[0].projected != tuple(columns):
        found = ", ".join(selects[0].projected)
        raise QueryError(
            f"{path}:{_line(text, selects[0].start)}: SELECT gives [{found}], the header's columns "
            f"are [{', '.join(columns)}]; make them equal"
        )
    sites = list(read_binding_sites(words))
    _check_sites(text, path, parameters, sites)
    for select in selects[1:]:
        _check_scope(text, path, parameters, select, sites)


def _is_select(words: Sequence[Token]) -> bool:
    forms = ("SELECT", "ASK", "CONSTRUCT", "DESCRIBE")
    return next((w.text.upper() for w in words if w.text.upper() in forms), "") == "SELECT"


def _check_sites(
    text: str, path: Path, parameters: Sequence[Parameter], sites: Sequence[BindingSite]
) -> None:
    declared = {parameter.name for parameter in parameters}
    for site in sites:
        if site.name not in declared:
            raise QueryError(
                f"{path}:{_line(text, site.start)}: ?{site.name} is bound here but the header does "
                "not declare it; add it to parameters"
            )
    unused = declared - {site.name for site in sites} - {"run"}
    if unused:
        name = min(unused)
        raise QueryError(
            f"{path}:1: the parameter {name!r} is not used; write VALUES ?{name} {{ UNDEF }} where "
            "it is to be bound"
        )


def _check_scope(
    text: str,
    path: Path,
    parameters: Sequence[Parameter],
    select: Select,
    sites: Sequence[BindingSite],
) -> None:
    bound = {site.name for site in sites if select.start <= site.start < select.end}
    for parameter in parameters:
        name = parameter.name
        if name in select.used and name not in select.projected and name not in bound:
            raise QueryError(
                f"{path}:{_line(text, select.start)}: this sub-SELECT uses ?{name} but neither "
                f"projects nor binds it, so it would match everything; write VALUES ?{name} "
                "{ UNDEF } inside"
            )


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
