"""A run whose evidence holds what is private in every place where it may stand."""

from __future__ import annotations

import json
from pathlib import Path

from nbformat import v4

from nbrepro.config import Project
from nbrepro.ingest import ingest
from nbrepro.model import Ownership, Package, RunId, Sighting
from nbrepro.rundir import (
    CELLS,
    EXECUTED,
    NAMES,
    NOTEBOOK,
    SIGHTINGS,
    SOFTWARE,
    CellRecord,
    Host,
    Kernel,
    Manifest,
    Resolved,
    RunDirectory,
    Tracer,
    WorkerDirectory,
    WorkerManifest,
    compress_trace,
)
from nbrepro.stores import open_store

RUN = RunId("20261122-210000-study-aa07")
USER, HOST, OTHER_HOST = "alicewonder", "lab-node7.physics.example.org", "lab-node8"
HOME = f"/home/{USER}"
SECRETS = (
    "correct-horse-battery", "hunter2hunter2", "AKIAABCDEFGHIJKLMNOP", "s3cr3tinurl",
    "ghp_abcdefghijklmnopqrstuvwxyz012345", "eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.sflKxwRJSMeKKF2",
)  # fmt: skip
PRIVATE = (USER, HOME, HOST, "lab-node7", OTHER_HOST, *SECRETS)

TOKEN = "00ff00ff"
S = 10**9
T0 = 1_795_381_255
SOURCE = f"""password = "{SECRETS[0]}"
frame = read("{HOME}/study/in.csv", key="{SECRETS[2]}")
connect("https://{USER}:{SECRETS[3]}@db.example/x")"""
PYTHON = f"{HOME}/venv/bin/python3"
NUMPY = f"{HOME}/venv/lib/python3.11/site-packages/numpy/__init__.py"


def _line(pid: int, at: float, text: str) -> str:
    return f"{pid}  {T0 + at:.9f} {text}"


def _mark(at: float, words: str) -> str:
    path = f"/nbrepro-marker/{TOKEN}/{words}"
    return _line(
        7, at, f'openat(AT_FDCWD, "{path}", O_RDONLY|O_CLOEXEC) = -1 ENOENT (No such file)'
    )


def _opened(pid: int, at: float, path: str, flags: str = "O_RDONLY|O_CLOEXEC") -> str:
    return _line(pid, at, f'openat(AT_FDCWD</>, "{path}", {flags}, 0666) = 3<{path}>')


TRACE = "\n".join(
    [
        _line(7, 0.0, f'execve("{PYTHON}", ["{PYTHON}", "-m", "x"], 0x7ff /* 9 vars */) = 0'),
        _mark(1.0, "cell/start/1/c1"),
        _opened(7, 1.1, f"{HOME}/study/in.csv"),
        _opened(7, 1.2, NUMPY),
        _opened(7, 1.3, f"{HOME}/study/out.csv", "O_WRONLY|O_CREAT|O_TRUNC"),
        _line(7, 1.4, 'execve("/usr/bin/curl", ["curl", "-H", "Authorization: Bearer '
              f'{SECRETS[5]}", "--token={SECRETS[4]}"], 0x7ff /* 9 vars */) = 0'),
        _mark(1.5, "cell/end/1/c1"),
        _line(7, 2.0, "+++ exited with 0 +++"),
    ]
)  # fmt: skip


def _manifest() -> Manifest:
    return Manifest(
        run=RUN, uuid="ccb04f0b-b921-4714-ac07-e777415993a5",
        notebook=f"{HOME}/study/study.ipynb", notebook_sha256="0" * 64, cwd=f"{HOME}/study",
        token=TOKEN, started_ns=T0 * S, ended_ns=(T0 + 2) * S, status="ok",
        host=Host(HOST, "Linux", "6.1", "Debian 12", "x86_64", 2), tracer=Tracer("strace"),
        kernel=Kernel("python3", "python", 7, executable=PYTHON, version="3.11.2"),
        roots={"project": f"{HOME}/study", "prefix": f"{HOME}/venv", "home": HOME},
        parameters={"api_key": SECRETS[1], "alpha": 2},
    )  # fmt: skip


def _worker() -> WorkerManifest:
    return WorkerManifest(
        worker=f"{OTHER_HOST}-9-00aa", engine="dask", host=Host(OTHER_HOST),
        tracer=Tracer("strace"), command=("dask", "worker", "--local-directory", HOME), pid=9,
        cwd=HOME, started_ns=T0 * S, roots={"home": HOME}, ended_ns=(T0 + 2) * S, status="ok",
        address=f"tcp://{OTHER_HOST}:4000",
    )  # fmt: skip


def make_planted(root: Path) -> Project:
    """Record the run, with a worker, into a project at `root`: its evidence and its graph."""
    project = Project(root)
    directory = RunDirectory(project.runs / RUN).create()
    directory.write_manifest(_manifest())
    directory.append(
        CELLS, CellRecord(1, 1, "c1", 1, SOURCE, "ok", (T0 + 1) * S, (T0 + 1) * S + 5 * 10**8)
    )
    for path, letter in ((f"{HOME}/study/in.csv", "a"), (f"{HOME}/study/out.csv", "b")):
        at = T0 * S + (S // 2 if letter == "a" else 16 * 10**8)
        seen = Sighting(path, "file", 3, 1, 1, 1, letter * 64, "", int(letter == "b"), at)
        directory.append(SIGHTINGS, seen)
    numpy = Package("numpy", "2.1.0", "pip", "pkg:pypi/numpy@2.1.0", "/v", "f" * 64)
    directory.append(SOFTWARE, Ownership(NUMPY, numpy, ""))
    directory.append(NAMES, Resolved(f"{HOME}/link/in.csv", f"{HOME}/study/in.csv"))
    book = v4.new_notebook(cells=[v4.new_code_cell(SOURCE, id="c1")])
    (directory.path / NOTEBOOK).write_text(v4.writes(book))
    printed = v4.new_output("stream", text=f"{USER}@{HOST}: {HOME}\n")
    book.cells[0].outputs = [printed]
    (directory.path / EXECUTED).write_text(v4.writes(book))
    (directory.path / "kernel.log").write_text(f"warning: {HOME}/.config on {OTHER_HOST}\n")
    trace = directory.trace_path(HOST)
    trace.write_text(TRACE + "\n")
    compress_trace(trace)
    worker = WorkerDirectory(directory.path / "workers" / _worker().worker).create()
    worker.write_manifest(_worker())
    worker.open_trace_path.write_text(_opened(9, 1.2, f"{HOME}/scratch.csv") + "\n")
    compress_trace(worker.open_trace_path)
    with open_store(project.store) as store:
        ingest(directory, store)
    return project


def text_of(content: bytes) -> str:
    """Give bytes as text in which JSON's and N-Quads' escapes stand for what they mean."""
    text = content.decode("utf-8", "surrogateescape")
    return text + json.dumps(text)
