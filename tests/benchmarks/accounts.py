"""What a run of a notebook cost, workers and tracers included.

A control group counts the CPU seconds of every process there was, also of those that were killed or
left nobody to tell: cgroups(7). The group needs root, as the separate hosts do.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Bill:
    """Seconds, of the command and of every process there was, and bytes of traces.

    `home_s` is from the notebook's last cell to the kernel's end, when workers' traces are home,
    and `after_s` from there to the command's end, when all is in the store.
    """

    wall_s: float
    cpu_s: float
    home_s: float = 0.0
    after_s: float = 0.0
    trace_bytes: int = 0


def read_bill(bill: Bill, ended_ns: int, folder: Path) -> Bill:
    """Add what the one run directory below `folder` tells of a command that ended at `ended_ns`."""
    (run,) = folder.glob("**/.nbrepro/runs/*")
    manifest = json.loads((run / "manifest.json").read_text())
    cells = [json.loads(line) for line in (run / "cells.jsonl").read_text().splitlines()]
    last_ns = max(cell["ended_ns"] for cell in cells)
    return replace(
        bill,
        home_s=(manifest["ended_ns"] - last_ns) / 1e9,
        after_s=(ended_ns - manifest["ended_ns"]) / 1e9,
        trace_bytes=sum(path.stat().st_size for path in run.glob("**/*.strace*")),
    )


@contextlib.contextmanager
def account() -> Iterator[Callable[[], float]]:
    """Count this process and all that it starts from now on; give what asks for the seconds."""
    v1 = GROUPS / "cpuacct"
    parent = v1 if v1.is_dir() else GROUPS
    group = parent / f"nbrepro-benchmark-{os.getpid()}"
    group.mkdir()
    before = _group_of_this_process(parent)
    (group / "cgroup.procs").write_text(str(os.getpid()))
    try:
        yield lambda: _seconds(group)
    finally:
        (before / "cgroup.procs").write_text(str(os.getpid()))
        with contextlib.suppress(OSError):  # a process may still end
            group.rmdir()


def _group_of_this_process(parent: Path) -> Path:
    name = "cpuacct" if parent.name == "cpuacct" else ""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if name in controllers.split(","):
            return parent / path.lstrip("/")
    return parent


def _seconds(group: Path) -> float:
    if (group / "cpuacct.usage").is_file():
        return int((group / "cpuacct.usage").read_text()) / 1e9
    words = dict(line.split() for line in (group / "cpu.stat").read_text().splitlines())
    return int(words["usage_usec"]) / 1e6
