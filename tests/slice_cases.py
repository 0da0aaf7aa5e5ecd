"""The corpus of slices: small notebooks that declare what each of their outputs needs.

A case is `tests/cases/slices/NAME.py` in percent format. Comment lines before the first cell:

    need 4: 1 2 4        what the output of the 4th execution needs, itself included: the true
                         minimum, written by hand (again for every execution that shows something)
    order: 1 2 2 3       which code cells execute (all, once, unless given)
    requires: numpy      modules that the case needs
    errors               cells may fail
    files                needs the tracer: it runs as a real notebook only

`python tests/slice_cases.py` is a server: each line on its standard input is a job, cells to run in
a fresh fork of one IPython that has the heavy modules loaded; with a log, the probe looks at its
names as in an observed kernel. So hundreds of slices run in seconds.
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbrepro.rundir import CellRecord, NamesView

CASES = Path(__file__).parent / "cases" / "slices"
PROBES = Path(__file__).parents[1] / "nbrepro" / "capture" / "probes"
_HEAVY = ("numpy", "pandas", "matplotlib", "matplotlib.pyplot")


@dataclass(frozen=True, slots=True)
class SliceCase:
    """One notebook of the corpus: its cells, their order, what each output needs."""

    name: str
    cells: tuple[str, ...]
    order: tuple[int, ...]
    needs: Mapping[int, frozenset[int]]
    requires: tuple[str, ...] = ()
    errors: bool = False
    files: bool = False
    inputs: Mapping[str, str] = field(default_factory=dict)

    def sources(self) -> list[str]:
        """Give the code of each execution, in order."""
        return [self.cells[position - 1] for position in self.order]


def load_cases(*, files: bool = False) -> list[SliceCase]:
    """Load the corpus in order of name: the cases that need the tracer, or all others."""
    every = [load_case(path.stem) for path in sorted(CASES.glob("*.py"))]
    return [case for case in every if case.files == files]


def load_case(name: str) -> SliceCase:
    """Load one case."""
    head, *cells = re.split(r"(?m)^# %%\n", (CASES / f"{name}.py").read_text())
    needs, told = {}, {}
    for line in head.splitlines():
        key, _, value = line.removeprefix("# ").partition(":")
        if key.startswith("need "):
            needs[int(key.split()[1])] = frozenset(map(int, value.split()))
        else:
            told[key.strip()] = value.strip()
    order = tuple(map(int, told.get("order", "").split())) or tuple(range(1, len(cells) + 1))
    inputs = dict(word.split("=", 1) for word in told.get("inputs", "").split())
    return SliceCase(
        name, tuple(cell.strip("\n") for cell in cells), order, needs,
        tuple(told.get("requires", "").split()), "errors" in told, "files" in told, inputs,
    )  # fmt: skip


def missing(case: SliceCase) -> list[str]:
    """List the modules that a case requires and this machine lacks."""
    return [name for name in case.requires if not importlib.util.find_spec(name)]


@dataclass(frozen=True, slots=True)
class Ran:
    """What a job did: the output and status of each execution, and the probe's views."""

    outputs: list[str]
    statuses: list[str]
    views: list[NamesView]


class Server:
    """The other side of `serve`: runs lists of cells, each in a fork of its own."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    def run(self, cells: Iterable[str], folder: Path, log: Path | None = None) -> Ran:
        """Run cells one after the other in `folder`, which is made; with `log`, note the views."""
        assert self._process.stdin and self._process.stdout
        folder.mkdir(parents=True, exist_ok=True)
        job = {"cells": list(cells), "folder": str(folder), "log": str(log or "")}
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        views = [NamesView(**view) for view in answer["views"]]
        return Ran(answer["outputs"], answer["statuses"], views)


def records_of(case: SliceCase, ran: Ran) -> list[CellRecord]:
    """Give the cell log of a case that ran."""
    return [
        CellRecord(n, position, f"c{position}", n, source, status, 0, 0)
        for n, (position, source, status) in enumerate(
            zip(case.order, case.sources(), ran.statuses, strict=True), 1
        )
    ]


# The server


def serve() -> None:
    """Answer jobs until the standard input ends."""
    shell = make_shell()
    for name in _HEAVY:
        if importlib.util.find_spec(name.partition(".")[0]):
            importlib.import_module(name)
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            answer = answer_job(shell, json.loads(line))
            with os.fdopen(writing, "w") as stream:
                stream.write(answer)
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as stream:
            answers.write(stream.read() + "\n")
        os.waitpid(child, 0)
        answers.flush()


def make_shell() -> Any:
    """Make an IPython that shows values and errors as plain text, without numbers of prompts."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    shell.history_manager.enabled = False
    shell.displayhook.write_output_prompt = lambda: None
    shell.system = shell.system_piped
    shell._showtraceback = lambda kind, error, _lines: print(f"{kind.__name__}: {error}")
    return shell


def answer_job(shell: Any, job: dict[str, Any]) -> str:
    """Run one job in this process, which is its own."""
    os.chdir(job["folder"])
    sys.path[0] = job["folder"]
    view = None
    if job["log"]:
        spaces = {}
        for name in ("reaching", "variables"):
            spaces[name] = {"__name__": name}
            exec((PROBES / f"{name}.py").read_text(), spaces[name])
        view = spaces["variables"]["View"](job["log"], spaces["reaching"])
    outputs, statuses = [], []
    for number, source in enumerate(job["cells"], 1):
        if view:
            view.start()
        sys.stdout = sys.stderr = stream = io.StringIO()
        result = shell.run_cell(source, store_history=True)
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
        if view:
            view.end(shell, number)
        outputs.append(stream.getvalue())
        statuses.append("ok" if result.success else "failed")
    views = Path(job["log"]).with_name("variables.jsonl") if job["log"] else None
    lines = views.read_text().splitlines() if views and views.exists() else []
    return json.dumps(
        {"outputs": outputs, "statuses": statuses, "views": [json.loads(line) for line in lines]}
    )


if __name__ == "__main__":
    serve()
