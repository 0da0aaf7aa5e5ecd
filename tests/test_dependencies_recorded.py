"""Dependency sets of a recorded notebook: the packages that a cell really uses."""

from __future__ import annotations

import pytest
from observing import observe_cells

import nbrepro
from nbrepro.config import Project
from nbrepro.dependencies import Need
from nbrepro.ingest import ingest
from nbrepro.stores import open_store

CELLS = [
    "import numpy as np\nimport yaml\nimport sortedcontainers",
    "with open('in.txt', 'w') as file:\n    file.write('a: 1')",
    "print(np.arange(4).sum())",
    "print(yaml.safe_load(open('in.txt')))",
    "import json\njson.dumps([])",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recorded").resolve()
    observed = observe_cells(folder, *CELLS)
    with open_store(Project(folder).store) as store:
        ingest(observed.directory, store)
    with pytest.MonkeyPatch.context() as patch, nbrepro.open(folder) as provenance:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        yield provenance.run()


def exact(run, cell, kind):
    return {m.name for m in run.dependencies(cell, closure=True).exact().of(kind)}


@pytest.mark.live
def test_a_cell_needs_the_packages_that_it_uses_of_those_imported_beside(run):
    beside = {"numpy", "PyYAML", "sortedcontainers"}
    assert exact(run, 3, Need.PACKAGE) & beside == {"numpy"}
    assert exact(run, 4, Need.PACKAGE) & beside == {"PyYAML"}
    assert exact(run, 5, Need.PACKAGE) & beside == set()
    assert exact(run, 1, Need.PACKAGE) & beside == beside
    everything = {m.name for m in run.dependencies(closure=True).of(Need.PACKAGE)}
    assert beside | {"ipykernel"} <= everything


@pytest.mark.live
def test_a_cell_needs_those_that_bound_its_names_and_made_its_files(run):
    assert exact(run, 3, Need.CELL) == {"1", "3"}
    assert exact(run, 4, Need.CELL) == {"1", "2", "4"}
    assert exact(run, 5, Need.CELL) == {"5"}


@pytest.mark.live
def test_the_interpreter_and_the_systems_libraries_are_in_the_set(run):
    found = run.dependencies(3, closure=True)
    assert found.of(Need.INTERPRETER) or any(m.name == "python" for m in found)
    assert found.why("numpy")[-1].name == "3"
