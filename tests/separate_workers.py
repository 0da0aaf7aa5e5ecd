"""Dask workers that are started by themselves, under observation, as on other machines."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

HOMES = "workers"
READY_S = 60
END_S = 10


@contextlib.contextmanager
def separate_workers(folder: Path, number: int) -> Iterator[str]:
    """Start a scheduler and workers under `nbrepro worker`; give the scheduler's address.

    They work in `folder`, and their directories are made in `workers` there.
    """
    contact = folder / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    watched = [sys.executable, "-m", "nbrepro", "worker", "--dir", str(folder / HOMES), "--"]
    options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--death-timeout", "120"]
    scheduler = [*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    commands = [[*scheduler, "--scheduler-file", str(contact)]]
    commands += [[*watched, *dask, "worker", *options, "--scheduler-file", str(contact)]] * number
    with (folder / "log").open("wb") as log, contextlib.ExitStack() as stack:
        for command in commands:
            process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
            stack.callback(end, process)
        deadline = time.monotonic() + READY_S
        while not contact.exists() or not contact.read_text().strip():
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.1)
        yield str(json.loads(contact.read_text())["address"])


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end, then make it."""
    process.terminate()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(END_S)
