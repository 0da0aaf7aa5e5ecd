"""Small real notebooks, run under observation, and what their traces show."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbformat import v4

from nbrepro.capture import RunOptions, RunOutcome, run_notebook
from nbrepro.config import Project
from nbrepro.rundir import EXECUTED, CellRecord, Manifest, RunDirectory, open_trace

MARK = re.compile(r'openat\(.*"/nbrepro-marker/([0-9a-f]+)/([^"]*)"')


@dataclass
class Told:
    """A Progress that remembers what it was told."""

    cells: int = -1
    stages: list[str] = field(default_factory=list)
    statuses: list[tuple[int, str]] = field(default_factory=list)
    started_cells: list[tuple[int, str]] = field(default_factory=list)

    def started(self, cells: int) -> None:
        self.cells = cells

    def cell_started(self, position: int, source: str) -> None:
        self.started_cells.append((position, source))

    def cell_ended(self, position: int, status: str) -> None:
        self.statuses.append((position, status))

    def stage(self, name: str) -> None:
        self.stages.append(name)


@dataclass
class Observed:
    """A run and its evidence."""

    outcome: RunOutcome

    @property
    def directory(self) -> RunDirectory:
        return RunDirectory(self.outcome.directory)

    @property
    def manifest(self) -> Manifest:
        return self.directory.read_manifest()

    @property
    def cells(self) -> list[CellRecord]:
        return self.directory.read_cells()

    @property
    def trace(self) -> list[str]:
        [path] = self.directory.trace_paths()
        with open_trace(path) as stream:
            return stream.read().decode("utf-8", "surrogateescape").splitlines()

    @property
    def marks(self) -> list[tuple[int, str]]:
        """Thread and words of every mark of this run, in order."""
        found = ((line, MARK.search(line)) for line in self.trace)
        token = self.manifest.token
        return [(int(line.split()[0]), m[2]) for line, m in found if m and m[1] == token]

    def owners(self, name: str) -> list[str]:
        """Which cell's or item's mark is open on the thread at each opening of `name`."""
        open_marks: dict[str, list[str]] = {}
        result = []
        for line in self.trace:
            tid = line.split()[0]
            stack = open_marks.setdefault(tid, [])
            mark = MARK.search(line)
            if mark:
                kind, edge, execution = (*mark[2].split("/"), "")[:3]
                if edge == "start":
                    stack.append(f"{kind} {execution}")
                elif edge == "end" and stack:
                    stack.pop()
            elif f'"{name}"' in line and "open" in line and " = -1" not in line:
                result.append(stack[-1] if stack else "")
        return result

    def outputs(self) -> list[str]:
        return outputs_of(json.loads((self.outcome.directory / EXECUTED).read_text()))


def outputs_of(node: dict[str, Any]) -> list[str]:
    """Give the text of each code cell's outputs, addresses and process ids aside."""
    return [
        _steady("".join(_texts(output) for output in cell["outputs"]))
        for cell in node["cells"]
        if cell["cell_type"] == "code"
    ]


def _texts(output: dict[str, Any]) -> str:
    data = output.get("data", {}).get("text/plain", "")
    parts = (output.get("text", ""), "\n".join(output.get("traceback", ())), data)
    return "".join("".join(part) for part in parts)


def _steady(text: str) -> str:
    text = re.sub(r"0x[0-9a-f]+", "0x", text)
    return re.sub(r"ipykernel_\d+|/[^\s']*/kernel-[0-9a-f-]+\.json|/tmp/tmp\w+\.json", "…", text)


def write_notebook(folder: Path, sources: list[str], name: str = "small.ipynb") -> Path:
    """Write a notebook with these code cells, their ids c1, c2, ..."""
    cells = [v4.new_code_cell(s, id=f"c{n}") for n, s in enumerate(sources, 1)]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(v4.writes(v4.new_notebook(cells=cells)), encoding="utf-8")
    return path


def observe(notebook: Path, progress: Told | None = None, **options: Any) -> Observed:
    """Run a notebook with the project beside it."""
    project = Project(notebook.parent)
    return Observed(run_notebook(notebook, RunOptions(project=project, **options), progress))


def observe_cells(folder: Path, *sources: str, **options: Any) -> Observed:
    """Run code cells."""
    return observe(write_notebook(folder, list(sources)), **options)


def run_plainly(notebook: Path, allow_errors: bool = False) -> list[str]:
    """Give the outputs of the notebook when nothing observes it."""
    node = nbformat.read(notebook, as_version=4)
    resources = {"metadata": {"path": str(notebook.parent)}}
    NotebookClient(node, resources=resources, allow_errors=allow_errors, timeout=120).execute()
    return outputs_of(node)


def processes_named(marker: str) -> list[int]:
    """List the processes whose command line contains `marker`."""
    said = subprocess.run(["pgrep", "-f", marker], capture_output=True, text=True, check=False)
    return [int(pid) for pid in said.stdout.split()]
