"""Start a kernel as its kernelspec says, under a tracer and with our probe in it."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager, NoSuchKernel
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.paths import jupyter_runtime_dir

from nbrepro.capture.tracers import Watching
from nbrepro.errors import MachineError, NotFoundError

BOOTSTRAP = Path(__file__).resolve().parent / "probes" / "bootstrap.py"
_IPYTHON_MODULES = ("ipykernel_launcher", "ipykernel", "ipykernel.kernelapp")


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start one kernel: what watches it, the trace it writes, the secret of its marks.

    `submits` is the log of what distributed engines are given; None for none.
    """

    watching: Watching
    trace: Path
    token: str
    submits: Path | None = None

    def command(self, program: Sequence[str]) -> list[str]:
        """Give the kernelspec's command line with the probe and the tracer in it."""
        audit = str(self.trace) if self.watching.tracer.name == "audit" else ""
        probed = insert_probe(program, self.token, audit, str(self.submits or ""))
        return self.watching.wrap(self.trace, probed or program)


class ObservedKernelManager(AsyncKernelManager):
    """Starts the kernel with another command line; signals, restart and shutdown are Jupyter's."""

    launch: Launch

    def format_kernel_cmd(self, extra_arguments: list[str] | None = None) -> list[str]:
        """Give the observed command line."""
        return self.launch.command(super().format_kernel_cmd(extra_arguments))


def insert_probe(
    program: Sequence[str], token: str, audit: str = "", submits: str = ""
) -> list[str]:
    """Replace `-m ipykernel_launcher` by our bootstrap, which becomes that module.

    Gives an empty list for a kernel that is not IPython's.
    """
    for at, (option, module) in enumerate(pairwise(program)):
        if option == "-m" and module in _IPYTHON_MODULES:
            probe = [str(BOOTSTRAP), token, audit, submits, module]
            return [*program[:at], *probe, *program[at + 2 :]]
    return []


def find_kernelspec(name: str, asked_by: str) -> KernelSpec:
    """Find an installed kernel. Raises NotFoundError that lists the installed ones.

    `asked_by` says who names it: the notebook, or the command line.
    """
    manager = KernelSpecManager()
    try:
        spec = manager.get_kernel_spec(name)
    except NoSuchKernel:
        installed = ", ".join(sorted(manager.find_kernel_specs())) or "none"
        raise NotFoundError(
            f"kernel {name!r}, which {asked_by} asks for, is not installed; "
            f"pass --kernel NAME (installed: {installed})"
        ) from None
    if not spec.argv:
        raise NotFoundError(f"kernel {name!r} has no command line in its kernel.json; mend it")
    return spec


def check_program(spec: KernelSpec, name: str) -> None:
    """Check that the kernel's program exists. Raises MachineError."""
    program = str(spec.argv[0])
    if not program.startswith("python") and shutil.which(os.path.expanduser(program)) is None:  # noqa: PTH111
        raise MachineError(
            f"kernel {name!r} starts {program}, which does not exist; reinstall that kernel"
        )


def make_manager(name: str, spec: KernelSpec, launch: Launch) -> ObservedKernelManager:
    """Make the manager of one observed kernel, not yet started."""
    manager = ObservedKernelManager(kernel_name=name, log=logging.getLogger("nbrepro.capture"))
    # Where Jupyter itself keeps them: by its place the file is known for a connection file.
    runtime = Path(jupyter_runtime_dir())
    runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
    manager.connection_file = str(runtime / f"kernel-{uuid4()}.json")
    manager.launch = launch
    manager._kernel_spec = spec
    return manager


def read_executable(pid: int) -> str:
    """Give the program that process `pid` runs, empty where that cannot be told."""
    try:
        return os.readlink(f"/proc/{pid}/exe")  # noqa: PTH115 (a magic link, not a path)
    except OSError:
        return ""


def language_of(reply: dict[str, Any]) -> tuple[str, str]:
    """Give language and version from a kernel_info reply."""
    information = reply.get("content", {}).get("language_info", {})
    return str(information.get("name", "")), str(information.get("version", ""))
