"""Run cells in a kernel that lives in a root of its own, and collect what they show."""

from __future__ import annotations

import queue
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import output_from_msg

from nbrepro.errors import MachineError
from nbrepro.packaging.isolation import Bind, Isolation, start_isolated

SOCKETS = "/tmp/nbrepro-slice"  # noqa: S108 (in the root, lent from a directory of ours)
_SHOWING = ("stream", "display_data", "execute_result", "error")


@dataclass(slots=True)
class Executed:
    """What the last of some cells showed. `reason` says why it was not reached, if it was not."""

    outputs: list[NotebookNode] = field(default_factory=list)
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """Code to run; `may_fail` where it failed in the run too."""

    source: str
    cell_id: str
    may_fail: bool = False


def run_cells(
    cells: Sequence[Cell],
    wanted: Isolation,
    folder: Path,
    timeout_s: float,
    tell: Callable[[int], None] = lambda _: None,
) -> Executed:
    """Run cells in the kernel that `wanted.command` starts, whose last word is its connection file.

    `folder` is an empty directory for the kernel's sockets and log; the kernel must be given it at
    `SOCKETS`. `tell` hears how many cells are done. Raises MachineError where no kernel starts.
    """
    from jupyter_client.blocking.client import BlockingKernelClient
    from jupyter_client.connect import write_connection_file

    own = folder / "kernel.json"
    write_connection_file(str(own), transport="ipc", ip=str(folder / "s"))
    inside = own.read_text().replace(str(folder), SOCKETS)
    (folder / "inside.json").write_text(inside)
    with (folder / "kernel.log").open("wb") as log:
        streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
        with start_isolated(wanted, **streams) as process:
            client = BlockingKernelClient(connection_file=str(own))
            client.load_connection_file()
            client.start_channels()
            try:
                kernel = _Kernel(client, process, folder / "kernel.log")
                kernel.wait_ready(min(timeout_s, 90))
                return kernel.run(cells, timeout_s, tell)
            finally:
                client.shutdown()
                client.stop_channels()


def lend_sockets(folder: Path) -> Bind:
    """Give the directory of the sockets as it is lent to the root."""
    return Bind(folder, SOCKETS, writable=True)


class _Kernel:
    def __init__(self, client: Any, process: subprocess.Popen[bytes], log: Path) -> None:
        self._client = client
        self._process = process
        self._log = log

    def wait_ready(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends and self._process.poll() is None:
            try:
                self._client.wait_for_ready(timeout=2)
            except RuntimeError:
                continue
            return
        raise MachineError(f"the kernel of the slice did not start: {self._last_words()}")

    def _last_words(self) -> str:
        said = self._log.read_text(errors="replace").strip().splitlines()
        return said[-1] if said else "it said nothing"

    def run(self, cells: Sequence[Cell], timeout_s: float, tell: Callable[[int], None]) -> Executed:
        executed = Executed()
        ends = time.monotonic() + timeout_s
        for number, cell in enumerate(cells, 1):
            self._client.session.metadata = {"cellId": cell.cell_id}
            message = self._client.execute(cell.source, allow_stdin=False, stop_on_error=False)
            executed.outputs = []
            executed.reason = self._collect(message, executed.outputs, ends)
            failed = any(output.output_type == "error" for output in executed.outputs)
            if failed and number < len(cells) and not cell.may_fail:
                error = executed.outputs[-1]
                said = f"{error.get('ename')}: {error.get('evalue')}"
                executed.reason = f"its cell {number} failed ({said})"
            if executed.reason:
                break
            tell(number)
        return executed

    def _collect(self, message: str, outputs: list[NotebookNode], ends: float) -> str:
        """Take what one cell shows until the kernel is idle; say why that did not come."""
        shown: dict[str, NotebookNode] = {}
        clearing = False
        while time.monotonic() < ends:
            try:
                got = self._client.get_iopub_msg(timeout=0.2)
            except queue.Empty:
                if self._process.poll() is not None:
                    return f"the kernel died ({self._last_words()})"
                continue
            if got["parent_header"].get("msg_id") != message:
                continue
            kind, content = got["msg_type"], got["content"]
            if kind == "status" and content["execution_state"] == "idle":
                return ""
            if kind == "clear_output":
                clearing = True
                if not content.get("wait"):
                    outputs.clear()
                    clearing = False
            elif kind in _SHOWING:
                if clearing:
                    outputs.clear()
                    clearing = False
                outputs.append(output_from_msg(got))
                display = content.get("transient", {}).get("display_id")
                if display:
                    shown[display] = outputs[-1]
            elif kind == "update_display_data":
                display = content.get("transient", {}).get("display_id")
                if display in shown:
                    shown[display].update(data=content["data"], metadata=content["metadata"])
        return "its time was over"
