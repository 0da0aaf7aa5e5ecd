"""Slices of observed notebooks: files as links, and proofs in an empty root."""

from __future__ import annotations

import functools
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import nbformat
import pytest
from click.testing import CliRunner, Result
from nbformat import v4
from slice_cases import Server, SliceCase, load_cases, missing

import nbrepro
from nbrepro.capture import run_notebook
from nbrepro.capture.options import RunOptions
from nbrepro.cli.program import program
from nbrepro.config import Project
from nbrepro.errors import ExitCode
from nbrepro.ingest import ingest
from nbrepro.packaging.isolation import find_way
from nbrepro.resources import find_resources
from nbrepro.rundir import VARIABLES, RunDirectory
from nbrepro.slicing import Slicer, make_notebook, make_slicer
from nbrepro.stores import open_store

CASES = {case.name: case for case in load_cases(files=True)}

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("slices-live")]


def observe_case(case: SliceCase, base: Path) -> Path:
    """Run a case under observation in `base/work`, and give that folder."""
    folder = base / "work"
    folder.mkdir(parents=True)
    write_inputs(case, folder)
    cells = [v4.new_markdown_cell("# Title", id="title")]
    cells += [v4.new_code_cell(source, id=f"c{n}") for n, source in enumerate(case.cells, 1)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, folder / "case.ipynb")
    project = Project(folder)
    outcome = run_notebook(folder / "case.ipynb", RunOptions(project, order=case.order))
    assert outcome.status == "ok", outcome.error
    with open_store(project.store) as store:
        ingest(RunDirectory(outcome.directory), store)
    return folder


def write_inputs(case: SliceCase, folder: Path) -> None:
    for name, text in case.inputs.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory):
    """Observe each case once."""
    return functools.cache(
        lambda name: observe_case(CASES[name], tmp_path_factory.mktemp(name.replace("-", "_")))
    )


def slicer_of(folder: Path) -> Slicer:
    with nbrepro.open(folder) as provenance:
        return make_slicer(provenance.run("last"))


def shown(slicer: Slicer, execution: int) -> str:
    record = slicer.history.record(execution)
    outputs = slicer.history.outputs(record) or []
    return "".join(one.get("text") or one["data"]["text/plain"] for one in outputs)


def invoke(folder: Path, *words: str) -> Result:
    before = Path.cwd()
    os.chdir(folder)
    try:
        return CliRunner().invoke(program, ["slice", *words])
    finally:
        os.chdir(before)


@pytest.mark.parametrize("name", CASES)
def test_what_came_through_files_is_re_created(name, observed, server, tmp_path):
    case = CASES[name]
    if missing(case):
        pytest.skip(f"the case needs {', '.join(missing(case))}")
    slicer = slicer_of(observed(name))
    records = slicer.history.records
    told = {r.execution for r in records if shown(slicer, r.execution).strip()}
    assert told <= set(case.needs), "an output whose needs are not declared"
    for goal, true in case.needs.items():
        chosen = slicer.slice_of(goal)
        folder = tmp_path / str(goal)
        copy_inputs(chosen.inputs, observed(name), folder / "given")
        again = server.run([r.source for r in chosen.records], folder / "given")
        kept = [r.execution for r in chosen.records]
        assert again.outputs[-1].strip() == shown(slicer, goal).strip(), kept
        assert len(kept) <= len(true) + 1, (kept, sorted(true))


def copy_inputs(inputs, origin: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    for one in inputs:
        target = folder / Path(one.path).relative_to(origin)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(one.path, target)


def test_the_log_of_names_is_as_its_schema_says(observed):
    schema = json.loads((find_resources("schemas") / "variables.schema.json").read_text())
    (log,) = (observed("pandas-csv") / ".nbrepro" / "runs").glob(f"*/{VARIABLES}")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["execution"] for line in lines] == [1, 2, 3, 4, 5]
    assert lines[2]["bound"]["df"]["type"] == "pandas.DataFrame"
    for line in lines:
        jsonschema.validate(line, schema)


def test_only_the_inputs_that_are_read_or_listed_are_inputs(observed):
    folder = observed("input-files")
    slicer = slicer_of(folder)
    assert _inputs(slicer, 3, folder) == {("data/a.txt", "read")}
    assert _inputs(slicer, 4, folder) == {("data/a.txt", "listed"), ("data/b.txt", "listed")}


def _inputs(slicer: Slicer, execution: int, folder: Path) -> set[tuple[str, str]]:
    chosen = slicer.slice_of(execution)
    return {(str(Path(i.path).relative_to(folder)), i.reason) for i in chosen.inputs}


def test_the_notebook_of_a_slice_is_valid_and_says_why(observed):
    slicer = slicer_of(observed("file-link"))
    chosen = slicer.slice_of(4)
    notebook = make_notebook(chosen, slicer.history)
    nbformat.validate(notebook)
    assert [cell.cell_type for cell in notebook.cells] == ["markdown", "code", "code", "code"]
    told = [cell.metadata["nbrepro"] for cell in notebook.cells[1:]]
    assert [one["execution"] for one in told] == [1, 2, 4]
    assert (told[1]["reason"], told[1]["needed_by"]) == ("wrote made.json", 4)
    assert notebook.cells[-1].outputs[0].text == "[1, 2]\n"
    assert notebook.metadata["nbrepro"]["inputs"] == []


ISOLATED = pytest.mark.timeout(400)


@ISOLATED
@pytest.mark.parametrize(
    ("name", "cell"), [("file-link", 4), ("own-module", 2), ("input-files", 4), ("pandas-csv", 5)]
)
def test_a_slice_is_proven_in_an_empty_root(name, cell, observed, tmp_path):
    find_way()
    out = tmp_path / "small.ipynb"
    done = invoke(observed(name), "--cell", str(cell), "--verify", "-o", str(out), "--json",
                  "--no-progress")  # fmt: skip
    told = json.loads(done.stdout)
    assert told["verified"]["equal"], told["verified"]
    assert done.exit_code == ExitCode.OK
    packages = {one.split()[0] for one in told["verified"]["packages"]}
    assert {"ipykernel"} <= packages
    assert ("pandas" in packages) == (name == "pandas-csv")
    assert not packages & {"pytest", "mypy", "dask"}
    assert nbformat.read(out, 4).cells[-1].metadata["nbrepro"]["cell"] == cell


@ISOLATED
def test_cells_that_are_not_needed_after_all_are_dropped(observed):
    done = invoke(observed("working-directory"), "--cell", "4", "--minimise", "200", "--json",
                  "--no-progress")  # fmt: skip
    told = json.loads(done.stdout)
    assert told["verified"]["equal"]
    # The file is found as well where the kernel starts.
    assert [one["execution"] for one in told["cells"]] == [3, 4]


@ISOLATED
def test_a_changed_input_is_no_proof(observed, tmp_path):
    folder = tmp_path / "copy"
    case = CASES["input-files"]
    original = observed("input-files")
    shutil.copytree(original, folder)
    (original / "data" / "a.txt").write_text("9")
    try:
        done = invoke(original, "--cell", "3", "--verify", "--no-progress")
    finally:
        write_inputs(case, original)
    assert done.exit_code == ExitCode.DIFFERENT
    assert "an input is not what the run read" in done.output


def test_a_cell_that_does_not_exist_is_told(observed):
    done = invoke(observed("file-link"), "--cell", "9")
    assert isinstance(done.exception, SystemExit)
    assert done.exit_code == ExitCode.NOT_FOUND
