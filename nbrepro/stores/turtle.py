"""Read our own Turtle files: the shapes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyoxigraph as ox

from nbrepro.errors import DocumentError


class Literal(NamedTuple):
    """A literal: its text and the IRI of its datatype."""

    text: str
    datatype: str


class Name(str):
    """An IRI, or a blank node as `_:...`."""

    __slots__ = ()


Triple = tuple[Name, Name, Name | Literal]


def read_turtle(path: Path) -> Iterator[Triple]:
    """Yield the triples of a Turtle file. Raises DocumentError where it is none."""
    try:
        for quad in ox.parse(path=path, format=ox.RdfFormat.TURTLE):
            yield _name(quad.subject), _name(quad.predicate), _term(quad.object)
    except (OSError, SyntaxError) as error:
        raise DocumentError(f"{path}: is no readable Turtle ({error})") from None


def _term(term: object) -> Name | Literal:
    if isinstance(term, ox.Literal):
        return Literal(term.value, term.datatype.value)
    return _name(term)


def _name(term: object) -> Name:
    return Name(term.value if isinstance(term, ox.NamedNode) else str(term))
