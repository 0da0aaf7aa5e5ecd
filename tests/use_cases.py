"""The distributed use cases among the notebooks, and what the tasks of each touch by its source."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
CASES = ("convolution", "trends", "dimuon")
LIMIT_S = 500

Touches = frozenset[tuple[str, str]]  # mode and path
Task = tuple[str, Touches]  # the id of the cell that submitted it, and what it touched
Row = dict[str, str]


@dataclass(frozen=True)
class Place:
    """Where a use case ran: the folder of its notebook, as the notebook's machine names it.

    `root` is where that machine's files are on this one, `samples` the place of ESMValTool's
    sample data there, and `ask` asks nbrepro there, giving the rows.
    """

    folder: Path
    samples: Path
    ask: Callable[..., list[Row]]
    root: Path = Path("/")

    def paths(self, folder: Path, pattern: str) -> list[Path]:
        """List the files below a folder of that machine, as it names them."""
        here = self.root / folder.relative_to("/")
        return [Path("/") / path.relative_to(self.root) for path in here.glob(pattern)]


@dataclass(frozen=True)
class Sight:
    """What the answers say of the tasks against what the tasks did."""

    tasks: int
    workers: int
    found: Counter[Task]
    truth: Counter[Task]

    @property
    def recall(self) -> float:
        """Give the share of the truth that was found."""
        truth = single(self.truth)
        return len(single(self.found) & truth) / len(truth)

    @property
    def precision(self) -> float:
        """Give the share of what was found that is true; 0 where nothing was found."""
        found = single(self.found)
        return len(found & single(self.truth)) / len(found) if found else 0.0

    @property
    def wrong(self) -> list[tuple[str, str, str, str]]:
        """List what was missed or invented: word, cell id, mode and path."""
        found, truth = single(self.found), single(self.truth)
        missed = [("missed", *touch) for touch in sorted(truth - found)]
        return missed + [("invented", *touch) for touch in sorted(found - truth)]


def single(tasks: Iterable[Task]) -> set[tuple[str, str, str]]:
    """Give the single touches of tasks: cell id, mode, path."""
    return {(cell, mode, path) for cell, touches in tasks for mode, path in touches}


def reads(*paths: Path) -> set[tuple[str, str]]:
    return {("read", str(path)) for path in paths}


def writes(*paths: Path) -> set[tuple[str, str]]:
    return {("write", str(path)) for path in paths}


def tasks_of_convolution(place: Place, results: Path) -> Iterator[Task]:
    """Yield the tasks of the convolution: each takes a tile and the kernel, and makes a result."""
    kernel = results / "kernel.npy"
    for tile in place.paths(results / "tiles", "*"):
        made = writes(results / "convolved" / tile.name)
        yield "convolve", frozenset(reads(tile, kernel) | made)


def tasks_of_trends(place: Place, results: Path) -> Iterator[Task]:
    """Yield the tasks of the trends: each takes an input and makes a part."""
    stations = place.paths(place.folder / "data/climate", "*.csv")
    models = [
        path
        for start in ("185001", "195001")
        for path in place.paths(place.samples, f"**/CMIP/**/Amon/**/*_{start}-201412.nc")
    ]
    for cell, inputs in (("stations", stations), ("models", models)):
        for path in inputs:
            made = writes(results / "parts" / f"{path.stem}.json")
            code = reads(results / "trend.py") if "taskvine" in results.name else set()
            yield cell, frozenset(reads(path) | made | code)


def tasks_of_dimuon(place: Place, results: Path) -> Iterator[Task]:
    """Yield the tasks of the dimuon spectrum: five slices of forty events of each sample."""
    for path in place.paths(place.folder / "data/hep", "*.root"):
        for _ in range(5):
            yield "fill", frozenset(reads(path))


TASKS: dict[str, Callable[[Place, Path], Iterator[Task]]] = {
    "convolution": tasks_of_convolution,
    "trends": tasks_of_trends,
    "dimuon": tasks_of_dimuon,
}


def copy_notebooks(base: Path) -> Path:
    """Copy the notebooks and their data below `base`; give the folder."""
    ignored = shutil.ignore_patterns("results", ".nbrepro", ".ipynb_checkpoints")
    return Path(shutil.copytree(NOTEBOOKS, base.resolve() / "notebooks", ignore=ignored))


def here(folder: Path) -> Place:
    """Give the place of a use case that ran in a folder of this machine."""
    (package,) = importlib.util.find_spec("esmvaltool_sample_data").submodule_search_locations

    def ask(*words: str) -> list[Row]:
        command = [sys.executable, "-m", "nbrepro", *words, "--json"]
        done = subprocess.run(command, cwd=folder, capture_output=True, check=True, timeout=LIMIT_S)
        rows: list[Row] = json.loads(done.stdout)
        return rows

    return Place(folder, Path(package), ask)


def look(case: str, engine: str, place: Place) -> Sight:
    """Compare the answers about the last run at a place with what its notebook does."""
    # What one cell's tasks write and a later cell removes is temporary, but touched all the same;
    # what is temporary elsewhere never left a task's own directory.
    roles = ["--role", "data", "--role", "temporary", "--role", "code"]
    touched: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    for row in place.ask("data", *roles):
        passing = row["role"] == "temporary" and not Path(row["path"]).is_relative_to(place.folder)
        # What a thread does that outlives its task is only supposed to be for that task.
        if row["task"] and row["certainty"] == "exact" and not passing:
            touched[row["cell_id"], row["task"]].add((row["mode"], row["path"]))
    found = Counter((cell, frozenset(touches)) for (cell, _), touches in touched.items())
    truth = Counter(TASKS[case](place, place.folder / "results" / f"{case}-{engine}"))
    return Sight(len(place.ask("tasks")), len(place.ask("workers")), found, truth)
