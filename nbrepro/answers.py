"""Answers about recorded runs: the Python API, of which the command line is a twin.

import nbrepro
with nbrepro.open() as provenance:
    run = provenance.run("last")
    for row in run.cell(5).data():
        print(row.mode, row.path, row.sha256)
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbrepro.config import DIRECTORY, Project, find_project
from nbrepro.errors import NotFoundError, UsageError
from nbrepro.model import Table
from nbrepro.references import LAST, choose_run, nearest
from nbrepro.rows import Rows, RunRow, from_any_table, from_table
from nbrepro.runs import OWNERS, Run

if TYPE_CHECKING:
    from types import TracebackType

    from nbrepro.queries import Question
    from nbrepro.stores import Store


def open_provenance(
    path: str | os.PathLike[str] | None = None, store: str | os.PathLike[str] | None = None
) -> Provenance:
    """Open what was recorded: the store of the project around `path` (default: here), or `store`.

    `store` may be a file too: an archive of a run, or PROV-JSON. Raises NotFoundError where there
    is none, StoreError where it cannot be opened.
    """
    from nbrepro.stores import open_store
    from nbrepro.stores.names import locate

    if store is not None and Path(store).is_file():
        return Provenance(open_file(Path(store)), None, os.fspath(store))
    start = Path(path) if path is not None else Path.cwd()
    project = find_recorded(start)
    location = os.fspath(store) if store is not None else None
    if project is not None:
        location = locate(location, project)
    if location is None:
        raise NotFoundError(
            f"{start}: no {DIRECTORY}/ here or above, so nothing is recorded; "
            "run: nbrepro run NOTEBOOK (or give --store)"
        )
    if "://" not in location and not Path(location).exists():
        raise NotFoundError(f"{location}: no store here; run: nbrepro run NOTEBOOK")
    return Provenance(open_store(location), project, location)


def open_file(path: Path) -> Store:
    """Open an archive of a run, or a PROV-JSON file, as a store to be asked."""
    from nbrepro.archives.reading import is_archive
    from nbrepro.stores import open_store

    if is_archive(path):
        return open_store(path)
    from nbrepro.export.foreign import read_foreign
    from nbrepro.stores.archived import statement_store

    told = read_foreign(path)
    return statement_store(str(path), told.run, told.uuid, told.statements)


def find_recorded(start: Path) -> Project | None:
    """Find the project upwards from `start`, else the only one directly below it.

    Raises UsageError where several lie below.
    """
    project = find_project(start)
    if project is not None or not start.is_dir():
        return project
    below = sorted(found.parent for found in start.glob(f"*/{DIRECTORY}") if found.is_dir())
    if len(below) > 1:
        names = ", ".join(str(directory) for directory in below[:6])
        raise UsageError(f"{start}: several projects lie below ({names}); go into one of them")
    return Project(below[0].resolve()) if below else None


class Provenance:
    """The recorded runs of one store. Close it, or use it in a `with` statement."""

    def __init__(self, store: Store, project: Project | None = None, location: str = "") -> None:
        self.store = store
        self.project = project
        self.location = location

    def __enter__(self) -> Provenance:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Provenance({self.location!r})"

    def close(self) -> None:
        """Let go of the store."""
        self.store.close()

    def runs(self) -> Rows[RunRow]:
        """List the runs, newest first."""
        return from_table(RunRow, self.store.runs())

    def run(self, reference: str = LAST) -> Run:
        """Find a run: `last`, an id, a unique prefix, `~1` for the one before the last."""
        return Run(self, choose_run(self.runs(), reference))

    def questions(self) -> dict[str, Question]:
        """Give every named question: our own and those of the project's `.nbrepro/queries`."""
        from nbrepro.queries import load_questions

        return load_questions(self._own_questions)

    def question(self, name: str) -> Question:
        """Find a question by name. Raises NotFoundError with the nearest names."""
        from nbrepro.queries import find_question

        try:
            return find_question(name, self._own_questions)
        except NotFoundError:
            near = nearest(name, self.questions())
        raise NotFoundError(
            f"no question is called {name!r}; perhaps {', '.join(near)} (all: nbrepro query --list)"
        )

    @property
    def _own_questions(self) -> list[Path]:
        return [self.project.home / "queries"] if self.project else []

    def ask(self, question: str, **parameters: Any) -> Rows[Any]:
        """Ask a named question; `run`, `cell` and `file` may be written as people write them."""
        return from_any_table(self.answer(question, parameters))

    def answer(
        self, question: str, parameters: Mapping[str, Any], timeout_s: float | None = None
    ) -> Table:
        """Ask a named question and give its plain table.

        Raises NotFoundError, UsageError, and QueryError where it takes longer than `timeout_s`.
        """
        asked = self.question(question)
        values = self.resolve(asked, parameters)
        if timeout_s is None or not getattr(self.store, "reopens", True):
            return self.store.ask(asked, values)
        from nbrepro.stores.bounded import ask_bounded

        return ask_bounded(self.store.location, asked, asked.check_values(values), timeout_s)

    def terms(self, values: Mapping[str, Any]) -> dict[str, str]:
        """Write checked values as the store's language writes them in a query's text."""
        if self.store.dialect != "sparql":
            return {}
        from nbrepro.stores.terms import to_term

        return {name: to_term(value) for name, value in values.items()}

    def resolve(self, question: Question, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Turn what people call a run, a cell or a file into the parameters of a question."""
        resolved = {name: value for name, value in parameters.items() if value is not None}
        if not question.of_run:
            return resolved
        run = self.run(str(resolved.get("run", LAST)))
        resolved["run"] = run.id
        if "other" in resolved:
            resolved["other"] = self.run(str(resolved["other"])).id
        if "cell" in resolved:
            resolved["cell"] = run.cell(resolved["cell"]).position
        resolved |= run.resolve_owner(**{n: str(resolved[n]) for n in OWNERS if n in resolved})
        if "file" in resolved:
            resolved["file"] = run.find_path(str(resolved["file"]))
        return resolved

    def select(self, text: str, limit: int | None = 1000, timeout_s: float | None = 30.0) -> Table:
        """Ask a SPARQL SELECT of the store. Raises QueryError for one that writes or is wrong."""
        return self.store.select(text, limit, timeout_s)
