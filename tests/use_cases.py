"""The distributed use cases among the notebooks, and what the tasks of each touch by its source."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
CASES = ("convolution", "trends", "dimuon")
LIMIT_S = 500

Touch = tuple[str, str, str]  # cell id, mode, path


@dataclass(frozen=True)
class Sight:
    """What the answers say of the tasks against what the tasks did."""

    tasks: int
    workers: int
    found: frozenset[Touch]
    truth: frozenset[Touch]

    @property
    def recall(self) -> float:
        """Give the share of the truth that was found."""
        return len(self.found & self.truth) / len(self.truth)

    @property
    def precision(self) -> float:
        """Give the share of what was found that is true; 0 where nothing was found."""
        return len(self.found & self.truth) / len(self.found) if self.found else 0.0


def touched_by_convolution(folder: Path, results: Path) -> Iterator[Touch]:
    """Yield what the tasks of the convolution touch: a tile and the kernel, and the result."""
    for tile in (results / "tiles").iterdir():
        yield "convolve", "read", str(tile)
        yield "convolve", "write", str(results / "convolved" / tile.name)
    yield "convolve", "read", str(results / "kernel.npy")


def touched_by_trends(folder: Path, results: Path) -> Iterator[Touch]:
    """Yield what the tasks of the trends touch: an input and a part each."""
    (package,) = importlib.util.find_spec("esmvaltool_sample_data").submodule_search_locations
    models = [
        path
        for start in ("185001", "195001")
        for path in Path(package).glob(f"**/CMIP/**/Amon/**/*_{start}-201412.nc")
    ]
    for cell, inputs in (("stations", (folder / "data/climate").glob("*.csv")), ("models", models)):
        for path in inputs:
            yield cell, "read", str(path)
            yield cell, "write", str(results / "parts" / f"{path.stem}.json")
            if "taskvine" in results.name:
                yield cell, "read", str(results / "trend.py")


def touched_by_dimuon(folder: Path, results: Path) -> Iterator[Touch]:
    """Yield what the tasks of the dimuon spectrum touch: the two samples."""
    for path in (folder / "data/hep").glob("*.root"):
        yield "fill", "read", str(path)


TOUCHED: dict[str, Callable[[Path, Path], Iterator[Touch]]] = {
    "convolution": touched_by_convolution,
    "trends": touched_by_trends,
    "dimuon": touched_by_dimuon,
}


def copy_notebooks(base: Path) -> Path:
    """Copy the notebooks and their data below `base`; give the folder."""
    ignored = shutil.ignore_patterns("results", ".nbrepro", ".ipynb_checkpoints")
    return Path(shutil.copytree(NOTEBOOKS, base.resolve() / "notebooks", ignore=ignored))


def look(case: str, engine: str, folder: Path) -> Sight:
    """Compare the answers about the last run in `folder` with what its notebook does."""
    # What one cell's tasks write and a later cell removes is temporary, but touched all the same.
    rows = ask(folder, "data", "--role", "data", "--role", "temporary")
    found = {(row["cell_id"], row["mode"], row["path"]) for row in rows if row["task"]}
    truth = TOUCHED[case](folder, folder / "results" / f"{case}-{engine}")
    tasks, workers = len(ask(folder, "tasks")), len(ask(folder, "workers"))
    return Sight(tasks, workers, frozenset(found), frozenset(truth))


def ask(folder: Path, *words: str) -> list[dict[str, str]]:
    command = [sys.executable, "-m", "nbrepro", *words, "--json"]
    finished = subprocess.run(command, cwd=folder, capture_output=True, check=True, timeout=LIMIT_S)
    rows: list[dict[str, str]] = json.loads(finished.stdout)
    return rows
