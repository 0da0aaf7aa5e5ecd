"""The corpus: small notebooks that declare what they touch, and how one executes.

A case is `tests/cases/notebooks/NAME.py` in percent format. Comment lines before the first cell
describe it; those of the form `key: value` are settings:

    requires: numpy dpkg    modules and programs that the case needs
    prelude: packages|none  which prelude cells come first (always `_prelude.py` but for `none`)
    options: --allow-errors more words for `nbrepro run`
    exit: 1                 what `nbrepro run` exits with
    order: 1,2,2            which code cells execute, counted with the prelude
    cells-without-ids       nbformat 4.4

`# %% [setup]` is no cell of the notebook: it runs in the empty folder beforehand and makes the
inputs. `# %% [repeat N]` stands for N cells, `@N@` in it for their number. While it executes, a
cell prints its own truth, so that the judge is never a reader of ours:

    @touched {"mode": "read", "path": "/..."}    this must be reported, for this cell
    @may {"mode": "write", "path": "/..."}       this may be reported (the path may hold * and ?)
    @packages [["numpy", "2.4.6"]]               exactly these distributions, of this cell
    @may_packages [["coverage", "7.1"]]          and perhaps these
    @package {"name": ..., "version": ..., "manager": ...}

`execution` in a line speaks for another execution, `role` for another role than data.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from commands import ask
from nbclient import NotebookClient
from nbformat import NotebookNode

ENVIRONMENT = {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": ""}
CASES = Path(__file__).parent / "cases" / "notebooks"
TIMEOUT_S = 150


@dataclass(frozen=True, slots=True)
class Case:
    """One notebook of the corpus, as text."""

    name: str
    settings: dict[str, str]
    setup: str
    cells: tuple[tuple[str, str], ...]

    @property
    def order(self) -> tuple[int, ...]:
        """Give the positions of the code cells to execute; empty: all of them, once."""
        words = self.settings.get("order", "")
        return tuple(int(word) for word in words.split(",") if word)

    @property
    def options(self) -> list[str]:
        """Give the words that `nbrepro run` takes for this case."""
        return self.settings.get("options", "").split()

    @property
    def exit_code(self) -> int:
        """Give what `nbrepro run` must exit with."""
        return int(self.settings.get("exit", "0"))


def load_case(name: str, cases: Path = CASES) -> Case:
    """Load one case of tests/cases/notebooks, or of another directory."""
    head, *blocks = re.split(r"(?m)^# %%", (cases / f"{name}.py").read_text())
    settings = dict(_settings(head))
    setup, cells = "", []
    for kind, source in map(_block, blocks):
        if kind == "setup":
            setup = source
        elif kind.startswith("repeat"):
            count = int(kind.split()[1])
            cells += [("code", source.replace("@N@", str(n))) for n in range(1, count + 1)]
        else:
            cells.append((kind or "code", source))
    return Case(name, settings, setup, (*_prelude(settings), *cells))


def case_names() -> list[str]:
    """List the corpus in order of name."""
    return sorted(path.stem for path in CASES.glob("[!_]*.py"))


def _settings(head: str) -> Iterator[tuple[str, str]]:
    for line in head.splitlines():
        found = re.fullmatch(
            r"# (requires|prelude|options|exit|order|cells-without-ids)(: (.*))?", line
        )
        if found:
            yield found[1], found[3] or "yes"


def _block(text: str) -> tuple[str, str]:
    first, _, source = text.partition("\n")
    kind = first.strip().strip("[]")
    if kind == "markdown":
        source = re.sub(r"(?m)^# ?", "", source)
    return kind, source.strip("\n")


def _prelude(settings: dict[str, str]) -> list[tuple[str, str]]:
    wanted = settings.get("prelude", "")
    names = {"none": [], "packages": ["_prelude", "_packages"]}.get(wanted, ["_prelude"])
    return [("code", (CASES / f"{name}.py").read_text().strip()) for name in names]


def missing(case: Case) -> list[str]:
    """List what the case requires and this machine lacks."""
    words = case.settings.get("requires", "").split()
    return [w for w in words if not shutil.which(w) and not importlib.util.find_spec(w)]


def to_notebook(case: Case) -> NotebookNode:
    """Give the case as a notebook, without outputs."""
    make = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}
    cells = [make[kind](source, id=f"c{n}") for n, (kind, source) in enumerate(case.cells, 1)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    if "cells-without-ids" in case.settings:
        notebook.nbformat_minor = 4
        for cell in cells:
            del cell["id"]
    return notebook


@dataclass(frozen=True, slots=True)
class Workspace:
    """A base directory with `.nbrepro/` and, beside it, the one folder a case executes in."""

    base: Path

    @property
    def folder(self) -> Path:
        """Give the folder of the notebook: the same for every execution of the case."""
        return self.base / "work"

    def prepare(self, case: Case) -> Path:
        """Make the folder anew with its inputs; give the notebook's path."""
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.base / ".nbrepro").mkdir(parents=True, exist_ok=True)
        inputs = CASES / case.name
        shutil.copytree(inputs, self.folder) if inputs.is_dir() else self.folder.mkdir()
        if case.setup:
            self.command([sys.executable, "-c", case.setup])
        path = self.folder / f"{case.name}.ipynb"
        nbformat.write(to_notebook(case), path)
        return path

    def command(self, words: list[str], exit_code: int = 0) -> str:
        """Run a command in the folder, bounded in time; give its output, or say why it failed."""
        environment = os.environ | ENVIRONMENT
        with subprocess.Popen(
            words, cwd=self.folder, env=environment, text=True, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as child:  # fmt: skip
            try:
                output, errors = child.communicate(timeout=TIMEOUT_S)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                raise AssertionError(f"{words} ran for more than {TIMEOUT_S} s") from None
        if child.returncode != exit_code:
            raise AssertionError(f"{words} exited {child.returncode}, not {exit_code}: {errors}")
        return output

    def run_plain(self, case: Case) -> NotebookNode:
        """Execute the case without observation; give the executed notebook."""
        return execute(self.prepare(case), case)

    def run_observed(self, case: Case) -> NotebookNode:
        """Execute the case under `nbrepro run`; give the executed notebook."""
        path = self.prepare(case)
        order = ["--order", case.settings["order"]] if case.order else []
        words = [*NBREPRO, "run", str(path), *case.options, *order, "--no-progress"]
        self.command(words, case.exit_code)
        (executed,) = (self.base / ".nbrepro" / "runs").glob("*/executed.ipynb")
        return nbformat.read(executed, as_version=4)

    def answer(self, *words: str) -> list[dict[str, Any]]:
        """Ask `nbrepro` with --json; give the rows."""
        return ask(self.folder, *words)


NBREPRO = [sys.executable, "-m", "nbrepro"]


def execute(path: Path, case: Case) -> NotebookNode:
    """Execute a notebook with nbclient alone, in the case's order, errors kept as outputs."""
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    client = NotebookClient(
        notebook, timeout=120, kernel_name="python3",
        allow_errors="--allow-errors" in case.options,
        resources={"metadata": {"path": str(path.parent)}},
    )  # fmt: skip
    code = [index for index, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    indices = [code[position - 1] for position in case.order] or range(len(notebook.cells))
    with client.setup_kernel(env=os.environ | ENVIRONMENT):
        for index in indices:
            try:
                client.execute_cell(notebook.cells[index], index)
            except Exception:
                break  # it is an output of the cell
    # As it is once it was saved and read again.
    return nbformat.reads(nbformat.writes(notebook), as_version=4)
