"""What can watch a kernel on this machine: strace where it works, else a Python audit hook.

A tracer is a command line put before the kernel's own, a file that it writes, and sentences that
say what it cannot see. See strace(1), ptrace(2) and sys.addaudithook.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nbrepro.errors import MachineError, UsageError
from nbrepro.rundir import Tracer
from nbrepro.trace.syscalls import TRACED

CHOICES = ("auto", "strace", "audit")
_PROBE_S = 5.0

# -DDD leaves the kernel its pid and signals, and keeps strace out of the process group that
# Jupyter signals. Environments stay unprinted: execve's is abbreviated unless asked otherwise.
_BASE = ("-DDD", "-f", "-y", "-s", "4096", "-a", "1", "-A")
_SET = "trace=" + ",".join(f"?{call}" for call in TRACED)
_STAMPS = ("--timestamps=unix,ns",)
_OLD_STAMPS = ("-ttt",)
_OPTIONAL = (("--seccomp-bpf",), ("--kill-on-exit",))

_HANDLES = (
    "single reads and writes are not seen: a file counts as used when it is opened, "
    "or when its handle has moved by the end of a cell"
)
_STRACE_UNSEEN = (
    _HANDLES,
    "files that are only looked at (stat, access, readlink) are not seen",
    "programs that gain rights when started (sudo) run without them",
)
_SLOW = "this strace lacks --seccomp-bpf, so that every system call costs time"
_COARSE = "this strace stamps microseconds only"
_AUDIT_UNSEEN = (
    "files opened inside C libraries (HDF5, netCDF, ROOT, image and font libraries) are not seen",
    "what started programs (!command, %%bash, subprocess) read and write is not seen",
    "whether an open succeeds is judged just before it happens",
    _HANDLES,
)
_AUDIT_UNPROBED = ("nothing is seen of this kernel: it is not an IPython kernel",)


@dataclass(frozen=True, slots=True)
class Watching:
    """A tracer that works here: the `command` to put before a program, empty for none."""

    tracer: Tracer
    command: tuple[str, ...] = ()

    def wrap(self, trace: Path, program: Sequence[str]) -> list[str]:
        """Give the command line that runs `program` and writes `trace`."""
        if not self.command:
            return list(program)
        return [*self.command, "-o", str(trace), "--", *program]


def find_tracer(choice: str = "auto", probed: bool = True) -> Watching:
    """Choose what watches the kernel. Raises MachineError where `strace` is asked for and fails.

    `probed` says whether the kernel will run our probe, which the audit tracer is part of.
    """
    if choice not in CHOICES:
        raise UsageError(f"--tracer {choice}: is not one of {', '.join(CHOICES)}")
    if choice == "audit":
        return _audit(probed, "")
    try:
        return _strace()
    except MachineError as error:
        if choice == "strace":
            raise
        return _audit(probed, str(error))


def check_strace() -> str:
    """Give the version of a strace that works here. Raises MachineError that says why none does."""
    return _strace().tracer.version


def _audit(probed: bool, why: str) -> Watching:
    because = (why.rstrip("."),) if why else ()
    unseen = _AUDIT_UNSEEN if probed else _AUDIT_UNPROBED
    return Watching(Tracer("audit", "", unseen + because))


def _strace() -> Watching:
    program = shutil.which("strace")
    if program is None:
        raise MachineError(
            "strace is not installed; install it ('apt-get install strace', as root) "
            "or use --tracer audit"
        )
    if find_tracer_pid(os.getpid()):
        raise MachineError(
            "this process is itself being traced, and traces do not nest; "
            "run it outside the tracer or use --tracer audit"
        )
    options, missing = _probed_options(program)
    unseen = _STRACE_UNSEEN + tuple(missing)
    return Watching(Tracer("strace", _version(program), unseen), (program, *options))


def _probed_options(program: str) -> tuple[list[str], list[str]]:
    """Give the best options that this strace and this kernel take, and what the lack means."""
    filters = ["-e", _SET]
    best = [*_BASE, *_STAMPS, *(word for option in _OPTIONAL for word in option)]
    if not _fails(program, [*best, *filters]):
        return [*best, *filters], []
    missing: list[str] = []
    options = list(_BASE)
    if _fails(program, [*options, *_STAMPS, *filters]):
        options += _OLD_STAMPS
        missing.append(_COARSE)
        _check_usable(program, [*options, *filters])
    else:
        options += _STAMPS
    for option in _OPTIONAL:
        if not _fails(program, [*options, *option, *filters]):
            options += option
        elif option == ("--seccomp-bpf",):
            missing.append(_SLOW)
    return [*options, *filters], missing


def _check_usable(program: str, options: Sequence[str]) -> None:
    reason = _fails(program, options)
    if reason:
        raise MachineError(
            f"{program} cannot trace here ({reason}); allow ptrace "
            "(containers: --cap-add=SYS_PTRACE) or use --tracer audit"
        )


def _fails(program: str, options: Sequence[str]) -> str:
    """Trace `true` with `options`; give the reason of a failure, empty where it works.

    It runs in the foreground first (-D would leave a program that nobody attached to).
    """
    foreground = [option for option in options if option != "-DDD"]
    for words in (foreground, options):
        reason = _run_bounded([program, *words, "-o", "/dev/null", "--", "true"])
        if reason:
            return reason
    return ""


def _run_bounded(command: list[str]) -> str:
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
        errors="replace",
    ) as process:
        try:
            _, complaint = process.communicate(timeout=_PROBE_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return f"no answer in {_PROBE_S:.0f} s"
    if process.returncode == 0 and not complaint.strip():
        return ""
    lines = complaint.strip().splitlines()
    return lines[0] if lines else f"exit code {process.returncode}"


def _version(program: str) -> str:
    said = subprocess.run(
        [program, "-V"], capture_output=True, text=True, timeout=_PROBE_S, check=False
    )
    return said.stdout.split("\n", 1)[0].rpartition(" ")[2]


def find_tracer_pid(pid: int) -> int:
    """Give the pid of the process that traces `pid`, 0 where there is none."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except OSError:
        return 0
    for line in text.splitlines():
        if line.startswith("TracerPid:"):
            return int(line.split()[1])
    return 0
