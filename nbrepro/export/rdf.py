"""Write RDF: N-Quads, TriG and Turtle, in both forms of PROV-O, plain and qualified.

N-Quads and TriG have the run's graph, what runs share, and the note that makes the run known, each
in its named graph, as stores keep them; Turtle has them in one. N-Quads are sorted: equal graphs
give equal bytes.
"""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from functools import lru_cache
from itertools import groupby, islice
from typing import BinaryIO

from nbrepro.export.extract import Extract
from nbrepro.stores.rdf import RunWriter
from nbrepro.vocabulary import META_GRAPH, PREFIXES, RDF, SHARED_GRAPH

_SORTED_AT_ONCE = 100_000
_TOLD_EACH = 2000


def quads(extract: Extract) -> Iterator[str]:
    """Yield the N-Quads lines of an extract, some perhaps twice, and at last the run's note."""
    writer = RunWriter(str(extract.run.get("uuid", "")))
    whole = len(extract)
    for number, statement in enumerate(extract.statements(), 1):
        yield from writer.lines(statement)[1]
        if number % _TOLD_EACH == 0:
            extract.say("writing", number, whole)
    if extract.run:
        yield from writer.bundle(str(extract.run.get("run", "")), extract.noted)


def write_nquads(extract: Extract, out: BinaryIO) -> None:
    """Write the extract as sorted N-Quads."""
    for line in sorted_lines(quads(extract)):
        out.write(line)


def sorted_lines(lines: Iterable[str]) -> Iterator[bytes]:
    """Yield lines sorted and each once, with little in memory however many they are."""
    with ExitStack() as closing:
        runs, waiting = [], iter(lines)
        while batch := {line.encode() for line in islice(waiting, _SORTED_AT_ONCE)}:
            file = closing.enter_context(tempfile.TemporaryFile())
            file.writelines(sorted(batch))
            file.seek(0)
            runs.append(file)
        last = b""
        for line in heapq.merge(*runs):
            if line != last:
                yield line
            last = line


def write_turtle(extract: Extract, out: BinaryIO) -> None:
    """Write the extract as Turtle, without the run's note: there the run's IRI is an activity."""
    out.write(_declared().encode())
    for block in _blocks(_Triples(extract).of(own=True, shared=True), ""):
        out.write(block.encode())


def write_trig(extract: Extract, out: BinaryIO) -> None:
    """Write the extract as TriG."""
    triples = _Triples(extract)
    out.write(_declared().encode())
    for graph, found in (
        (f"<{triples.writer.base}>", triples.of(own=True)),
        (f"<{SHARED_GRAPH}>", triples.of(shared=True)),
        (f"<{META_GRAPH}>", triples.note()),
    ):
        out.write(f"GRAPH {graph} {{\n".encode())
        for block in _blocks(found, "  "):
            out.write(block.encode())
        out.write(b"}\n")


def _declared() -> str:
    return "".join(f"PREFIX {prefix}: <{space}>\n" for prefix, space in PREFIXES.items())


_Triple = tuple[str, str, str]


class _Triples:
    """The triples of an extract, each term as N-Quads has it."""

    def __init__(self, extract: Extract) -> None:
        self._extract = extract
        self.writer = RunWriter(str(extract.run.get("uuid", "")))

    def of(self, *, own: bool = False, shared: bool = False) -> Iterator[_Triple]:
        """Yield what is of the run itself, and what runs share."""
        whole = len(self._extract)
        for number, statement in enumerate(self._extract.statements(), 1):
            is_shared, lines = self.writer.lines(statement)
            if shared if is_shared else own:
                yield from map(_triple, lines)
            if number % _TOLD_EACH == 0:
                self._extract.say("writing", number, whole)

    def note(self) -> Iterator[_Triple]:
        """Yield the note that makes the run known."""
        if self._extract.run:
            run = str(self._extract.run.get("run", ""))
            yield from map(_triple, self.writer.bundle(run, self._extract.noted))


def _triple(line: str) -> _Triple:
    subject, predicate, rest = line.split(" ", 2)
    return subject, predicate, rest.rsplit(" ", 2)[0]


def _blocks(triples: Iterable[_Triple], indent: str) -> Iterator[str]:
    """Write the triples that follow each other of one subject as one block."""
    for subject, group in groupby(triples, key=lambda triple: triple[0]):
        pairs = f" ;\n{indent}  ".join(f"{_verb(p)} {_object(o)}" for _, p, o in group)
        yield f"{indent}{subject}\n{indent}  {pairs} .\n"


def _verb(predicate: str) -> str:
    return "a" if predicate == f"<{RDF}type>" else _short(predicate)


def _object(term: str) -> str:
    if term.startswith("<"):
        return _short(term)
    text, mark, datatype = term.rpartition('"^^')
    return f'{text}"^^{_short(datatype)}' if mark else term


@lru_cache(maxsize=4096)
def _short(term: str) -> str:
    """Write an IRI of our vocabulary with its prefix."""
    for prefix, space in PREFIXES.items():
        local = term[1 + len(space) : -1]
        if term.startswith(f"<{space}") and local.isalnum():
            return f"{prefix}:{local}"
    return term
