"""Directories of workers are forgotten when they are old, and never while in use."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import pytest

from nbrepro.capture import aging
from nbrepro.rundir import Host, Tracer, WorkerDirectory, WorkerManifest

NOW_S = 1_800_000_000.0
HERE = platform.node() or "localhost"
DAY_S = 86_400


def make(home: Path, name: str, idle_days: float, host: str = HERE) -> WorkerDirectory:
    directory = WorkerDirectory(home / name).create()
    manifest = WorkerManifest(
        worker=name, engine="dask", host=Host(host), tracer=Tracer("strace"), command=(),
        pid=1, cwd="/", started_ns=1, roots={},
    )  # fmt: skip
    directory.write_manifest(manifest)
    directory.open_trace_path.write_text("")
    stamp = NOW_S - idle_days * DAY_S
    os.utime(directory.open_trace_path, (stamp, stamp))
    return directory


@pytest.mark.parametrize(
    ("idle_days", "fetched", "gone"),
    [(0.5, True, False), (2, True, True), (2, False, False), (31, False, True)],
)
def test_age_decides_and_what_came_home_is_old_sooner(
    tmp_path: Path, idle_days: float, fetched: bool, gone: bool
):
    directory = make(tmp_path, "w-1-00000000", idle_days)
    if fetched:
        aging.note_fetched(directory)
    assert aging.forget_old(tmp_path, NOW_S) == ([directory.path] if gone else [])
    assert directory.path.exists() is not gone


def test_other_machines_and_other_directories_are_left_alone(tmp_path: Path):
    other = make(tmp_path, "w-1-00000000", 400, host="elsewhere")
    (tmp_path / "notes").mkdir()
    torn = tmp_path / "w-2-00000000"
    torn.mkdir()
    (torn / "worker.json").write_text("{")
    os.utime(torn / "worker.json", (1, 1))
    assert aging.forget_old(tmp_path, NOW_S) == []
    assert {path.name for path in tmp_path.iterdir()} == {"notes", torn.name, other.path.name}
    assert not aging.forget(other)


def test_a_worker_whose_tracer_writes_is_kept_however_old(tmp_path: Path):
    directory = make(tmp_path, "w-1-00000000", 400)
    stamps = os.stat(directory.open_trace_path)
    script = f"exec 9>>{directory.open_trace_path}; echo ready; exec sleep 30"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE) as writer:
        assert writer.stdout.readline() == b"ready\n"
        os.utime(directory.open_trace_path, ns=(stamps.st_atime_ns, stamps.st_mtime_ns))
        assert aging.forget_old(tmp_path, NOW_S) == []
        assert not aging.forget(directory)
        writer.kill()
    assert aging.forget(directory)
    assert list(tmp_path.iterdir()) == []
