"""A notebook whose Dask workers were started by themselves replays on one node, from one image."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from observing import write_notebook
from separate_workers import separate_workers
from test_packaging import Silence

from nbrepro.packaging.building import BuildOptions, build_package
from nbrepro.packaging.plan import HOME, PLAN
from nbrepro.rundir import RunDirectory

CELLS = [
    "import os\nfrom dask.distributed import Client, get_worker\n"
    "client = Client(os.environ['SCHEDULER'])\nclient.wait_for_workers(2)",
    "def count(path):\n    with open(path) as lines:\n        return sum(1 for _ in lines)\n"
    "paths = [os.path.abspath(name) for name in ('one.txt', 'two.txt')]\n"
    "futures = client.map(count, paths, pure=False)\n"
    "print(client.gather(futures))",
    "client.close()",
]


@pytest.mark.live("strace", "kernel", "isolation", "distributed")
def test_a_notebook_with_separate_workers_replays_on_one_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    work = tmp_path / "work"
    notebook = write_notebook(work, CELLS)
    (work / "one.txt").write_text("1\n" * 3)
    (work / "two.txt").write_text("2\n" * 5)
    run = [sys.executable, "-m", "nbrepro", "run", str(notebook), "--no-progress"]
    with separate_workers(work, 2) as address:
        monkeypatch.setenv("SCHEDULER", address)
        subprocess.run(run, cwd=work, check=True, capture_output=True, timeout=200)
    monkeypatch.delenv("SCHEDULER")
    (directory,) = (work / ".nbrepro/runs").iterdir()
    options = BuildOptions(format="dir", compress="gzip", timeout_s=120)
    built = build_package(RunDirectory(directory), tmp_path / "root", options, Silence())
    plan = json.loads((tmp_path / f"root{HOME}" / PLAN).read_text())
    assert [one["name"].split()[0] for one in plan["beside"]] == ["the", "worker", "worker"]
    assert (built.proof.failure, built.proof.different, built.proof.equal) == ("", [], 3)
