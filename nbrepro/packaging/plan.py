"""What the command of an image does: which cells, by which kernel, where, in which environment."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from nbrepro.errors import NotFoundError
from nbrepro.notebook import INJECTED_TAG
from nbrepro.packaging.contents import Contents
from nbrepro.packaging.root import PackagingError
from nbrepro.rundir import EXECUTED, CellRecord, RunDirectory

HOME = "/.nbrepro"
"""Where an image holds what belongs to the tool."""

DRIVER, PLAN, NOTEBOOK, RECORDED, PACKAGE, CONTENTS, OUT = (
    "replay.py", "plan.json", "notebook.ipynb", "recorded.ipynb", "package.json", "contents.jsonl",
    "out",
)  # fmt: skip

_KEPT = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "LC_*", "TZ", "TERM",
    "PYTHONPATH", "PYTHONHASHSEED", "PYTHONHOME", "PYTHONUTF8", "PYTHONIOENCODING",
    "LD_LIBRARY_PATH", "MPLBACKEND", "OMP_*", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
    "NUMEXPR_*", "SOURCE_DATE_EPOCH", "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "VIRTUAL_ENV",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "PROJ_DATA", "PROJ_LIB", "GDAL_DATA", "HDF5_*", "R_HOME",
    "R_LIBS*", "PERL5LIB", "TMPDIR", "XDG_*_HOME", "XDG_DATA_DIRS", "XDG_CONFIG_DIRS", "DASK_*",
)  # fmt: skip
_SECRET = ("*TOKEN*", "*SECRET*", "*PASSWORD*", "*PASSWD*", "*CREDENTIAL*", "*_KEY", "*APIKEY*")


@dataclass(frozen=True, slots=True)
class PlannedExecution:
    """One execution: `index` is the cell's place in the notebook, `position` counts code cells."""

    index: int
    position: int
    execution: int


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """`plan.json`: what `driver.py` reads. `beside` are processes that run beside the notebook,
    `needs` maps executions to those that their results need.
    """

    kernel: tuple[str, ...]
    cwd: str
    cells: tuple[PlannedExecution, ...]
    allow_errors: bool = False
    beside: tuple[dict[str, Any], ...] = ()
    patience_s: float = 15.0
    startup_s: float = 60.0
    timeout_s: float | None = None
    needs: dict[str, list[int]] = field(default_factory=dict)

    def to_json(self) -> str:
        """Give the text of `plan.json`."""
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"


def make_plan(
    contents: Contents, notebook: Mapping[str, Any], beside: tuple[dict[str, Any], ...] = ()
) -> ReplayPlan:
    """Plan to execute what the run executed, in its order. Raises PackagingError.

    `notebook` is the executed notebook of the run.
    """
    if contents.manifest.kernel.language not in ("python", ""):
        raise PackagingError(
            f"run {contents.manifest.run}: its kernel is {contents.manifest.kernel.name!r}; only "
            "notebooks of Python kernels can be packaged"
        )
    injected = any(record.position == 0 for record in contents.cells)
    places = code_cells(notebook, injected)
    cells = []
    for record in contents.cells:
        index = places.get(record.position)
        if index is None:
            raise PackagingError(
                f"run {contents.manifest.run}: cell {record.position} is not in its executed "
                "notebook; run it again"
            )
        cells.append(PlannedExecution(index, record.position, record.execution))
    kernel = (contents.python, "-m", "ipykernel_launcher", "-f", "{connection_file}")
    executed = {record.execution for record in contents.cells}
    needs = {str(one): found for one, found in contents.needs.items() if one in executed}
    return ReplayPlan(
        kernel, contents.manifest.cwd, tuple(cells), went_on_after_errors(contents.cells),
        beside=beside, needs=needs,
    )  # fmt: skip


def code_cells(notebook: Mapping[str, Any], injected: bool) -> dict[int, int]:
    """Map the positions of code cells, from 1, to their places in the notebook.

    With `injected`, the cell that the run injected has position 0, and is none of those counted.
    """
    places: dict[int, int] = {}
    position = 0
    for index, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] != "code":
            continue
        tagged = INJECTED_TAG in cell.get("metadata", {}).get("tags", ())
        if injected and tagged and 0 not in places and "".join(cell["source"]).strip():
            places[0] = index
            continue
        position += 1
        places[position] = index
    return places


def went_on_after_errors(cells: Collection[CellRecord]) -> bool:
    """Tell whether a run executed cells after one that failed."""
    failed = [record.execution for record in cells if record.status == "failed"]
    return bool(failed) and max(record.execution for record in cells) > min(failed)


def read_executed(directory: RunDirectory) -> dict[str, Any]:
    """Read the notebook that a run left. Raises NotFoundError where it left none."""
    path = directory.path / EXECUTED
    try:
        notebook: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFoundError(f"{path}: the run left no executed notebook; run it again") from None
    return notebook


def find_environment(directory: RunDirectory, python: str) -> dict[str, str]:
    """Give the environment of a replay: what shapes results, and nothing that may be secret.

    What the run recorded of the variables that its cells read, or that are known to matter, comes
    first; of the others, those that are known to matter are taken from this process.
    """
    found = {
        name: value
        for name, value in os.environ.items()
        if _matters(name) and not is_secret_name(name)
    }
    found.setdefault("HOME", str(Path.home()))
    found.setdefault("LANG", "C.UTF-8")
    found.setdefault("PATH", os.defpath)
    for read in directory.read_environment():
        # Of what Jupyter reads when a kernel starts, most is about that one process.
        if not (read.execution or _matters(read.name)) or fnmatchcase(read.name, "JPY_*"):
            continue
        if read.state == "set" and not is_secret_name(read.name):
            found[read.name] = read.value
        elif read.state == "unset":
            found.pop(read.name, None)
    return dict(sorted(found.items()))


def _matters(name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in _KEPT)


def is_secret_name(name: str) -> bool:
    """Tell whether a variable's name says that its value is secret."""
    return any(fnmatchcase(name.upper(), pattern) for pattern in _SECRET)
