"""What a live test needs, and what happens where the machine lacks it.

A test marked `live` runs a real strace, kernel or other component. On a user's machine it is
skipped, with the reason, where that is missing; where NBREPRO_REQUIRE_LIVE=1 it fails instead.
`@pytest.mark.live` alone asks for strace and a kernel; `@pytest.mark.live("kernel")` for what it
names: `strace`, `kernel`, `isolation` (a root of one's own), or a module or program.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

LONG = (
    "live/taskvine",
    "live/dask",
    "live/",
    "test_slices_live.py",
    "test_packaging",
    "test_notebooks.py",
    "test_corpus.py",
    "test_readme.py",
)
"""Where tests take longest: first, so that no process is left alone with one at the end."""
REQUIRED = os.environ.get("NBREPRO_REQUIRE_LIVE") == "1"


@functools.cache
def lack(component: str) -> str:
    """Say why `component` cannot be used on this machine; empty where it can."""
    if component == "strace":
        return _lack_of_strace()
    if component == "isolation":
        return _lack_of_isolation()
    if component == "kernel":
        return "" if importlib.util.find_spec("ipykernel") else "ipykernel is not installed"
    if shutil.which(component) or importlib.util.find_spec(component):
        return ""
    return f"no module or program {component!r}"


def _lack_of_strace() -> str:
    if not shutil.which("strace"):
        return "strace is not installed"
    probe = ["strace", "-f", "-o", "/dev/null", "true"]
    finished = subprocess.run(probe, capture_output=True, text=True, timeout=30)
    return f"ptrace is forbidden ({finished.stderr.strip()})" if finished.returncode else ""


def _lack_of_isolation() -> str:
    from nbrepro.errors import MachineError
    from nbrepro.packaging.isolation import find_way

    try:
        find_way()
    except MachineError as error:
        return str(error)
    return ""


def pytest_configure(config: pytest.Config) -> None:
    # Tests of one xdist_group share a server or a recorded run: they belong into one process.
    if getattr(config.option, "dist", "no") == "load":
        config.option.dist = "loadgroup"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_place_in_order)


def _place_in_order(item: pytest.Item) -> int:
    path = item.path.as_posix()
    return next((place for place, part in enumerate(LONG) if f"/tests/{part}" in path), len(LONG))


def pytest_runtest_setup(item: pytest.Item) -> None:
    mark = item.get_closest_marker("live")
    if mark:
        reasons = filter(None, map(lack, mark.args or ("strace", "kernel")))
        for reason in reasons:
            pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if REQUIRED and report.skipped and item.get_closest_marker("live"):
        report.outcome = "failed"
        report.longrepr = f"a live test may not skip here: {report.longrepr}"
    return report


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a project with the recorded runs of `recorded`."""
    from recorded import make_project

    root = tmp_path_factory.mktemp("project").resolve()
    make_project(root)
    return root
