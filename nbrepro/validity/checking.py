"""Check a PROV document, or the graph of a run."""

from __future__ import annotations

import dataclasses
import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from nbrepro.model import Statement
from nbrepro.validity.facts import Facts
from nbrepro.validity.findings import Finding, Report
from nbrepro.validity.impossibility import Typing, missing
from nbrepro.validity.ordering import Ordering
from nbrepro.validity.provjson import Document, read_document
from nbrepro.validity.records import Record
from nbrepro.validity.unification import Unifier

Tell = Callable[[str], None]


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep Python from looking for cyclic garbage: a check makes none, and a third of its time
    would go into looking through millions of values again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def check_document(path: Path, tell: Tell | None = None) -> Report:
    """Check a PROV-JSON file against PROV-CONSTRAINTS; `tell` hears what is being done.

    Each bundle is judged by itself, as the Recommendation has it (section 7.2). Raises
    DocumentError for a file that is no PROV-JSON.
    """
    _tell(tell, f"reading {path}")
    with uncollected():
        return check_parsed(read_document(path), str(path), tell)


def check_parsed(document: Document, subject: str, tell: Tell | None = None) -> Report:
    """Check a document that was read."""
    report = Report(subject, len(document), unread=document.unread)
    for bundle, records in document.bundles.items():
        for finding in check_records(records, tell):
            report.findings.append(dataclasses.replace(finding, bundle=bundle))
    return report


def check_records(records: Sequence[Record], tell: Tell | None = None) -> Iterator[Finding]:
    """Yield what in one instance contradicts PROV-CONSTRAINTS."""
    yield from missing(records)
    _tell(tell, "applying the key and uniqueness constraints")
    facts = Facts(records)
    yield from Unifier(facts).findings()
    _tell(tell, "typing")
    yield from Typing(facts).findings()
    _tell(tell, "ordering the events")
    yield from Ordering(facts).findings()


def check_statements(
    statements: Iterable[Statement], subject: str, tell: Tell | None = None
) -> Report:
    """Check the graph of a run: PROV-CONSTRAINTS, the shapes, and our own rules."""
    from nbrepro.validity import statements as described
    from nbrepro.validity.rules import check_rules
    from nbrepro.validity.shapes import check_shapes

    with uncollected():
        _tell(tell, "reading the run")
        known = list(statements)
        report = Report(subject, len(known))
        report.findings += check_records(list(described.records(known)), tell)
        if described.is_told(known):
            report.unread.append("the shapes and rules of observed runs: a document told this one")
            return report
        _tell(tell, "comparing with the shapes")
        report.findings += check_shapes(known)
        _tell(tell, "applying the rules of runs")
        report.findings += check_rules(known)
    return report


def _tell(tell: Tell | None, stage: str) -> None:
    if tell is not None:
        tell(stage)
