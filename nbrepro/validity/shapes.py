"""Check a run against schemas/shapes.ttl: the part of SHACL that the file uses, in linear time.

A construct that is not known here is refused when the shapes are read: a rule that nobody checks
must not look kept. SPARQL constraints are known one by one, by the digest of their text; each has
a twin here that says the same of statements.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from nbrepro.errors import DocumentError
from nbrepro.model import Statement
from nbrepro.resources import find_resources
from nbrepro.stores.turtle import Literal, Name, read_turtle
from nbrepro.validity.described import Described, Iri, Read, Values
from nbrepro.validity.findings import Finding
from nbrepro.validity.shape_constraints import COMPONENTS, Test
from nbrepro.validity.shape_queries import QUERIES
from nbrepro.vocabulary import RDF

SH = "http://www.w3.org/ns/shacl#"
_TARGETS = ("targetClass", "targetSubjectsOf")
_DESCRIPTIVE = ("message", "declare")


class Violation(NamedTuple):
    """What violates which part of which shape; `path` is empty for a node's own constraint."""

    shape: str
    focus: str
    path: str
    component: str
    why: str


@dataclass(slots=True)
class Shape:
    """A node shape, or a property shape with its path."""

    name: str
    path: str = ""
    inverse: bool = False
    message: str = ""
    tests: list[tuple[str, Test]] = field(default_factory=list)
    parts: list[Shape] = field(default_factory=list)
    nodes: list[Shape] = field(default_factory=list)
    alternatives: list[list[Shape]] = field(default_factory=list)
    forbidden: list[Shape] = field(default_factory=list)
    queries: list[tuple[str, str]] = field(default_factory=list)
    targets: list[tuple[str, str]] = field(default_factory=list)

    @property
    def nested(self) -> bool:
        """Tell whether other shapes must, or must not, hold of the values."""
        return bool(self.nodes or self.alternatives or self.forbidden)


def check_shapes(statements: Iterable[Statement], path: Path | None = None) -> Iterator[Finding]:
    """Yield what violates the shapes, by default ours. Raises DocumentError for a shapes file
    with a construct that is not known here."""
    for violation in violations(Described(statements), path):
        yield Finding(f"shape:{violation.shape}", 0, violation.focus, _said(violation))


def _said(violation: Violation) -> str:
    place = f"{_short(violation.path)}: " if violation.path else ""
    return place + violation.why


def violations(described: Described, path: Path | None = None) -> Iterator[Violation]:
    """Yield every violation, as SHACL counts results."""
    checker = _Checker(described)
    for shape in load_shapes(path or find_resources("schemas") / "shapes.ttl"):
        for kind, target in shape.targets:
            targeted = described.of_class if kind == "targetClass" else described.subjects_of
            yield from checker.check(shape, shape.name, targeted(target))
        for message, digest in shape.queries:
            for focus in QUERIES[digest](described):
                yield Violation(shape.name, focus, "", "SPARQLConstraintComponent", message)


def load_shapes(path: Path) -> list[Shape]:
    """Read the shapes that have targets. Raises DocumentError for what is not known here."""
    return _Shapes(path).targeted()


class _Checker:
    """Applies shapes to many nodes at once: each path is read once, each test runs over all."""

    def __init__(self, described: Described) -> None:
        self._described = described
        self._readers: dict[tuple[str, bool], Read] = {}

    def check(self, shape: Shape, name: str, focuses: Collection[str]) -> Iterator[Violation]:
        """Yield the violations of a shape by some nodes."""
        for focus, component, why in self._broken(shape, focuses):
            yield Violation(name, focus, shape.path, component, shape.message or why)
        for part in shape.parts:
            yield from self.check(part, name, focuses)

    def _broken(self, shape: Shape, focuses: Collection[str]) -> Iterator[tuple[str, str, str]]:
        if not (shape.tests or shape.nested):
            return
        read = self._read(shape) if shape.path else _itself
        pairs = [(focus, read(focus)) for focus in focuses]
        described = self._described
        for component, test in shape.tests:
            for focus, values in pairs:
                for why in test(described, focus, values):
                    yield focus, component, why
        if shape.nested:
            of_value = self._nested(shape, {str(v) for _, values in pairs for v in values})
            for focus, values in pairs:
                for value in values:
                    for component, why in of_value.get(str(value), ()):
                        yield focus, component, why

    def _nested(self, shape: Shape, values: Set[str]) -> dict[str, list[tuple[str, str]]]:
        """Say for each value which of the shapes within a shape it does not conform to."""
        found: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for node in shape.nodes:
            for value, why in self._against(node, values).items():
                found[value].append(("NodeConstraintComponent", why))
        for choices in shape.alternatives:
            left = set(values)
            for choice in choices:
                left &= self._against(choice, left).keys()
            for value in left:
                found[value].append(("OrConstraintComponent", "none of the alternatives holds"))
        for other in shape.forbidden:
            for value in values - self._against(other, values).keys():
                found[value].append(("NotConstraintComponent", "what must not hold does"))
        return found

    def _against(self, shape: Shape, values: Collection[str]) -> dict[str, str]:
        """Give the values that do not conform to a shape, and why."""
        reasons: dict[str, list[str]] = defaultdict(list)
        for violation in self.check(shape, shape.name, values):
            reasons[violation.focus].append(_said(violation))
        return {value: "; ".join(texts) for value, texts in reasons.items()}

    def _read(self, shape: Shape) -> Read:
        key = (shape.path, shape.inverse)
        if key not in self._readers:
            self._readers[key] = self._described.reader(*key)
        return self._readers[key]


def _itself(focus: str) -> Values:
    return (Iri(focus),)


class _Shapes:
    """Reads shapes from the triples of a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._about: dict[str, dict[str, list[Name | Literal]]] = defaultdict(
            lambda: defaultdict(list)
        )
        for subject, predicate, value in read_turtle(path):
            self._about[subject][predicate].append(value)
        self._done: dict[str, Shape] = {}

    def targeted(self) -> list[Shape]:
        """List the shapes that say themselves what they apply to."""
        wanted = [SH + target for target in _TARGETS]
        return [
            self._shape(name)
            for name in list(self._about)
            if any(target in self._about[name] for target in wanted)
        ]

    def _shape(self, name: str) -> Shape:
        if name not in self._done:
            shape = self._done[name] = Shape(name.rpartition("#")[2])
            about = self._about[name]
            self._take_path(shape, about.get(SH + "path", []))
            for message in about.get(SH + "message", []):
                shape.message = _text(message)
            for predicate, values in about.items():
                for value in values:
                    self._take(shape, predicate, value)
        return self._done[name]

    def _take_path(self, shape: Shape, values: list[Name | Literal]) -> None:
        for value in values:
            if not _text(value).startswith("_:"):
                shape.path = _text(value)
                continue
            ((predicate, inner),) = self._about[_text(value)].items()
            if predicate != SH + "inversePath":
                raise self._refusal(predicate)
            shape.path, shape.inverse = _text(inner[0]), True

    def _take(self, shape: Shape, predicate: str, value: Name | Literal) -> None:
        local = predicate.removeprefix(SH)
        if predicate == RDF + "type" or local in ("path", *_DESCRIPTIVE):
            return
        if local in _TARGETS:
            shape.targets.append((local, _text(value)))
        elif local == "property":
            shape.parts.append(self._shape(_text(value)))
        elif local == "node":
            shape.nodes.append(self._shape(_text(value)))
        elif local == "not":
            shape.forbidden.append(self._shape(_text(value)))
        elif local == "or":
            shape.alternatives.append([self._shape(_text(v)) for v in self._list(value)])
        elif local == "sparql":
            shape.queries.append(self._query(_text(value)))
        elif local in COMPONENTS:
            values = self._list(value) if local == "in" else [value]
            name = f"{local[0].upper()}{local[1:]}ConstraintComponent"
            shape.tests.append((name, COMPONENTS[local](shape.path, values)))
        else:
            raise self._refusal(predicate)

    def _query(self, name: str) -> tuple[str, str]:
        about = self._about[name]
        for predicate in about:
            if predicate.removeprefix(SH) not in ("message", "prefixes", "select"):
                raise self._refusal(predicate)
        text = " ".join(_text(about[SH + "select"][0]).split())
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        if digest not in QUERIES:
            raise self._refusal(f"the SPARQL constraint {digest} ({text[:60]}...)")
        return _text(about[SH + "message"][0]), digest

    def _list(self, head: Name | Literal) -> list[Name | Literal]:
        values = []
        while head != RDF + "nil":
            about = self._about[_text(head)]
            values.append(about[RDF + "first"][0])
            head = about[RDF + "rest"][0]
        return values

    def _refusal(self, construct: str) -> DocumentError:
        return DocumentError(
            f"{self._path}: {_short(construct)} is no part of SHACL that this checker knows; "
            "check with pyshacl, or teach nbrepro/validity"
        )


def _text(term: Name | Literal) -> str:
    return term.text if isinstance(term, Literal) else str(term)


def _short(iri: str) -> str:
    return iri.replace(SH, "sh:").rpartition("/")[2] if "#" in iri else iri
