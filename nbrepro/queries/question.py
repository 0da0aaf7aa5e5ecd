"""What a question is: what it takes, what it gives, and its text in each dialect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nbrepro.errors import QueryError, UsageError
from nbrepro.model import Value
from nbrepro.sparql_text import read_binding_sites, tokens

_TYPES = {
    "run": "run", "other": "run", "file": "path",
    "cell": "integer", "execution": "integer", "port": "integer", "pid": "integer",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a question asks for: `type` is `run`, `integer`, `path` or `text`."""

    name: str
    type: str
    required: bool

    @classmethod
    def parse(cls, text: str) -> Parameter:
        """Make a parameter from its name in a header, `cell?` for one that may be absent."""
        name = text.rstrip("?")
        return cls(name, _TYPES.get(name, "text"), not text.endswith("?"))


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

    @property
    def runs(self) -> tuple[str, ...]:
        """Give the parameters that name a run, the one that the question is about first."""
        names = (parameter.name for parameter in self.parameters if parameter.type == "run")
        return tuple(sorted(names, key="run".__ne__))

    def text(self, dialect: str) -> str:
        """Give the query in a dialect. Raises QueryError where nobody wrote it in that one."""
        text = self.texts.get(dialect)
        if text is None:
            written = " and ".join(sorted(self.texts))
            raise QueryError(
                f"{self.path}: the question {self.name} is written in {written} only and this "
                f"store is asked in {dialect}; write it in {dialect} beside, or ask another store"
            )
        return text

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
        """Give the query with each parameter's term, already written in the dialect, in place.

        Only SPARQL needs it: a Cypher query goes to its store as it is, with the values beside it.
        """
        text = self.text(dialect)
        if dialect != "sparql":
            return text
        for site in reversed(list(read_binding_sites(list(tokens(text))))):
            term = terms.get(site.name)
            start, end = (site.start, site.end) if term is None else (site.value, site.value_end)
            text = text[:start] + (term or "") + text[end:]
        return text


# Stores hold integers of 64 bits; a longer one is in none of them.
_MOST = 2**63


def _checked(parameter: Parameter, value: Value, question: str) -> Value:
    if parameter.type != "integer":
        return str(value)
    try:
        number = int(value)
    except (ValueError, OverflowError):
        raise UsageError(f"{question}: {parameter.name} is a whole number, not {value!r}") from None
    if not -_MOST <= number < _MOST:
        raise UsageError(f"{question}: {parameter.name} is too large a number; give a smaller one")
    return number
