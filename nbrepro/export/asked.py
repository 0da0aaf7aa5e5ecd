"""From what people ask for to the extract that is written: the run, its part, redacted or not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nbrepro.errors import UsageError
from nbrepro.export.extract import Extract, Tell
from nbrepro.export.parts import Part, choose_part
from nbrepro.export.redaction import Private, Redactor
from nbrepro.lineage import walk
from nbrepro.model import RunId
from nbrepro.runs import Run
from nbrepro.validity.checking import uncollected


def find_part(
    run: Run,
    cell: int | str | None = None,
    task: str | None = None,
    worker: str | None = None,
    lineage_of: str | None = None,
) -> Part | None:
    """Find which part of a run is meant; None for all. Raises NotFoundError and UsageError."""
    given = {"cell": cell, "task": task, "worker": worker, "lineage of": lineage_of}
    named = [(what, value) for what, value in given.items() if value is not None]
    if not named:
        return None
    if len(named) > 1:
        raise UsageError("give one of --cell, --task, --worker, --lineage-of")
    name = f"{named[0][0]} {named[0][1]}"
    if lineage_of is not None:
        steps, versions = set(), set()
        for _, step, file in walk(run.lineage(lineage_of).root):
            versions.add(file.version)
            steps |= {(step.execution, step.task, step.worker)} if step else set()
        return Part(name, steps=frozenset(steps), versions=frozenset(versions))
    position = run.cell(cell).position if cell is not None else None
    owner = run.resolve_owner(task=task, worker=worker)
    return Part(name, position, owner.get("task"), owner.get("worker"))


@contextmanager
def open_extract(
    run: Run, part: Part | None = None, *, redact: bool = False, tell: Tell | None = None
) -> Iterator[Extract]:
    """Give the extract of a run, or of a part of it."""
    with open_whole(run, tell) as whole:
        if part is None:
            with redacted(whole, find_redactor(whole) if redact else None) as found:
                yield found
            return
        with (
            Extract(choose_part(whole, part), unique=True, tell=tell) as chosen,
            redacted(chosen, find_redactor(chosen) if redact else None) as found,
        ):
            yield found


@contextmanager
def open_whole(run: Run, tell: Tell | None = None) -> Iterator[Extract]:
    """Give the extract of a whole run as its store has it."""
    noted = run.provenance.store.kept(RunId(run.id)).statements
    with uncollected():
        whole = Extract(run.statements(), unique=True, tell=tell, noted=noted)
    with whole:
        yield whole


def find_redactor(extract: Extract) -> Redactor:
    """Gather what is private in an extract, and give what replaces it."""
    private = Private()
    for statement in extract.statements():
        private.see_statement(statement)
    return Redactor(private)


@contextmanager
def redacted(extract: Extract, redactor: Redactor | None) -> Iterator[Extract]:
    """Give an extract with stand-ins, or as it is where there is no redactor."""
    if redactor is None:
        yield extract
        return
    statements = redactor.statements(extract)
    with Extract(statements, tell=extract.tell, noted=extract.noted) as found:
        yield found
