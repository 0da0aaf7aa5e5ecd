"""Notebooks of many kinds replay equal in a root that holds nothing but their package."""

from __future__ import annotations

from pathlib import Path

import corpus
import pytest
from test_packaging import Silence

from nbrepro.packaging.building import BuildOptions, build_package
from nbrepro.rundir import RunDirectory

REPLAYS = corpus.CASES.parent / "replays"
CORPUS = (
    "hdf5-files netcdf-files plot-saved-as-png sqlite-across-cells shell-commands run-a-script "
    "multiprocessing-pool-reused data-shipped-in-a-package local-module-and-configuration"
)
NAMES = [*CORPUS.split(), *sorted(path.stem for path in REPLAYS.glob("*.py"))]


def test_there_are_many_kinds():
    assert len(NAMES) >= 15


@pytest.mark.live("strace", "kernel", "isolation")
@pytest.mark.parametrize("name", NAMES)
def test_replays_equal_in_an_empty_root(name: str, tmp_path: Path):
    folder = REPLAYS if (REPLAYS / f"{name}.py").exists() else corpus.CASES
    case = corpus.load_case(name, folder)
    lacking = corpus.missing(case)
    if lacking:
        pytest.skip(f"needs {', '.join(lacking)}")
    workspace = corpus.Workspace(tmp_path)
    workspace.run_observed(case)
    (directory,) = (tmp_path / ".nbrepro/runs").iterdir()
    workspace.prepare(case)  # as it was before: a package is made for the next time
    options = BuildOptions(compress="none")
    built = build_package(RunDirectory(directory), tmp_path / "image.tar", options, Silence())
    assert built.proof.failure == ""
    assert (built.proof.different, built.proof.complete) == ([], True)
    assert built.proof.cells == built.proof.equal == len(case.order or case.cells)
