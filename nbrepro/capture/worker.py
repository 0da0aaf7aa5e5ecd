"""Start a worker under observation: the tracer attaches, and the worker keeps pid and signals.

No process of ours stays: the command line becomes the tracer's, whose first process becomes the
worker (strace -DDD). A worker that cannot be traced here runs all the same.
"""

from __future__ import annotations

import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from nbrepro.capture.aging import forget_old
from nbrepro.capture.environment import find_roots, read_host
from nbrepro.capture.tracers import find_tracer, find_tracer_pid
from nbrepro.errors import MachineError, NbreproError, UsageError
from nbrepro.rundir import Tracer, WorkerDirectory, WorkerManifest

COLLECT = "collect"
"""The script in a worker directory that makes its archive."""
WORKER_VARIABLE = "NBREPRO_WORKER"
COLLECT_VARIABLE = "NBREPRO_COLLECT"
DIRECTORY_VARIABLE = "NBREPRO_WORKER_DIR"
FEATURE = "nbrepro:"
"""A TaskVine feature that begins so names the worker directory."""
SHIM_MARK = "# nbrepro worker shim"

_NOT_FOUND = 127
_OTHER_TRACER = " or use --tracer audit"
_VERSION_WAIT_S = 5.0
_HEAD_BYTES = 4096
_PACKAGE_PARENT = Path(__file__).resolve().parents[2]
_DASK = re.compile(r"\bdask[ -]worker\b|distributed\.cli\.dask_worker|\bdask\b.*\bworker\b")
_PYTHON = re.compile(r"python(\d[\d.]*)?")


@dataclass(frozen=True, slots=True)
class Start:
    """What to become: the program `file`, its arguments and environment; `said` goes to stderr."""

    file: str
    argv: tuple[str, ...]
    environment: dict[str, str]
    said: str = ""


def find_worker_home(given: Path | None = None) -> Path:
    """Give the directory of worker directories: as given, as the environment says, or the user's.

    The user's is `$XDG_STATE_HOME/nbrepro/workers`, else `~/.local/state/nbrepro/workers`.
    """
    if given is not None:
        return given.absolute()
    named = os.environ.get(DIRECTORY_VARIABLE)
    if named:
        return Path(named).absolute()
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state).absolute() / "nbrepro" / "workers"


def start_worker(command: Sequence[str], home: Path | None, tracer: str = "auto") -> NoReturn:
    """Become the worker `command`, observed where that is possible.

    Raises UsageError without a command, and MachineError where the tracer `strace` is insisted on
    and fails. Whatever else goes wrong with observing is told on stderr, and the worker runs.
    """
    if not command:
        raise UsageError("no worker to start; write: nbrepro worker -- COMMAND...")
    plain = Start(_find_program(command[0]), tuple(command), dict(os.environ))
    try:
        start = prepare(command, find_worker_home(home), tracer)
    except Exception as error:
        if tracer == "strace" and isinstance(error, MachineError):
            raise
        reason = str(error) if isinstance(error, NbreproError) else repr(error)
        start = replace(plain, said=f"the worker runs unobserved: {reason}")
    try:
        _become(start)
    except OSError as error:
        _say(f"the worker runs unobserved: {start.file}: {error.strerror}")
        _become(plain)


def prepare(command: Sequence[str], home: Path, tracer: str = "auto") -> Start:
    """Make a worker directory below `home` and tell what to become. Raises as the machine fails."""
    program = _find_program(command[0])
    forget_old(home)
    manifest = _describe(command, program)
    directory = WorkerDirectory(home / manifest.worker).create()
    manifest = replace(manifest, roots=_find_roots(manifest, directory))
    collect = _write_collect(directory)
    worker = [program, *_feature(command, manifest.worker), *command[1:]]
    environment = os.environ | {WORKER_VARIABLE: manifest.worker, COLLECT_VARIABLE: str(collect)}
    try:
        outer = _find_outer_trace()
        if outer:
            manifest = _unobserved(manifest, "the tracer of its starter watches it", outer)
            directory.write_manifest(manifest)
            return Start(program, tuple(worker), environment, "the worker is already traced; "
                         "its accesses are in the trace of what started it")  # fmt: skip
        watching = find_tracer("strace")
    except MachineError as error:
        # The other tracer that the sentence offers is for kernels.
        reason = str(error).replace(_OTHER_TRACER, "")
        directory.write_manifest(_unobserved(manifest, reason))
        if tracer == "strace":
            raise MachineError(reason) from None
        return Start(program, tuple(worker), environment, f"the worker runs untraced: {reason}")
    directory.write_manifest(replace(manifest, tracer=watching.tracer))
    argv = watching.wrap(directory.open_trace_path, worker)
    return Start(argv[0], tuple(argv), environment)


def write_shim(path: Path, command: Sequence[str], home: Path | None, tracer: str) -> None:
    """Write an executable script that behaves like `command`, observed.

    It is what `Factory(worker_binary=...)` and `vine_factory --worker-binary` take. Where nbrepro
    is not installed it is the plain command. Raises MachineError where it cannot be written.
    """
    words = list(command) or ["vine_worker"]
    found = _search(words[0])
    plain = shlex.join([found or words[0], *words[1:]])
    options = [*(["--dir", str(home.absolute())] if home else []), "--tracer", tracer]
    text = (
        f"#!/bin/sh\n{SHIM_MARK}: behaves like the worker, which runs under observation\n"
        f"python={shlex.quote(sys.executable)}\n"
        '"$python" -P -c "import nbrepro" 2>/dev/null || {\n'
        '    echo "nbrepro: not installed here; the worker runs unobserved" >&2\n'
        f'    exec {plain} "$@"\n}}\n'
        f'exec "$python" -P -m nbrepro worker {shlex.join(options)} -- {plain} "$@"\n'
    )
    try:
        _write_script(path, text)
    except OSError as error:
        raise MachineError(f"{path}: cannot be written ({error.strerror})") from error


def _become(start: Start) -> NoReturn:
    """Replace this process. Raises OSError where that fails."""
    if start.said:
        _say(start.said)
    # Python ignores these; a program that it starts must meet the system's defaults again.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execve(start.file, start.argv, start.environment)  # noqa: S606
    finally:
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)


def _say(sentence: str) -> None:
    sys.stderr.write(f"nbrepro: {' '.join(sentence.split())}\n")
    sys.stderr.flush()


def _find_program(name: str) -> str:
    """Find the worker's program; exit as a shell does where there is none."""
    found = _search(name)
    if found is None:
        _say(f"{name}: no such program; give the worker's command after --")
        sys.exit(_NOT_FOUND)
    return found


def _search(name: str) -> str | None:
    """Find a program as a shell does, but never a shim of ours, which would call us again."""
    if "/" in name:
        return name if os.access(name, os.X_OK) and not Path(name).is_dir() else None
    for folder in os.get_exec_path():
        found = shutil.which(name, path=folder)
        if found and SHIM_MARK.encode() not in _head(found):
            return os.path.abspath(found)  # noqa: PTH100 (keeps links)
    return None


def _head(path: str) -> bytes:
    try:
        with Path(path).open("rb") as stream:
            return stream.read(_HEAD_BYTES)
    except OSError:
        return b""


def _describe(command: Sequence[str], program: str) -> WorkerManifest:
    host = read_host()
    name = re.sub(r"[^A-Za-z0-9.-]", "_", host.name)[:80].lstrip(".-") or "host"
    executable = _find_interpreter(program)
    return WorkerManifest(
        worker=f"{name}-{os.getpid()}-{secrets.token_hex(4)}",
        engine=find_engine(command),
        host=host,
        tracer=Tracer("none"),
        command=tuple(command),
        pid=os.getpid(),
        cwd=str(Path.cwd()),
        started_ns=time.time_ns(),
        roots={},
        executable=executable,
        version=_read_version(executable),
    )


def find_engine(command: Sequence[str]) -> str:
    """Tell which engine a worker's command line belongs to: taskvine, dask or unknown."""
    if Path(command[0]).name == "vine_worker":
        return "taskvine"
    return "dask" if _DASK.search(" ".join(command[:4])) else "unknown"


def _feature(command: Sequence[str], worker: str) -> list[str]:
    return ["--feature", FEATURE + worker] if find_engine(command) == "taskvine" else []


def _find_roots(manifest: WorkerManifest, directory: WorkerDirectory) -> dict[str, str]:
    roots = find_roots(Path(manifest.cwd), directory.path, manifest.executable)
    # All files lie below the file system's root, so that as a project it would tell nothing.
    return {name: path for name, path in roots.items() if path != "/"}


def _find_interpreter(program: str) -> str:
    """Give the interpreter that a script names in its first line, else the program itself."""
    first = _head(program).split(b"\n", 1)[0]
    words = os.fsdecode(first[2:]).split() if first.startswith(b"#!") else []
    if words and Path(words[0]).name == "env":
        words = words[1:]
    return (shutil.which(words[0]) if words else None) or program


def _read_version(program: str) -> str:
    """Ask a program for its version; empty where it does not say."""
    name = Path(program).name
    if not (_PYTHON.fullmatch(name) or name == "vine_worker"):
        return ""
    try:
        said = subprocess.run(
            [program, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", timeout=_VERSION_WAIT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"\d+\.[\w.+-]+", said.stdout)
    return found[0] if found else ""


def _unobserved(manifest: WorkerManifest, error: str, *notes: str) -> WorkerManifest:
    return replace(manifest, status="unobserved", error=error, notes=(*manifest.notes, *notes))


def _find_outer_trace() -> str:
    """Say which tracer watches this process already; empty where none does."""
    pid = find_tracer_pid(os.getpid())
    if not pid:
        return ""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        trace = Path(os.fsdecode(words[words.index(b"-o") + 1]))
    except (OSError, ValueError, IndexError):
        return f"observed by another tracer (pid {pid})"
    if trace.parent.name == "traces":
        return f"observed by the kernel's own tracer, into {trace}"
    return f"observed by another tracer, into {trace}"


def _write_collect(directory: WorkerDirectory) -> Path:
    """Write the script that makes the archive, whatever the environment it is called in."""
    script = directory.path / COLLECT
    python = shlex.join([sys.executable, "-P", "-m", "nbrepro.capture.collecting"])
    text = (
        f"#!/bin/sh\nunset PYTHONHOME PYTHONSTARTUP\n"
        f"PYTHONPATH={shlex.quote(str(_PACKAGE_PARENT))} "
        f'exec {python} {shlex.quote(str(directory.path))} "$@"\n'
    )
    _write_script(script, text)
    return script


def _write_script(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    part.chmod(0o755)
    part.replace(path)
