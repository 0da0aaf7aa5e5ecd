"""The use cases in their Dask form: what tasks touched is what the notebooks' sources say, and what
a worker needs is enough for its tasks and no more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import use_cases
import worker_roots


@pytest.mark.live("strace", "kernel", "distributed", "skimage", "hist", "esmvaltool_sample_data")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("case", use_cases.CASES)
def test_tasks_of_a_use_case_touch_what_its_source_says(case: str, tmp_path: Path):
    folder = use_cases.copy_notebooks(tmp_path)
    command = [sys.executable, "-m", "nbrepro", "run", f"{case}-dask.ipynb", "--no-progress"]
    finished = subprocess.run(
        [*command, "--tracer", "strace"], cwd=folder, capture_output=True, text=True,
        timeout=use_cases.LIMIT_S, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stdout[-3000:] + finished.stderr[-3000:]
    sight = use_cases.look(case, "dask", use_cases.here(folder))
    assert sight.workers == 5
    assert sight.recall == 1, sight.wrong
    assert sight.precision >= 0.99, sight.wrong
    if case != "trends":  # a task of a bag takes several models
        assert sight.found == sight.truth
    check_worker_in_root(case, folder, tmp_path / "root")


def check_worker_in_root(case: str, folder: Path, root: Path):
    """A worker's exact set lets it start where nothing else is, and its task runs there; without
    any one of the packages it does not (tried with one use case: each try starts a worker)."""
    proof = worker_roots.prove(folder, case, root, None if case == "trends" else [])
    assert proof.whole == proof.expected == proof.again
    assert proof.idle == []
    assert bool(proof.without) == (case == "trends")
