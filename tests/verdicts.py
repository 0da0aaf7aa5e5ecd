"""Compare what nbrepro answers of a notebook with what its cells declared while they executed."""

from __future__ import annotations

import fnmatch
import functools
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from corpus import Case, Workspace
from nbformat import NotebookNode
from packaging.utils import canonicalize_name

DATA_ROLES = frozenset({"data", "config"})
EXACT_COLUMNS = frozenset({"named", "target"})
SHOWN = ("rule", "certainty", "evidence", "target", "sha256", "undigested", "process")
PackageKey = tuple[str, str, str]
"""Name, version and manager of a package."""
DIRECTIONS = {"read-write": ("read", "write")}


@dataclass(frozen=True, slots=True)
class Touch:
    """One direction of one file of one execution: declared by a cell, or reported by nbrepro."""

    execution: int
    direction: str
    path: str
    role: str = ""
    more: dict[str, Any] = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        shown = [f"{key}={self.more[key]}" for key in SHOWN if self.more.get(key)]
        return " ".join([f"[{self.execution}] {self.direction} {self.path!r} {self.role}", *shown])


@dataclass(slots=True)
class Truth:
    """What a notebook declared while it executed."""

    touched: list[Touch] = field(default_factory=list)
    may: list[Touch] = field(default_factory=list)
    packages: dict[int, set[PackageKey]] = field(default_factory=dict)
    may_packages: dict[int, set[PackageKey]] = field(default_factory=dict)
    positions: dict[int, int] = field(default_factory=dict)


def collect_truth(notebook: NotebookNode) -> Truth:
    """Read the declarations in the outputs of an executed notebook."""
    truth = Truth()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for position, cell in enumerate(code, 1):
        count = cell.execution_count or 0
        truth.positions[count] = position
        for word, value in declarations(cell):
            if word in ("touched", "may"):
                getattr(truth, word).extend(_touches(value, count))
            else:
                kind = truth.may_packages if word == "may_packages" else truth.packages
                kind.setdefault(count, set()).update(_packages(word, value))
    return truth


def declarations(cell: NotebookNode) -> Iterator[tuple[str, Any]]:
    """Yield the words and values of the lines that begin with `@`."""
    streams = [out.text for out in cell.outputs if out.output_type == "stream"]
    # A child's output may end without a newline: a declaration need not begin its line.
    for found in re.finditer(r"@(touched|may|packages?|may_packages) (.*)", "".join(streams)):
        yield found[1], json.loads(found[2])


def _touches(value: dict[str, Any], count: int) -> Iterator[Touch]:
    value = dict(value)
    execution, mode, path = value.pop("execution", count), value.pop("mode"), value.pop("path")
    role = value.pop("role", "")
    for direction in DIRECTIONS.get(mode, (mode,)):
        yield Touch(execution, direction, path, role, value)


def _packages(word: str, value: Any) -> Iterator[PackageKey]:
    if word == "package":
        value = [(value["name"], value["version"], value["manager"])]
    for name, version, *manager in value:
        yield canonicalize_name(name), version, (manager or ["pip"])[0]


@dataclass(slots=True)
class Verdict:
    """How one case's answers compare with its truth."""

    case: str
    cells: int = 0
    touched: int = 0
    found: int = 0
    reported: int = 0
    right: int = 0
    digests: int = 0
    digests_right: int = 0
    packages: int = 0
    packages_right: int = 0
    packages_added: int = 0
    outputs_equal: bool = True
    failed: bool = False
    problems: list[str] = field(default_factory=list)

    @property
    def recall(self) -> float:
        """Give the share of what was touched that is reported."""
        return self.found / self.touched if self.touched else 1.0

    @property
    def precision(self) -> float:
        """Give the share of what is reported that was touched."""
        return self.right / self.reported if self.reported else 1.0

    @property
    def good(self) -> bool:
        """Say whether the case reaches every aim."""
        packages = self.packages_right == self.packages and not self.packages_added
        packages = packages and self.digests_right == self.digests
        data = self.recall == 1.0 and self.precision >= 0.99
        return data and packages and self.outputs_equal and not self.failed


def judge_case(case: Case, base: Path) -> Verdict:
    """Execute a case plain and observed, and compare answers and outputs."""
    workspace = Workspace(base)
    plain = workspace.run_plain(case)
    observed = workspace.run_observed(case)
    truth = collect_truth(observed)
    verdict = Verdict(case.name, sum(cell.cell_type == "code" for cell in observed.cells))
    rows = workspace.answer("data", "--role", "all")
    touches = [touch for row in rows for touch in reported(row)]
    judge_data(verdict, truth, touches)
    judge_digests(verdict, truth, touches)
    judge_packages(verdict, truth, workspace)
    judge_outputs(verdict, plain, observed)
    return verdict


def reported(row: dict[str, Any]) -> Iterator[Touch]:
    """Yield what one row of `nbrepro data --json` reports, one direction each."""
    execution = row["execution_count"] or 0 if row["cell"] is not None else 0
    for direction in DIRECTIONS.get(row["mode"], (row["mode"],)):
        # A row of software carries no certainty of its own: it is its footprint's, and exact.
        more = row | {"certainty": row["certainty"] or "exact"}
        yield Touch(execution, direction, row["path"], row["role"], more)


def judge_data(verdict: Verdict, truth: Truth, rows: list[Touch]) -> None:
    """Count what was touched and found, what is reported and right; name each problem."""
    passing = _passing_paths(truth)
    for touch in set(truth.touched):
        found = [row for row in rows if satisfies(row, touch, passing)]
        verdict.touched += 1
        verdict.found += bool(found)
        if not found:
            near = "".join(f"\n    {row}" for row in rows if row.path == touch.path)
            verdict.problems.append(f"not reported: {touch}; rows of this path: {near or 'none'}")
    for row in sorted({row for row in rows if row.role in DATA_ROLES}, key=str):
        right = any(_allows(touch, row) for touch in (*truth.touched, *truth.may))
        verdict.reported += 1
        verdict.right += right
        if not right:
            verdict.problems.append(f"not touched: {row}")


def judge_digests(verdict: Verdict, truth: Truth, rows: list[Touch]) -> None:
    """Compare the content digests that cells declare with those of the rows for them."""
    for touch in truth.touched:
        if "sha256" not in touch.more:
            continue
        got = {row.more.get("sha256") for row in rows if _key(row) == _key(touch)}
        verdict.digests += 1
        verdict.digests_right += got == {touch.more["sha256"]}
        if got != {touch.more["sha256"]}:
            verdict.problems.append(f"digest: {touch}; reported {got or 'nothing'}")


def _key(touch: Touch) -> tuple[int, str, str]:
    return touch.execution, touch.direction, touch.path


def _passing_paths(truth: Truth) -> set[str]:
    """Give the paths that the notebook made and then removed or renamed: they may be temporary."""
    made = [touch.path for touch in truth.touched if touch.direction == "write"]
    gone = {touch.path for touch in truth.touched if touch.direction in ("remove", "rename")}
    first = {touch.path: touch.direction for touch in reversed(truth.touched)}
    return {path for path in made if path in gone and first[path] == "write"}


def satisfies(row: Touch, touch: Touch, passing: Iterable[str] = ()) -> bool:
    """Say whether a reported row is what a cell declared."""
    return (
        (row.direction, row.path) == (touch.direction, touch.path)
        and (row.execution, row.more["certainty"]) in _wanted(touch)
        and _role_fits(row.role, touch.role, touch.path in passing)
        and all(row.more[key] == touch.more[key] for key in EXACT_COLUMNS & touch.more.keys())
    )


def _wanted(touch: Touch) -> Iterator[tuple[int, str]]:
    yield touch.execution, touch.more.get("certainty", "exact")
    other = touch.more.get("otherwise")
    if other:
        yield other["execution"], other["certainty"]


def _role_fits(role: str, wanted: str, passing: bool) -> bool:
    if wanted:
        return wanted == "any" or role in wanted.split("|")
    return role in DATA_ROLES or (passing and role == "temporary")


def _allows(touch: Touch, row: Touch) -> bool:
    executions = {touch.execution, touch.more.get("otherwise", {}).get("execution")}
    return (
        row.direction == touch.direction
        and row.execution in executions
        and (row.path == touch.path or fnmatch.fnmatchcase(row.path, touch.path))
        and row.more["certainty"] in (touch.more.get("certainty", "exact"), "inferred")
    )


def judge_packages(verdict: Verdict, truth: Truth, workspace: Workspace) -> None:
    """Compare the packages of every cell that declares some, one manager at a time."""
    for count, wanted in truth.packages.items():
        rows = workspace.answer("packages", "--cell", str(truth.positions[count]))
        got = {(canonicalize_name(r["name"]), r["version"], r["manager"]) for r in rows}
        managers = {manager for _, _, manager in wanted} or {"pip"}
        got = {package for package in got if package[2] in managers}
        got -= truth.may_packages.get(count, set()) - wanted
        verdict.packages += len(wanted)
        verdict.packages_right += len(wanted & got)
        verdict.packages_added += len(got - wanted)
        if got != wanted:
            verdict.problems.append(
                f"packages of [{count}]: lacks {sorted(wanted - got)}, adds {sorted(got - wanted)}"
            )


PASSING = [
    (r"0x[0-9a-f]+", "0xADDRESS"),
    (r"(/tmp/|\.?)tmp[a-z0-9_]{8}", "TEMPORARY"),
    (r"ipykernel_\d+", "ipykernel_PID"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
    (r'"target": "\d+"', '"target": "PORT"'),
    (r"/\d{7,}\.py", "/CODE.py"),
]
"""What differs between any two executions: addresses, names of temporary files, pids, ports."""


def comparable(cell: NotebookNode) -> dict[str, str]:
    """Give the outputs of a cell without what differs between any two executions."""
    outputs: dict[str, str] = {}
    for out in cell.get("outputs", []):
        name = out.get("name", out.output_type)
        text = out.get("text") or json.dumps(out.get("data") or out.get("traceback"))
        outputs[name] = outputs.get(name, "") + text
    return {name: functools.reduce(_mask, PASSING, text) for name, text in outputs.items()}


def _mask(text: str, rule: tuple[str, str]) -> str:
    return re.sub(rule[0], rule[1], text)


def judge_outputs(verdict: Verdict, plain: NotebookNode, observed: NotebookNode) -> None:
    """Compare the outputs and execution counts, cell by cell."""
    for position, (a, b) in enumerate(zip(plain.cells, observed.cells, strict=True), 1):
        left = comparable(a), a.get("execution_count")
        right = comparable(b), b.get("execution_count")
        if left != right:
            verdict.outputs_equal = False
            verdict.problems.append(f"cell {position}: plain {left} but observed {right}")
