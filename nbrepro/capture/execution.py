"""Execute planned cells in one observed kernel, and log each execution as it ends."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

from jupyter_client.asynchronous.client import AsyncKernelClient
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

from nbrepro.capture.interruption import Interruption, describe_signal
from nbrepro.capture.kernel import ObservedKernelManager, language_of
from nbrepro.capture.plan import Plan, PlannedCell
from nbrepro.errors import ExitCode, NbreproError
from nbrepro.rundir import CELLS, SUBMITS, CellRecord, RunDirectory

_GRACE_S = 3.0
_SHUTDOWN_S = 15.0
_COLLECT_S = 90.0  # a kernel with workers has them give their traces back before it ends
_ERROR_LENGTH = 2000
# What goes wrong is told once, in the run's own sentence, and not by every library on the way.
_LOG = logging.getLogger("nbrepro.capture")
_LOG.addHandler(logging.NullHandler())
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Observer(Protocol):
    """Who is told what happens, as it happens."""

    def kernel_started(self, pid: int) -> None: ...
    def kernel_ready(self, language: str, version: str) -> None: ...
    def cell_started(self, execution: int, cell: PlannedCell) -> None: ...
    def cell_ended(self, execution: int, cell: PlannedCell, status: str) -> None: ...
    def kernel_stopping(self) -> None: ...
    def stage(self, name: str) -> None: ...


class KernelError(NbreproError):
    """The kernel did not start, died, took too long, or a cell failed: the run ends here."""

    exit_code = ExitCode.NOTEBOOK_FAILED


class InterruptedRunError(NbreproError):
    """The run was asked to stop."""


@dataclass
class Execution:
    """One run of a plan in one kernel. `run` raises KernelError and InterruptedRunError."""

    plan: Plan
    manager: ObservedKernelManager
    directory: RunDirectory
    observer: Observer
    interruption: Interruption
    cwd: Path
    timeout_s: float | None = None
    startup_timeout_s: float = 60.0
    allow_errors: bool = False
    executed: int = 0
    _stop: asyncio.Event = field(init=False)
    _client: NotebookClient = field(init=False)
    _reply: dict[str, Any] = field(init=False, default_factory=dict)

    async def run(self, log: IO[bytes]) -> None:
        """Start the kernel, execute the cells, stop the kernel; `log` gets what it says itself."""
        self._stop = self.interruption.attach()
        self._client = NotebookClient(
            self.plan.node,
            km=self.manager,
            timeout=None,
            allow_errors=self.allow_errors,
            on_cell_executed=self._keep_reply,
            log=_LOG,
        )
        try:
            await self._start(log)
            for cell in self.plan.cells:
                await self._execute(cell)
            self._client.set_widgets_metadata()
        finally:
            self.observer.stage("stopping the kernel")
            self.observer.kernel_stopping()
            await self._shutdown()
            self.interruption.detach()

    # The kernel's life

    async def _start(self, log: IO[bytes]) -> None:
        self.observer.stage("starting the kernel")
        starting = asyncio.ensure_future(self._start_kernel(log))
        if not await self._completes(starting, None):
            await _cancel(starting)
            raise InterruptedRunError(self._why("while the kernel started"))
        try:
            starting.result()
        except (OSError, RuntimeError, TimeoutError) as error:
            raise KernelError(self._startup_failure(log, error)) from error

    async def _start_kernel(self, log: IO[bytes]) -> None:
        await self._client.async_start_new_kernel(cwd=str(self.cwd), stdout=log, stderr=log)
        assert self.manager.provisioner is not None
        self.observer.kernel_started(getattr(self.manager.provisioner, "pid", 0) or 0)
        client = self._client.kc = self.manager.client()
        client.start_channels()
        await client.wait_for_ready(timeout=self.startup_timeout_s)
        client.allow_stdin = False
        reply = await self._client.async_wait_for_reply(self._kernel_client.kernel_info())
        information = (reply or {}).get("content", {}).get("language_info")
        if information:
            self.plan.node.metadata["language_info"] = information
        self.observer.kernel_ready(*language_of(reply or {}))

    @property
    def _kernel_client(self) -> AsyncKernelClient:
        assert isinstance(self._client.kc, AsyncKernelClient)
        return self._client.kc

    async def _shutdown(self) -> None:
        client = self._client.kc
        if (self.directory.path / SUBMITS).exists():
            self.manager.shutdown_wait_time = _COLLECT_S
        try:
            if self.manager.has_kernel:
                await asyncio.wait_for(self.manager.shutdown_kernel(now=False), self._patience())
            else:
                await self.manager.cleanup_resources()
        except (TimeoutError, RuntimeError, ProcessLookupError):
            await self.manager.shutdown_kernel(now=True)
        finally:
            if client is not None:
                client.stop_channels()

    def _patience(self) -> float:
        """Give the seconds after which a kernel that was asked to end is ended."""
        return float(self.manager.shutdown_wait_time) + _SHUTDOWN_S

    def _startup_failure(self, log: IO[bytes], error: Exception) -> str:
        said = _last_line(Path(log.name))
        reason = said or str(error).rstrip(".") or type(error).__name__
        return (
            f"kernel {self.manager.kernel_name!r} did not start ({reason}); "
            f"what it said is in {log.name}"
        )

    # Cells

    async def _execute(self, cell: PlannedCell) -> None:
        """Execute one cell and log it, however it ends; raise where the run cannot go on."""
        if self._stop.is_set():
            raise InterruptedRunError(self._why(f"before {cell.name}"))
        execution = self.executed = self.executed + 1
        self._reply = {}
        self._kernel_client.session.metadata = {"cellId": str(cell.cell_id)}
        started_ns = time.time_ns()
        self.observer.cell_started(execution, cell)
        error, ending = await self._run_cell(cell)
        ended_ns = time.time_ns()
        self._kernel_client.session.metadata = {}
        status = _status(error, ending)
        self.observer.cell_ended(execution, cell, status)
        count = self.plan.node.cells[cell.index].get("execution_count")
        record = CellRecord(
            execution, cell.position, str(cell.cell_id), count, cell.source, status,
            started_ns, ended_ns, error,
        )  # fmt: skip
        self.directory.append(CELLS, record)
        if ending is not None:
            raise ending

    async def _run_cell(self, cell: PlannedCell) -> tuple[str, NbreproError | None]:
        """Give the cell's own error, and why the run ends with it, if it does."""
        node = self.plan.node.cells[cell.index]
        node.execution_count = None
        task = asyncio.ensure_future(self._client.async_execute_cell(node, cell.index))
        if not await self._completes(task, self.timeout_s):
            ending = self._unfinished(cell)
            await self._break_off(task)
            return self._error(str(ending)), ending
        try:
            task.result()
        except CellExecutionError:
            error = self._error("")
            return error, KernelError(f"{cell.name} failed: {error}")
        except DeadKernelError:
            ending = KernelError(f"the kernel died in {cell.name} ({self._death()})")
            return str(ending), ending
        return self._error(""), None

    def _unfinished(self, cell: PlannedCell) -> NbreproError:
        if self._stop.is_set():
            return InterruptedRunError(self._why(f"in {cell.name}"))
        return KernelError(f"{cell.name} took longer than {self.timeout_s:g} s; raise --timeout")

    async def _break_off(self, task: asyncio.Future[Any]) -> None:
        """Interrupt the kernel, let it say what that did to the cell, and wait no longer."""
        await self.manager.interrupt_kernel()
        await asyncio.wait({task}, timeout=_GRACE_S)
        await _cancel(task)

    async def _completes(self, task: asyncio.Future[Any], timeout_s: float | None) -> bool:
        """Wait for `task`, a request to stop or the time-out; tell whether `task` is done."""
        stopping = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait(
                {task, stopping}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            await _cancel(stopping)
        return task.done()

    def _keep_reply(self, execute_reply: dict[str, Any] | None, **_: Any) -> None:
        self._reply = (execute_reply or {}).get("content", {})

    def _error(self, otherwise: str) -> str:
        """Give the exception that the kernel reported for the cell: its name and message."""
        if self._reply.get("status") != "error":
            return otherwise
        text = f"{self._reply.get('ename', 'error')}: {self._reply.get('evalue', '')}"
        return _COLOURS.sub("", text)[:_ERROR_LENGTH]

    def _death(self) -> str:
        process = getattr(self.manager.provisioner, "process", None)
        code = process.poll() if process is not None else None
        if code is None:
            return "it cannot be told how"
        return f"by {describe_signal(-code)}" if code < 0 else f"with exit code {code}"

    def _why(self, where: str) -> str:
        return f"interrupted by {describe_signal(self.interruption.signal)} {where}"


def _status(error: str, ending: NbreproError | None) -> str:
    if isinstance(ending, InterruptedRunError) or error.startswith("KeyboardInterrupt:"):
        return "interrupted"
    return "failed" if error else "ok"


async def _cancel(task: asyncio.Future[Any]) -> None:
    """Cancel what is still running and take its result, so that no loop warns of it."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _last_line(path: Path) -> str:
    """Give the last line that a kernel wrote to its log, where it wrote any."""
    try:
        lines = path.read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return _COLOURS.sub("", lines[-1]).strip()[:_ERROR_LENGTH] if lines else ""


def run_loop(work: Callable[[], Coroutine[Any, Any, None]], interruption: Interruption) -> None:
    """Run `work` in an event loop of its own; in a thread where one runs already (Jupyter)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        _run_here(work)
        return
    raised: list[BaseException] = []

    def guarded() -> None:
        try:
            _run_here(work)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=guarded, name="nbrepro-run")
    thread.start()
    while thread.is_alive():
        try:
            thread.join()
        except KeyboardInterrupt:
            interruption.request()
    if raised:
        raise raised[0]


def _run_here(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with asyncio.Runner() as runner:
        runner.run(work())
