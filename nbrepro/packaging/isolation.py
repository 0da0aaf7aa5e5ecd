"""Runs a command in a root file system of its own: own /proc, /dev and /tmp, no network.

No root, no ptrace and no container engine is needed: bubblewrap does it, or a plain user name
space where our own launcher can make one. The command sees the root, what is lent to it, and
nothing else of this machine.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbrepro.errors import MachineError

_LAUNCHER = Path(__file__).with_name("launcher.py")


@dataclass(frozen=True, slots=True)
class Bind:
    """A file or directory of the host that is lent to the command at `target` in the root."""

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended: `code` as a shell gives it (128 + signal), both outputs as bytes.

    `timed_out` says that it was killed because its time was over.
    """

    code: int
    stdout: bytes
    stderr: bytes
    timed_out: bool = False
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Isolation:
    """One command in a root: everything that `run_isolated` takes.

    `writable` names directories of the root that the command may change; `/tmp` is fresh, with what
    the root has there to read, unless it is among them. With `layer`, an empty directory, the
    whole root looks writable and what is changed goes to `layer/upper`. `tracer` are words in front
    of everything, of a program that watches from outside.
    """

    root: Path
    command: tuple[str, ...]
    cwd: str = "/"
    environment: Mapping[str, str] | None = None
    writable: tuple[str, ...] = ()
    binds: tuple[Bind, ...] = ()
    network: bool = False
    layer: Path | None = None
    tracer: tuple[str, ...] = ()


def run_isolated(
    root: Path,
    command: Sequence[str],
    *,
    cwd: str = "/",
    environment: Mapping[str, str] | None = None,
    writable: Iterable[str] = (),
    binds: Iterable[Bind] = (),
    network: bool = False,
    timeout: float | None = None,
    layer: Path | None = None,
) -> Finished:
    """Run a command in `root` and give its outputs; see `Isolation`.

    `environment` is the whole environment. `timeout` is in seconds; with its end every process of
    the command is killed. Raises MachineError where this machine cannot isolate.
    """
    wanted = Isolation(
        root, tuple(command), cwd, environment, tuple(writable), tuple(binds), network, layer
    )
    began = time.monotonic()
    with start_isolated(wanted, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            stdout, stderr = process.communicate(timeout=timeout)
            late = False
        except subprocess.TimeoutExpired:
            process.kill()
            stdout, stderr = process.communicate()
            late = True
        seconds = time.monotonic() - began
    code = process.returncode
    return Finished(code if code >= 0 else 128 - code, stdout, stderr, late, seconds)


@contextmanager
def start_isolated(wanted: Isolation, **streams: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command in its root; `streams` are those of Popen. All of it ends with the block.

    Raises MachineError where this machine cannot isolate, or the root cannot be entered.
    """
    if not wanted.root.is_dir():
        raise MachineError(f"{wanted.root}: is no directory; a root file system is needed")
    way = find_way()
    if way == "launcher":
        process, failure = _launch(wanted, streams)
    else:
        process, failure = _wrap(wanted, streams), None
    try:
        if failure is not None and not wanted.tracer:
            _check_started(wanted, process, failure)
        elif failure is not None:
            os.close(failure)  # a tracer keeps the other side open for as long as it runs
        yield process
    finally:
        _end(process)


def _check_started(wanted: Isolation, process: subprocess.Popen[bytes], failure: int) -> None:
    # The launcher's side closes when the command starts, and holds a sentence when it cannot.
    with os.fdopen(failure, "rb") as stream:
        said = stream.read().decode(errors="replace")
    if said:
        process.wait()
        raise MachineError(f"{wanted.root}: the command cannot be started in it ({said})")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
        process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def _launch(wanted: Isolation, streams: Mapping[str, Any]) -> tuple[subprocess.Popen[bytes], int]:
    specification = os.memfd_create("nbrepro-isolation", 0)
    os.write(specification, json.dumps(_specification(wanted)).encode())
    os.lseek(specification, 0, os.SEEK_SET)
    ours, theirs = os.pipe()
    words = [sys.executable, "-I", "-S", str(_LAUNCHER), str(specification), str(theirs)]
    command = [*wanted.tracer, *words]
    try:
        process = subprocess.Popen(command, pass_fds=(specification, theirs), **streams)
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(specification)
        os.close(theirs)
    return process, ours


def _specification(wanted: Isolation) -> dict[str, Any]:
    if wanted.layer is not None:
        for name in ("upper", "work", "merged"):
            (wanted.layer / name).mkdir(exist_ok=True)
    return {
        "root": str(wanted.root.resolve()),
        "layer": str(wanted.layer.resolve()) if wanted.layer else None,
        "command": list(wanted.command),
        "cwd": wanted.cwd,
        "environment": dict(wanted.environment or {}),
        "writable": list(wanted.writable),
        "network": wanted.network,
        "binds": [
            {
                "source": str(bind.source.resolve()),
                "target": bind.target,
                "writable": bind.writable,
                "directory": bind.source.is_dir(),
            }
            for bind in wanted.binds
        ],
    }


def _wrap(wanted: Isolation, streams: Mapping[str, Any]) -> subprocess.Popen[bytes]:
    """Start the command by bubblewrap, which makes the mount points of what is lent itself."""
    if wanted.layer is not None:
        raise MachineError("bubblewrap cannot lay a writable layer over a root here")
    words = [
        *wanted.tracer,
        "bwrap",
        "--unshare-user-try",
        "--unshare-pid",
        "--unshare-ipc",
        "--unshare-uts",
    ]
    words += [] if wanted.network else ["--unshare-net"]
    words += [
        "--cap-drop",
        "ALL",
        "--die-with-parent",
        "--bind",
        str(wanted.root),
        "/",
        "--proc",
        "/proc",
    ]
    words += ["--dev", "/dev"]
    words += [] if "/tmp" in wanted.writable else _temporary(wanted.root)  # noqa: S108 (in the root)
    for path in wanted.writable:
        words += ["--bind", str(wanted.root / path.lstrip("/")), path]
    for bind in wanted.binds:
        words += ["--bind" if bind.writable else "--ro-bind", str(bind.source), bind.target]
    # Last, so that bubblewrap can make the mount points.
    words += ["--remount-ro", "/", "--chdir", wanted.cwd, "--clearenv"]
    for name, value in (wanted.environment or {}).items():
        words += ["--setenv", name, value]
    return subprocess.Popen([*words, "--", *wanted.command], **streams)


def _temporary(root: Path) -> list[str]:
    """Give a fresh /tmp, in which what the root has there can be read."""
    words = ["--tmpfs", "/tmp"]  # noqa: S108 (in the root)
    for path in (root / "tmp").iterdir() if (root / "tmp").is_dir() else ():
        target = f"/{path.relative_to(root)}"
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), target]
        else:
            words += ["--ro-bind", str(path), target]
    return words


def find_way() -> str:
    """Find what isolates here: `launcher` or `bwrap`. Raises MachineError where nothing does."""
    told = {}
    for way, probe in (("launcher", _probe_launcher), ("bwrap", _probe_bwrap)):
        reason = probe()
        if not reason:
            return way
        told[way] = reason
    raise MachineError(
        "a command cannot be run in a root of its own here: user name spaces are refused "
        f"({told['launcher']}) and {told['bwrap']}; install bubblewrap, or allow user name spaces"
    )


@functools.cache
def _probe_launcher() -> str:
    """Say why the launcher cannot work; empty where it can."""
    with tempfile.TemporaryDirectory(prefix="nbrepro-") as empty:
        return _try_launcher(Isolation(Path(empty), ("/nothing",)))


def _try_launcher(wanted: Isolation) -> str:
    process, failure = _launch(wanted, {"stderr": subprocess.DEVNULL})
    with os.fdopen(failure, "rb") as stream:
        said = stream.read().decode(errors="replace")
    process.wait()
    # The root is empty: having come as far as the command means that all else was allowed.
    return "" if not said or said.startswith("No such file") else said


@functools.cache
def can_layer() -> bool:
    """Tell whether a writable layer can be laid over a root (an overlay in a user name space)."""
    if find_way() != "launcher":
        return False
    with tempfile.TemporaryDirectory(prefix="nbrepro-") as folder:
        root, layer = Path(folder, "root"), Path(folder, "layer")
        root.mkdir()
        layer.mkdir()
        reason = _try_launcher(Isolation(root, ("/nothing",), layer=layer))
        open_layer(layer)
    return not reason


def open_layer(layer: Path) -> None:
    """Let a used layer be removed: the kernel leaves a directory in it without any permission."""
    with suppress(OSError):
        (layer / "work" / "work").chmod(0o700)


@functools.cache
def _probe_bwrap() -> str:
    if not shutil.which("bwrap"):
        return "bubblewrap is not installed"
    command = ["bwrap", "--unshare-user-try", "--ro-bind", "/", "/", "true"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    return "" if done.returncode == 0 else f"bubblewrap failed ({done.stderr.strip()})"
