"""A worker under observation behaves as it does alone, and its evidence can be taken any time."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from nbrepro.capture import collecting, worker
from nbrepro.capture.archives import unpacked
from nbrepro.errors import UsageError
from nbrepro.resources import find_resources
from nbrepro.rundir import WorkerDirectory, open_trace

NBREPRO = [sys.executable, "-P", "-m", "nbrepro"]
WAIT_S = 60

DECLARES = """
import json, os, signal, sys, time
def end(*_):
    print("handled", flush=True)
    sys.exit(3)
signal.signal(signal.SIGTERM, end)
data = open("in.csv").read()
open("out.csv", "w").write(data * 2)
print(json.dumps([os.getpid(), os.getppid(), sys.argv[1:]]), flush=True)
if "wait" in sys.argv:
    time.sleep(60)
sys.exit(7)
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "w.py").write_text(DECLARES)
    (tmp_path / "in.csv").write_text("1,2\n")
    return tmp_path


def environment(place: Path, **more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("NBREPRO_")}
    return kept | {"NBREPRO_WORKER_DIR": str(place / "home"), "HOME": str(place)} | more


def start(place: Path, *words: str, before: tuple[str, ...] = (), **more: str) -> subprocess.Popen:
    return subprocess.Popen(
        [*before, *NBREPRO, "worker", "--", *words], cwd=place, text=True,
        env=environment(place, **more), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def only_worker(place: Path) -> WorkerDirectory:
    [found] = (place / "home").iterdir()
    return WorkerDirectory(found)


def wait_for_end(directory: WorkerDirectory) -> None:
    """Wait until the tracer, which ends after the worker, has written the last line."""
    deadline = time.monotonic() + WAIT_S
    while b"+++ " not in directory.open_trace_path.read_bytes().rsplit(b"\n", 2)[-2]:
        assert time.monotonic() < deadline, "the trace has no end"
        time.sleep(0.05)


def paths_seen(directory: WorkerDirectory) -> set[str]:
    return {sighting.path for sighting in directory.read_sightings()}


@pytest.mark.live("strace")
def test_worker_keeps_its_pid_and_exit_code_and_no_secret_is_in_its_evidence(place: Path):
    process = start(place, sys.executable, "w.py", PASSWORD="s3cr3t-of-mine")
    said, complaints = process.communicate(timeout=WAIT_S)
    assert process.returncode == 7
    assert json.loads(said)[:2] == [process.pid, os.getpid()]
    assert complaints == ""
    directory = only_worker(place)
    wait_for_end(directory)
    manifest = directory.read_manifest()
    assert manifest.pid == process.pid
    assert manifest.tracer.name == "strace"
    assert manifest.command == (sys.executable, "w.py")
    assert manifest.version == ".".join(map(str, sys.version_info[:3]))
    schema = json.loads((find_resources("schemas") / "worker.schema.json").read_text())
    jsonschema.validate(json.loads((directory.path / "worker.json").read_text()), schema)
    everything = b"".join(p.read_bytes() for p in directory.path.rglob("*") if p.is_file())
    assert b"s3cr3t-of-mine" not in everything
    assert b"/in.csv" in directory.open_trace_path.read_bytes()


@pytest.fixture
def waiting(place: Path) -> Iterator[subprocess.Popen]:
    process = start(place, sys.executable, "w.py", "wait")
    assert process.stdout.readline().startswith("[")
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate(timeout=WAIT_S)


@pytest.mark.live("strace")
def test_evidence_is_taken_while_the_worker_runs_and_its_handler_meets_sigterm(
    place: Path, waiting: subprocess.Popen
):
    directory = only_worker(place)
    archive = place / "a.tar.zst"
    script = directory.path / worker.COLLECT
    # As a task would call it: another folder, an empty environment.
    made = subprocess.run(
        [script, "-o", archive, "--address", "tcp://w:1", "--clock-offset-ns", "5",
         "--clock-error-ns", "2"],
        cwd="/", env={}, capture_output=True, text=True, timeout=WAIT_S,
    )  # fmt: skip
    assert (made.returncode, made.stderr) == (0, "")
    with unpacked(archive, place / "x") as taken:
        manifest = taken.read_manifest()
        assert (manifest.status, manifest.notes) == ("ok", (collecting.STILL_RUNNING,))
        assert (manifest.address, manifest.clock_offset_ns) == ("tcp://w:1", 5)
        assert {str(place / "in.csv"), str(place / "out.csv")} <= paths_seen(taken)
        assert any(o.package and o.package.name for o in taken.read_software())
        with open_trace(taken.find_trace()) as stream:
            content = stream.read()
        assert content.endswith(b"\n")
        assert directory.open_trace_path.read_bytes().startswith(content)
    waiting.send_signal(signal.SIGTERM)
    said, _ = waiting.communicate(timeout=WAIT_S)
    assert (waiting.returncode, said) == (3, "handled\n")


@pytest.mark.live("strace")
def test_killed_worker_is_told_apart(place: Path, waiting: subprocess.Popen):
    waiting.kill()
    waiting.communicate(timeout=WAIT_S)
    assert waiting.returncode == -signal.SIGKILL
    directory = only_worker(place)
    wait_for_end(directory)
    (place / "t").mkdir()
    manifest = collecting.collect(directory, place / "t").read_manifest()
    assert (manifest.status, manifest.error) == ("killed", "killed by SIGKILL")
    assert manifest.ended_ns > manifest.started_ns


@pytest.mark.live("strace")
def test_worker_below_another_tracer_is_not_traced_twice(place: Path):
    outer = ("strace", "-f", "-o", str(place / "outer"))
    process = start(place, sys.executable, "w.py", before=outer)
    _, complaints = process.communicate(timeout=WAIT_S)
    assert process.returncode == 7
    assert "already traced" in complaints
    manifest = only_worker(place).read_manifest()
    assert manifest.status == "unobserved"
    assert str(place / "outer") in manifest.notes[0]


def test_worker_runs_untraced_without_strace(place: Path):
    process = start(place, sys.executable, "w.py", PATH=str(place))
    said, complaints = process.communicate(timeout=WAIT_S)
    assert (process.returncode, json.loads(said)[0]) == (7, process.pid)
    assert complaints.count("\n") == 1
    assert "untraced: strace is not installed" in complaints
    manifest = only_worker(place).read_manifest()
    assert (manifest.status, manifest.tracer.name) == ("unobserved", "none")
    assert "strace is not installed" in manifest.error


def test_insisting_on_strace_starts_nothing_without_it(place: Path):
    finished = subprocess.run(
        [*NBREPRO, "worker", "--tracer", "strace", "--", sys.executable, "w.py"],
        cwd=place, env=environment(place, PATH=""), capture_output=True, text=True, timeout=WAIT_S,
    )  # fmt: skip
    assert finished.returncode == 6
    assert not (place / "out.csv").exists()


def test_nowhere_to_write_does_not_prevent_the_worker(place: Path):
    (place / "home").write_text("a file is in the way")
    process = start(place, sys.executable, "w.py")
    _, complaints = process.communicate(timeout=WAIT_S)
    assert process.returncode == 7
    assert "runs unobserved" in complaints


def test_missing_program_and_missing_command_are_told(place: Path):
    process = start(place, "no-such-worker")
    assert "no such program" in process.communicate(timeout=WAIT_S)[1]
    assert process.returncode == 127
    with pytest.raises(UsageError, match="no worker to start"):
        worker.start_worker([], None)


def fake_vine_worker(place: Path) -> Path:
    """Make a vine_worker that tells how it was called."""
    program = place / "bin" / "vine_worker"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$@"\necho "$NBREPRO_WORKER" "$NBREPRO_COLLECT"\nexit 9\n')
    program.chmod(0o755)
    return program


@pytest.mark.live("strace")
@pytest.mark.parametrize("copied", [False, True], ids=["in place", "copied by vine_factory"])
def test_shim_is_a_vine_worker_with_the_feature_that_names_it(place: Path, copied: bool):
    path = f"{fake_vine_worker(place).parent}:{os.environ['PATH']}"
    shim = place / "shims" / "vine_worker"
    shim.parent.mkdir()
    subprocess.run(
        [*NBREPRO, "worker", "--shim", shim], env=environment(place, PATH=path), check=True,
        timeout=WAIT_S,
    )  # fmt: skip
    if copied:
        shim = Path(shutil.copy(shim, place / "vine_worker"))
    finished = subprocess.run(
        [shim, "host", "9123"], capture_output=True, text=True, timeout=WAIT_S,
        # First on PATH it must still find the real one.
        env=environment(place, PATH=f"{shim.parent}:{path}"),
    )  # fmt: skip
    assert (finished.returncode, finished.stderr) == (9, "")
    directory = only_worker(place)
    assert directory.read_manifest().engine == "taskvine"
    assert finished.stdout.splitlines() == [
        f"--feature nbrepro:{directory.path.name} host 9123",
        f"{directory.path.name} {directory.path / worker.COLLECT}",
    ]


def test_shim_on_path_is_never_taken_for_the_real_worker(place: Path, monkeypatch):
    real = fake_vine_worker(place)
    shim = place / "vine_worker"
    monkeypatch.setenv("PATH", f"{place}:{real.parent}")
    worker.write_shim(shim, [], None, "auto")
    worker.write_shim(shim, [], None, "auto")
    assert f"exec {real} " in shim.read_text()


@pytest.mark.parametrize(
    ("command", "engine"),
    [
        (["/usr/bin/vine_worker", "h", "1"], "taskvine"),
        (["dask", "worker", "tcp://h:1"], "dask"),
        (["dask-worker", "tcp://h:1"], "dask"),
        (["python", "-m", "distributed.cli.dask_worker"], "dask"),
        (["python", "-m", "dask", "worker"], "dask"),
        (["python", "w.py"], "unknown"),
    ],
)
def test_engine_is_told_by_the_command(command: list[str], engine: str):
    assert worker.find_engine(command) == engine


def test_home_is_as_given_then_as_the_environment_says(monkeypatch, tmp_path: Path):
    monkeypatch.delenv("NBREPRO_WORKER_DIR", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert worker.find_worker_home() == tmp_path / "nbrepro" / "workers"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert worker.find_worker_home() == tmp_path / ".local" / "state" / "nbrepro" / "workers"
    monkeypatch.setenv("NBREPRO_WORKER_DIR", str(tmp_path / "e"))
    assert worker.find_worker_home() == tmp_path / "e"
    assert worker.find_worker_home(tmp_path / "g") == tmp_path / "g"


DASK = """
import sys
from distributed import Client, LocalCluster
def touch(folder):
    import os
    with open(folder + "/in.csv") as a, open(folder + "/task.csv", "w") as b:
        b.write(a.read())
    return os.environ["NBREPRO_WORKER"]
if __name__ == "__main__":
    with LocalCluster(n_workers=0, dashboard_address=None) as cluster, Client(cluster) as client:
        print(cluster.scheduler_address, flush=True)
        client.wait_for_workers(1, timeout=60)
        print(client.submit(touch, sys.argv[1]).result(timeout=60), flush=True)
"""


@pytest.mark.live("strace", "distributed")
@pytest.mark.timeout(240)
def test_dask_worker_is_observed(place: Path):
    (place / "d.py").write_text(DASK)
    client = subprocess.Popen(
        [sys.executable, "d.py", place], cwd=place, text=True, env=environment(place),
        stdout=subprocess.PIPE,
    )  # fmt: skip
    address = client.stdout.readline().strip()
    dask = str(Path(sys.executable).parent / "dask")
    process = start(place, dask, "worker", address, "--nworkers", "1", "--no-dashboard",
                    "--death-timeout", "60")  # fmt: skip
    try:
        name = client.communicate(timeout=120)[0].strip()
        assert client.returncode == 0
    finally:
        client.kill()
        process.terminate()
        process.communicate(timeout=WAIT_S)
    directory = only_worker(place)
    assert name == directory.path.name
    (place / "t").mkdir()
    taken = collecting.collect(directory, place / "t")
    assert taken.read_manifest().engine == "dask"
    assert {str(place / "in.csv"), str(place / "task.csv")} <= paths_seen(taken)
    assert "distributed" in {o.package.name for o in taken.read_software() if o.package}
