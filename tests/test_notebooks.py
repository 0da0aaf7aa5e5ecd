"""The committed notebooks, run under observation: each cell touched what its source says."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ROOT / "notebooks"
STATIONS = [path.name for path in sorted((NOTEBOOKS / "data" / "climate").glob("*.csv"))]
QUICKSTART = {
    2: {
        ("read", "data/settings.json"),
        ("read", "data/climate/050848.csv"),
        ("read", "data/climate/051959.csv"),
        ("read", "data/climate/052432.csv"),
        ("write", "results/quickstart/records.csv"),
    },
    3: {
        ("read", "results/quickstart/records.csv"),
        ("write", "results/quickstart/clean.csv"),
    },
    4: {
        ("read", "results/quickstart/clean.csv"),
        ("read-write", "results/quickstart/annual.sqlite"),
    },
    5: {
        ("read", "data/settings.json"),
        ("read", "results/quickstart/annual.sqlite"),
        ("write", "results/quickstart/anomalies.csv"),
        ("write", "results/quickstart/anomalies.png"),
    },
    6: {
        ("read", "results/quickstart/clean.csv"),
        ("write", "results/quickstart/warmest.csv"),
        ("read", "results/quickstart/warmest.csv"),
    },
    7: {
        ("read", "results/quickstart/warmest.csv"),
        ("write", "results/quickstart/summary.json.part"),
        ("rename", "results/quickstart/summary.json.part"),
        ("write", "results/quickstart/summary.json"),
    },
}
CLIMATE = {
    2: {("read", f"data/climate/{name}") for name in STATIONS},
    3: {("write", "results/climate/coverage.csv")},
    4: {("write", "results/climate/anomalies.csv.tmp")},
    5: {("write", "results/climate/trends.csv")},
    6: {("write", "results/climate/monthly.nc")},
    7: {("read-write", "results/climate/climate.sqlite")},
    8: {("write", "results/climate/anomalies.png")},
    9: {("write", "results/climate/trends.png")},
    10: {
        ("read", "results/climate/anomalies.csv.tmp"),
        ("remove", "results/climate/anomalies.csv.tmp"),
        ("write", "results/climate/anomalies.csv.gz"),
    },
    11: {
        ("read", "results/climate/monthly.nc"),
        ("read", "results/climate/climate.sqlite"),
        ("read", "results/climate/anomalies.csv.gz"),
    },
}
TOUCHED = {"quickstart": QUICKSTART, "climate": CLIMATE}


def copy_notebooks(folder: Path) -> Path:
    ignored = shutil.ignore_patterns("results", ".nbrepro", ".ipynb_checkpoints")
    return Path(shutil.copytree(NOTEBOOKS, folder / "notebooks", ignore=ignored))


def nbrepro(*arguments: str, cwd: Path) -> str:
    command = [sys.executable, "-m", "nbrepro", *arguments]
    finished = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=200, stdin=subprocess.DEVNULL
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def needs_strace() -> None:
    probe = ["strace", "-f", "-o", os.devnull, "true"]
    if os.environ.get("NBREPRO_REQUIRE_LIVE") != "1" and (
        not shutil.which("strace") or subprocess.run(probe, capture_output=True).returncode
    ):
        pytest.skip("strace is missing or may not trace here")


def touched(rows: list[dict[str, Any]], folder: Path) -> dict[int, set[tuple[str, str]]]:
    cells: dict[int, set[tuple[str, str]]] = {}
    for row in rows:
        path = os.path.relpath(row["path"], folder)
        cells.setdefault(row["cell"], set()).add((row["mode"], path))
    return cells


def texts(notebook: nbformat.NotebookNode) -> list[list[str]]:
    """Give what each code cell printed or returned as text; streams in whole, images left out."""
    return [
        ["".join(o.get("text", "") for o in cell.outputs)]
        + [o.data.get("text/plain", "") for o in cell.outputs if "data" in o]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


@pytest.mark.live
@pytest.mark.parametrize("name", TOUCHED)
def test_cells_touch_what_their_source_says(name: str, tmp_path: Path):
    needs_strace()
    folder = copy_notebooks(tmp_path)
    nbrepro("run", f"{name}.ipynb", "--tracer", "strace", cwd=folder)
    rows = json.loads(nbrepro("data", "--json", cwd=folder))
    assert touched(rows, folder) == TOUCHED[name]

    # No cell of these notebooks changes what an earlier cell left, so all digests still hold.
    for row in rows:
        if Path(row["path"]).exists() and row["mode"] != "read-write":
            assert row["sha256"] == hashlib.sha256(Path(row["path"]).read_bytes()).hexdigest(), row

    packages = json.loads(nbrepro("packages", "--cell", "1", "--json", cwd=folder))
    found = {row["name"].lower(): row["version"] for row in packages if row["manager"] == "pip"}
    for package in {"quickstart": ["pandas"], "climate": ["pandas", "netcdf4"]}[name]:
        assert found[package] == importlib.metadata.version(package)


@pytest.mark.live
def test_observing_changes_no_output(tmp_path: Path):
    observed, plain = copy_notebooks(tmp_path / "observed"), copy_notebooks(tmp_path / "plain")
    nbrepro("run", "quickstart.ipynb", cwd=observed)
    (executed,) = observed.glob(".nbrepro/runs/*/executed.ipynb")

    notebook = nbformat.read(plain / "quickstart.ipynb", as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(plain)}}).execute()
    assert texts(nbformat.read(executed, as_version=4)) == texts(notebook)
    for result in (plain / "results").rglob("*.csv"):
        twin = observed / result.relative_to(plain)
        assert twin.read_bytes() == result.read_bytes()


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_committed_notebooks_are_clean(path: Path):
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    for cell in notebook.cells:
        assert cell.id.replace("-", "").isalpha(), f"{cell.id} is not readable"
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
