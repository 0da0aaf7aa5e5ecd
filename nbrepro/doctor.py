"""What this machine can observe, store and package, and the command that mends each gap.

Every check looks for the real thing (runs strace, starts the kernel, writes a file), bounded in
time, and works for a plain user inside a container.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path

from nbrepro.config import find_project

PROBE_SECONDS = 10
KERNEL_SECONDS = 60
MEND_SECONDS = 600
ENOUGH_BYTES = 1 << 30

Command = tuple[str, ...]


class State(StrEnum):
    """Whether a thing is there: wholly, in part, or not at all."""

    OK = "ok"
    LIMITED = "limited"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    `follows` says what that means for the user, `mend` holds the commands that change it, and
    `advice` what only a person can do. `needed` says that recording a notebook suffers without it.
    """

    what: str
    state: State
    detail: str
    follows: str = ""
    mend: tuple[Command, ...] = ()
    advice: str = ""
    needed: bool = True


@dataclass(frozen=True, slots=True)
class Mended:
    """A command that was run to mend a gap, with its exit code and the end of what it said."""

    command: Command
    code: int
    said: str


def examine(start: Path, *, kernel: bool = True) -> Iterator[Finding]:
    """Yield a finding a check, as seen from the directory `start`.

    `kernel` starts the Python kernel too, which takes a second or two.
    """
    yield find_python()
    yield find_strace()
    yield from find_ptrace()
    yield find_inotify()
    yield from find_kernels(start=kernel)
    yield find_writable(start)
    yield find_space(start)
    yield find_container_engine()
    yield find_tool(
        "bwrap", "bubblewrap", "packages cannot be replayed here without a container engine"
    )
    yield find_dask()
    yield find_taskvine()


def find_python() -> Finding:
    """Check the interpreter and the system it runs on."""
    detail = f"{platform.python_version()} at {sys.executable}, {platform.system()}"
    if platform.system() != "Linux":
        return Finding(
            "python", State.LIMITED, detail, "system calls are traced on Linux only: tracer audit"
        )
    return Finding("python", State.OK, detail)


_AUDIT = "runs use tracer audit, which sees neither C libraries nor child processes"


def find_strace() -> Finding:
    """Check that strace is installed and new enough for `--seccomp-bpf` (5.3)."""
    version = _version(["strace", "-V"], r"version (\S+)")
    if version is None:
        return Finding("strace", State.MISSING, "not installed", _AUDIT, _install("strace"))
    if _numbers(version) < (5, 3):
        return Finding(
            "strace", State.LIMITED, version,
            "without --seccomp-bpf (5.3) every system call is stopped: runs take twice the time",
            advice="install strace 5.3 or newer",
        )  # fmt: skip
    return Finding("strace", State.OK, version)


def find_ptrace() -> Iterator[Finding]:
    """Check that this process may trace another, and filter its calls in the kernel."""
    if shutil.which("strace") is None:
        return
    said = _trial(["strace", "-f", "-o", os.devnull, "true"])
    if said:
        yield Finding(
            "ptrace", State.MISSING, said, _AUDIT,
            advice=f"{_ptrace_scope()}in a container add --cap-add=SYS_PTRACE",
        )  # fmt: skip
        return
    yield Finding("ptrace", State.OK, "a process of this user can be traced")
    said = _trial(["strace", "-f", "--seccomp-bpf", "-e", "trace=openat", "-o", os.devnull, "true"])
    if said:
        yield Finding(
            "seccomp-bpf", State.LIMITED, said, "every system call is stopped: runs are slower",
            advice="install strace 5.3 or newer, or allow seccomp in the container",
        )  # fmt: skip
    else:
        yield Finding("seccomp-bpf", State.OK, "calls are filtered in the kernel")


def _ptrace_scope() -> str:
    try:
        scope = Path("/proc/sys/kernel/yama/ptrace_scope").read_text().strip()
    except OSError:
        return ""
    return "" if scope in ("0", "1") else f"kernel.yama.ptrace_scope is {scope}, set it to 1; "


def _trial(command: Sequence[str]) -> str:
    """Run a short command; give what it complained of, or nothing if all is well."""
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    said = ended.stderr.strip().splitlines()
    if ended.returncode == 0 and not said:
        return ""
    return said[0] if said else f"exit code {ended.returncode}"


def find_inotify() -> Finding:
    """Check that the kernel tells us when files change."""
    from inotify_simple import INotify, flags

    try:
        with tempfile.TemporaryDirectory() as directory, INotify() as watcher:
            watcher.add_watch(directory, flags.CREATE)
            (Path(directory) / "file").touch()
            seen = bool(watcher.read(timeout=1000))
    except OSError as error:
        return Finding(
            "inotify", State.LIMITED, str(error), "files are digested when a cell ends, not before",
            advice="raise fs.inotify.max_user_watches and max_user_instances",
        )  # fmt: skip
    state = State.OK if seen else State.LIMITED
    return Finding("inotify", state, "changes are reported" if seen else "no change was reported")


_START = """
import sys
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel(startup_timeout=50, kernel_name="python3")
try:
    reply = client.execute_interactive("1", timeout=30, output_hook=lambda message: None)
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
sys.exit(reply["content"]["status"] != "ok")
"""


def find_kernels(*, start: bool = True) -> Iterator[Finding]:
    """Check which kernels are installed, and that the Python kernel starts and computes."""
    from jupyter_client.kernelspec import KernelSpecManager

    with warnings.catch_warnings():
        # A home that cannot be written is no fault here; the store has a check of its own.
        warnings.simplefilter("ignore")
        names = sorted(KernelSpecManager().find_kernel_specs())
    install = ((sys.executable, "-m", "ipykernel", "install", "--sys-prefix"),)
    if "python3" not in names:
        yield Finding(
            "kernels", State.MISSING, ", ".join(names) or "none",
            "Python notebooks cannot be run", install,
        )  # fmt: skip
        return
    yield Finding("kernels", State.OK, ", ".join(names))
    if start:
        yield _start_kernel(install)


def _start_kernel(install: tuple[Command, ...]) -> Finding:
    try:
        # A session of its own, so that a kernel that hangs is ended with its starter.
        starter = subprocess.Popen(
            [sys.executable, "-c", _START], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True, start_new_session=True,
        )  # fmt: skip
        _, said = starter.communicate(timeout=KERNEL_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(starter.pid, 9)
        starter.communicate()
        said = f"no answer in {KERNEL_SECONDS} s"
    if starter.returncode == 0:
        return Finding("kernel python3", State.OK, "starts and computes")
    last = (said.strip().splitlines() or [f"exit code {starter.returncode}"])[-1]
    return Finding("kernel python3", State.MISSING, last, "Python notebooks cannot be run", install)


def find_writable(start: Path) -> Finding:
    """Check that the place of the store takes files."""
    project = find_project(start)
    place = project.home if project else start
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"\0" * 4096)
    except OSError as error:
        return Finding(
            "store", State.MISSING, f"{place}: {error.strerror}", "nothing can be recorded here",
            advice="work in a directory of your own, or give --store",
        )  # fmt: skip
    return Finding("store", State.OK, f"{place} takes files")


def find_space(start: Path) -> Finding:
    """Check the free space where runs are recorded."""
    free = shutil.disk_usage(start).free
    detail = f"{free / (1 << 30):.1f} GiB free"
    if free < ENOUGH_BYTES:
        return Finding(
            "disk", State.LIMITED, detail, "traces of long runs may not fit",
            advice="free some space, or remove old directories of .nbrepro/runs",
        )  # fmt: skip
    return Finding("disk", State.OK, detail)


def find_container_engine() -> Finding:
    """Check for an engine that runs packages."""
    for name in ("podman", "docker", "apptainer"):
        version = _version([name, "--version"], r"(\d[\w.+~-]*)")
        if version:
            return Finding("container engine", State.OK, f"{name} {version}", needed=False)
    return Finding(
        "container engine", State.MISSING, "no podman, docker or apptainer",
        "packages can be built but not started here", _install("podman"), needed=False,
    )  # fmt: skip


def find_tool(command: str, package: str, follows: str) -> Finding:
    """Check for an optional command by its version."""
    version = _version([command, "--version"], r"(\d[\w.+~-]*)")
    if version:
        return Finding(command, State.OK, version, needed=False)
    return Finding(
        command, State.MISSING, "not installed", follows, _install(package), needed=False
    )


def find_dask() -> Finding:
    """Check for Dask's distributed scheduler."""
    try:
        return Finding("dask", State.OK, f"distributed {metadata.version('distributed')}",
                       needed=False)  # fmt: skip
    except metadata.PackageNotFoundError:
        pip = ((sys.executable, "-m", "pip", "install", "distributed"),)
        return Finding(
            "dask", State.MISSING, "not installed", "no Dask workers from here", pip, needed=False
        )


def find_taskvine() -> Finding:
    """Check for TaskVine's worker, and its Python module."""
    version = _version(["vine_worker", "--version"], r"version (\S+)")
    if version:
        return Finding("taskvine", State.OK, version, needed=False)
    return Finding(
        "taskvine", State.MISSING, "no vine_worker on PATH", "no TaskVine workers from here",
        (("conda", "install", "-y", "-c", "conda-forge", "ndcctools"),)
        if shutil.which("conda")
        else (),
        "conda install -c conda-forge ndcctools", needed=False,
    )  # fmt: skip


def _version(command: list[str], pattern: str) -> str | None:
    """Give the version that a command prints; None where it is absent or does not run."""
    if shutil.which(command[0]) is None:
        return None
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(pattern, ended.stdout + ended.stderr)
    return found[1] if found else None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])


_INSTALLERS: dict[str, tuple[Command, ...]] = {
    "apt-get": (
        ("apt-get", "update", "-q"),
        ("apt-get", "install", "-y", "-q", "--no-install-recommends"),
    ),
    "dnf": (("dnf", "install", "-y"),),
    "zypper": (("zypper", "--non-interactive", "install"),),
    "pacman": (("pacman", "-S", "--noconfirm"),),
    "apk": (("apk", "add"),),
}


def _install(package: str) -> tuple[Command, ...]:
    """Give the commands by which this system installs a package: as root, or by sudo."""
    for manager, (*before, last) in _INSTALLERS.items():
        if shutil.which(manager):
            rights = () if os.geteuid() == 0 else ("sudo", "-n")
            return tuple((*rights, *command) for command in (*before, (*last, package)))
    return ()


def may_run(command: Command) -> bool:
    """Say whether a command can be started here at all."""
    return shutil.which(command[0]) is not None


def mend(
    findings: Sequence[Finding], show: Callable[[Command], None]
) -> Iterator[tuple[Finding, Mended]]:
    """Run the commands that mend what is needed and missing, showing each before it runs.

    A finding's later commands are left out when an earlier one fails.
    """
    for finding in findings:
        if finding.state is State.OK or not finding.needed:
            continue
        for command in filter(may_run, finding.mend):
            show(command)
            mended = _run(command)
            yield finding, mended
            if mended.code:
                break


def _run(command: Command) -> Mended:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        ended = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", timeout=MEND_SECONDS, check=False, env=environment,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return Mended(command, 1, str(error))
    lines = ended.stdout.strip().splitlines()
    return Mended(command, ended.returncode, lines[-1] if lines else "")
