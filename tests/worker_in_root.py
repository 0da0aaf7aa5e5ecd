"""Starts a Dask worker in a root, has it run a task, and takes packages of the root away.

A program of its own: `worker_in_root.py < SPEC`. Functions of the recovered source are those of its
main module, so that they travel by value, as from a notebook. It prints a JSON object: what the
task gave with the whole root, and what became of it without each of the packages.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
from distributed import Client, LocalCluster

from nbrepro.packaging.isolation import Bind, Isolation, start_isolated

READY_S = 40
TASK_S = 30


def main() -> None:
    spec = json.load(sys.stdin)
    space = globals()
    os.chdir(spec["cwd"])
    exec(spec["source"], space)
    function, arguments = space[spec["function"]], eval(spec["arguments"], space)
    expected = repr(function(*arguments))
    # A worker that cannot even read its task drops the connection: that is a failure at once.
    dask.config.set({"distributed.scheduler.allowed-failures": 0})
    with (
        LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):

        def attempt() -> str:
            return run_task(client, cluster.scheduler_address, spec, function, arguments)

        answer: dict[str, Any] = {"expected": expected, "whole": attempt(), "without": {}}
        for package, files in spec["packages"].items():
            with hidden(spec["root"], files):
                answer["without"][package] = attempt()
        answer["again"] = attempt() if spec["packages"] else answer["whole"]
    print(json.dumps(answer))


def run_task(client: Client, address: str, spec: Any, function: Any, arguments: Any) -> str:
    """Start the worker, send it the task, and end it; give the task's result, or why none."""
    command = [
        spec["python"], "-m", "distributed.cli.dask_worker", address, "--no-nanny", "--nthreads",
        "1", "--no-dashboard", "--local-directory", "/tmp", "--death-timeout", "20",
    ]  # fmt: skip
    environment = {"PATH": str(Path(spec["python"]).parent), "HOME": "/tmp", "LANG": "C.UTF-8",
                   "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # fmt: skip
    binds = tuple(Bind(Path(path), path, writable=True) for path in spec["binds"])
    wanted = Isolation(
        Path(spec["root"]), tuple(command), spec["cwd"], environment, binds=binds, network=True
    )
    with (
        tempfile.TemporaryFile() as log,
        start_isolated(wanted, stdout=log, stderr=subprocess.STDOUT) as process,
    ):
        try:
            if not await_worker(client, process):
                log.seek(0)
                said = log.read().decode(errors="replace").strip().splitlines()
                return f"no worker: {said[-1] if said else 'nothing said'}"
            future = client.submit(function, *arguments, pure=False, retries=0)
            try:
                return "gave " + repr(future.result(timeout=TASK_S))
            except Exception as error:
                return f"task failed: {type(error).__name__}: {error}"
        finally:
            process.kill()
            process.wait()
            await_worker(client, None)


def await_worker(client: Client, process: Any) -> bool:
    """Wait until the worker has come, or, without a process, until it has gone."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        present = bool(client.scheduler_info(n_workers=-1)["workers"])
        if present == (process is not None):
            return True
        if process is not None and process.poll() is not None:
            return False
        time.sleep(0.05)
    return False


@contextlib.contextmanager
def hidden(root: str, files: list[str]) -> Iterator[None]:
    """Take files out of a root, with the directories that are empty then, and put them back."""
    away = Path(f"{root}.away")
    for file in files:
        target = away / file.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        Path(root + file).rename(target)
        for parent in Path(root + file).parents:
            try:
                parent.rmdir()
            except OSError:
                break
    try:
        yield
    finally:
        for file in files:
            Path(root + file).parent.mkdir(parents=True, exist_ok=True)
            (away / file.lstrip("/")).rename(root + file)


if __name__ == "__main__":
    main()
