"""Dask under observation: each task touched what it says itself, for the cell that sent it.

The truth is the tasks' own: each one leaves a file that names its key, its worker and what it
read and wrote. The notebook runs through `nbrepro run` on five worker processes, once on those of
a cluster of its own, in the kernel's trace, and once on five that were started by themselves with
`nbrepro worker`, and whose traces come home through Dask.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import nbformat
import pytest
from separate_workers import HOMES, separate_workers

pytestmark = [
    pytest.mark.live("strace", "kernel", "distributed", "pandas"),
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("dask"),  # the notebook runs once, whatever the number of processes
]
SOURCE = Path(__file__).parent / "notebooks" / "every-form.py"
FORMS = ["submit", "map", "delayed", "bag", "array", "dataframe", "nested", "failed"]
WORKERS = 5
LIMIT_S = 400

Touch = tuple[str, str, str]  # task, mode, path


def nbrepro(folder: Path, *words: str, environment: Mapping[str, str] | None = None) -> str:
    finished = subprocess.run(
        [sys.executable, "-m", "nbrepro", *words], cwd=folder, capture_output=True, text=True,
        timeout=LIMIT_S, stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})},
    )  # fmt: skip
    assert finished.returncode == 0, f"{words}: {finished.stdout[-3000:]} {finished.stderr[-3000:]}"
    return finished.stdout


def to_notebook(path: Path) -> nbformat.NotebookNode:
    """Give a notebook of a file in percent format; a cell's id is the word in brackets."""
    blocks = re.split(r"(?m)^# %%", path.read_text())[1:]
    cells = []
    for number, block in enumerate(blocks, 1):
        title, _, source = block.partition("\n")
        name = title.strip(" []") or f"cell-{number}"
        cells.append(nbformat.v4.new_code_cell(source.strip(), id=name))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


@dataclass(frozen=True)
class Observed:
    """A run of the notebook, and its answers as rows."""

    folder: Path
    cells: dict[str, int] = field(default_factory=dict)

    @cached_property
    def truths(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in (self.folder / "truth").iterdir()]

    @cached_property
    def data(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads(nbrepro(self.folder, "data", "--json"))
        return rows

    @cached_property
    def tasks(self) -> dict[str, dict[str, Any]]:
        return {row["task"]: row for row in json.loads(nbrepro(self.folder, "tasks", "--json"))}

    @cached_property
    def workers(self) -> dict[str, dict[str, Any]]:
        rows = json.loads(nbrepro(self.folder, "workers", "--json"))
        return {row["worker"]: row for row in rows}


@pytest.fixture(scope="module", params=["cluster", "separate"])
def observed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Observed]:
    folder = tmp_path_factory.mktemp("dask")
    notebook = to_notebook(SOURCE)
    nbformat.write(notebook, folder / "notebook.ipynb")
    with contextlib.ExitStack() as stack:
        environment = {}
        if request.param == "separate":
            environment["SCHEDULER"] = stack.enter_context(separate_workers(folder, WORKERS))
        run = ("run", "notebook.ipynb", "--tracer", "strace", "--no-progress")
        nbrepro(folder, *run, environment=environment)
    yield Observed(folder, {cell.id: n for n, cell in enumerate(notebook.cells, 1)})


def declared(truths: Iterable[dict[str, Any]]) -> set[Touch]:
    return {
        (truth["task"], mode, path)
        for truth in truths
        for mode, paths in (("read", truth["reads"]), ("write", truth["writes"]))
        for path in paths
    }


def reported(rows: Iterable[dict[str, Any]]) -> set[Touch]:
    return {(row["task"], row["mode"], row["path"]) for row in rows if row["task"]}


def assert_same(found: set[Any], truth: set[Any]) -> None:
    """Recall 1.00, precision at least 0.99."""
    assert truth, "nothing declared"
    assert not truth - found, f"missed: {sorted(truth - found)[:5]}"
    assert len(found & truth) >= 0.99 * len(found), f"invented: {sorted(found - truth)[:5]}"


@pytest.mark.parametrize("form", FORMS)
def test_each_task_touched_what_it_says(observed: Observed, form: str):
    truths = [truth for truth in observed.truths if truth["form"] == form]
    keys = {truth["task"] for truth in truths}
    rows = [row for row in observed.data if row["task"] in keys]
    assert_same(reported(rows), declared(truths))
    assert {row["cell"] for row in rows} == {observed.cells[form]}


def test_no_task_touched_more_than_all_tasks_say(observed: Observed):
    assert_same(reported(observed.data), declared(observed.truths))


@pytest.mark.parametrize("form", FORMS)
def test_a_cell_touched_what_its_tasks_did(observed: Observed, form: str):
    number = observed.cells[form]
    asked = json.loads(nbrepro(observed.folder, "data", "--cell", str(number), "--json"))
    truth = declared(truth for truth in observed.truths if truth["form"] == form)
    assert_same({row[1:] for row in reported(asked)}, {row[1:] for row in truth})
    own = {(row["mode"], os.path.basename(row["path"])) for row in asked if not row["task"]}
    assert not own, f"said of the cell itself: {own}"


def test_a_cell_without_tasks_touched_its_own_files(observed: Observed):
    rows = [row for row in observed.data if row["cell"] == observed.cells["alone"]]
    assert {(row["mode"], os.path.basename(row["path"]), row["task"]) for row in rows} == {
        ("read", "map-3.txt", None), ("write", "alone.txt", None),
    }  # fmt: skip


def test_a_cell_that_only_gathers_touched_nothing(observed: Observed):
    assert [row for row in observed.data if row["cell"] == observed.cells["later"]] == []


def test_workers_are_the_processes_that_ran_the_tasks(observed: Observed):
    assert len(observed.workers) == WORKERS
    addresses = {row["address"]: name for name, row in observed.workers.items()}
    pids = {row["address"]: row["pid"] for row in observed.workers.values()}
    for truth in observed.truths:
        task = observed.tasks[truth["task"]]
        assert task["worker"] == addresses[truth["address"]]
        assert truth["pid"] == pids[truth["address"]]
    for row in observed.data:
        if row["task"]:
            assert row["worker"] == observed.tasks[row["task"]]["worker"]


def test_separate_workers_brought_their_traces_and_clocks_home(observed: Observed):
    if not (observed.folder / HOMES).exists():
        assert {row["clock_error_ns"] for row in observed.workers.values()} == {-1}
        return
    for row in observed.workers.values():
        assert (row["status"], row["tracer"]) == ("ok", "strace")
        assert row["clock_offset_ns"] == 0
        assert 0 < row["clock_error_ns"] < 10**9
    homes = {path.name for path in observed.folder.glob(".nbrepro/runs/*/workers/*")}
    assert homes == set(observed.workers)


def test_tasks_know_their_cell_function_and_end(observed: Observed):
    for truth in observed.truths:
        task = observed.tasks[truth["task"]]
        assert task["engine"] == "dask"
        assert task["cell"] == observed.cells[truth["form"]]
        assert task["observed"] is True
        assert (task["status"] == "ok") == (truth["form"] != "failed"), task
        assert task["seconds"] is not None and task["seconds"] >= 0
    functions = {
        observed.tasks[t["task"]]["function"] for t in observed.truths if t["form"] == "map"
    }
    assert functions == {"double"}


def test_a_coroutine_is_said_to_be_unobserved(observed: Observed):
    (task,) = [row for row in observed.tasks.values() if row["cell"] == observed.cells["coroutine"]]
    assert task["status"] == "ok"
    assert task["observed"] is False
    assert task["files"] == 0


def test_lineage_crosses_the_workers(observed: Observed):
    text = nbrepro(observed.folder, "lineage", "out/alone.txt")
    for name in ("map-3.txt", "in/3.txt", "in/shared.txt"):
        assert name in text, text
