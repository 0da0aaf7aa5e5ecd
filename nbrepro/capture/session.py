"""Run a notebook under observation and leave a run directory, however the run ends."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nbformat import v4

from nbrepro.capture.beginning import create_run_directory, first_manifest
from nbrepro.capture.closing import close_trace
from nbrepro.capture.environment import find_interpreter, find_roots
from nbrepro.capture.execution import Execution, InterruptedRunError, run_loop
from nbrepro.capture.gathering import adopt
from nbrepro.capture.interruption import Interruption, describe_signal
from nbrepro.capture.kernel import (
    Launch,
    check_program,
    find_kernelspec,
    insert_probe,
    make_manager,
    read_executable,
)
from nbrepro.capture.options import Progress, RunOptions, RunOutcome
from nbrepro.capture.plan import Plan, PlannedCell, make_plan
from nbrepro.capture.tracers import find_tracer
from nbrepro.capture.watcher import Watcher
from nbrepro.capture.worker import find_worker_home
from nbrepro.errors import ExitCode, MachineError, NbreproError, UsageError
from nbrepro.model import RunId
from nbrepro.notebook import parse_notebook, read_bytes
from nbrepro.rundir import EXECUTED, NOTEBOOK, SUBMITS, Kernel, compress_trace

KERNEL_LOG = "kernel.log"
_DEFAULT_KERNEL = "python3"


@dataclass(frozen=True, slots=True)
class _Ending:
    status: str = "ok"
    error: str = ""
    exit_code: ExitCode = ExitCode.OK
    defect: Exception | None = None


def run_notebook(
    notebook: Path, options: RunOptions, progress: Progress | None = None
) -> RunOutcome:
    """Execute a notebook, its kernel observed, and leave a run directory in the project.

    What goes wrong with the notebook, its kernel or this machine is recorded there and told in
    the outcome. Raises NotFoundError where there is no notebook, UsageError for options that
    make no sense, and MachineError where the run directory cannot be written.
    """
    path = notebook.resolve()
    data = read_bytes(path)
    cwd = (options.cwd or path.parent).resolve()
    if not cwd.is_dir():
        raise UsageError(f"{cwd}: is not a directory; --cwd wants one that exists")
    with Interruption() as interruption:
        try:
            session = _Session(path, data, cwd, options, progress, interruption)
        except OSError as error:
            raise MachineError(_describe(error, options.project.runs)) from error
        return session.run()


class _Session:
    """One run from its manifest's first to its last version."""

    def __init__(
        self,
        path: Path,
        data: bytes,
        cwd: Path,
        options: RunOptions,
        progress: Progress | None,
        interruption: Interruption,
    ) -> None:
        self.data = data
        self.options = options
        self.progress = progress
        self.interruption = interruption
        self.directory = create_run_directory(options.project.runs.resolve(), path)
        self.trace: Path | None = None
        self.plan: Plan | None = None
        self.watcher: Watcher | None = None
        run = RunId(self.directory.path.name)
        self.manifest = first_manifest(run, path, data, cwd, options)
        (self.directory.path / NOTEBOOK).write_bytes(data)
        self.directory.write_manifest(self.manifest)

    def run(self) -> RunOutcome:
        """Observe the notebook, complete the evidence, and say how it ended."""
        ending = self._attempt(self._observe)
        if self.trace is not None:
            completed = self._attempt(self._complete)
            ending = ending if ending.status != "ok" else completed
        self._end(ending)
        if ending.defect is not None:
            raise ending.defect
        return RunOutcome(
            self.manifest.run,
            self.directory.path,
            ending.status,
            ending.error,
            self.interruption.signal if ending.status == "interrupted" else 0,
            ending.exit_code,
        )

    def _attempt(self, act: Callable[[], None]) -> _Ending:
        """Do `act`, and turn whatever it raises into how the run ends."""
        try:
            act()
        except (InterruptedRunError, KeyboardInterrupt) as error:
            number = self.interruption.signal or int(signal.SIGINT)
            said = str(error) or f"interrupted by {describe_signal(number)}"
            asked = number == signal.SIGINT
            code = ExitCode.INTERRUPTED if asked else ExitCode.TERMINATED
            return _Ending("interrupted", said, code)
        except NbreproError as error:
            return _Ending("failed", str(error), error.exit_code)
        except OSError as error:
            return _Ending("failed", _describe(error, self.directory.path), ExitCode.MACHINE)
        except Exception as error:
            said = f"nbrepro itself failed ({type(error).__name__}: {error})"
            return _Ending("failed", said, ExitCode.MACHINE, error)
        return _Ending()

    def _end(self, ending: _Ending) -> None:
        """Write the manifest's last version. Raises MachineError where even that is impossible."""
        try:
            self._update(status=ending.status, error=ending.error, ended_ns=time.time_ns())
        except OSError as error:
            raise MachineError(_describe(error, self.directory.path)) from error

    def _observe(self) -> None:
        """Prepare everything, then execute the cells."""
        notebook = parse_notebook(self.data, Path(self.manifest.notebook))
        plan = make_plan(notebook, self.options.parameters, self.options.order)
        name = self.options.kernel or notebook.kernel_name or _DEFAULT_KERNEL
        asked_by = "--kernel" if self.options.kernel else f"the notebook {notebook.path.name}"
        spec = find_kernelspec(name, asked_by)
        check_program(spec, name)
        if self.options.parameters and spec.language.lower() != "python":
            raise UsageError(f"kernel {name!r} is {spec.language}; parameters are for Python only")
        probed = bool(insert_probe(spec.argv, self.manifest.token))
        watching = find_tracer(self.options.tracer, probed)
        trace = self.directory.trace_path(self.manifest.host.name)
        interpreter = find_interpreter(spec.argv)
        self._update(
            tracer=watching.tracer,
            kernel=Kernel(name=name, language=spec.language, pid=0, probed=probed),
            roots=find_roots(self.options.project.root, self.directory.path, interpreter),
        )
        self.plan = plan
        if self.progress:
            self.progress.started(len(plan.cells))
        self._start_watcher(trace)
        submits = self.directory.path / SUBMITS
        launch = Launch(watching, trace, self.manifest.token, submits)
        execution = Execution(
            plan=plan,
            manager=make_manager(name, spec, launch),
            directory=self.directory,
            observer=self,
            interruption=self.interruption,
            cwd=Path(self.manifest.cwd),
            timeout_s=self.options.timeout_s,
            startup_timeout_s=self.options.startup_timeout_s,
            allow_errors=self.options.allow_errors,
        )
        with (self.directory.path / KERNEL_LOG).open("wb") as log:
            run_loop(lambda: execution.run(log), self.interruption)

    def _complete(self) -> None:
        """Write the executed notebook, and finish what was recorded beside the run."""
        assert self.trace is not None
        if self.plan is not None:
            text = v4.writes(self.plan.node).encode("utf-8", "backslashreplace")
            (self.directory.path / EXECUTED).write_bytes(text + b"\n")
        self.stage("closing the trace")
        self._note(*close_trace(self.trace))
        self.stage("reading what was touched")
        self._watch("finish", self.trace)
        if self.watcher is not None:
            self._note(*self.watcher.gaps)
        compress_trace(self.trace)
        self._note(*adopt(self.directory, [find_worker_home()]))

    def _update(self, **changes: Any) -> None:
        self.manifest = replace(self.manifest, **changes)
        self.directory.write_manifest(self.manifest)

    def _note(self, *notes: str) -> None:
        self.manifest = replace(self.manifest, notes=(*self.manifest.notes, *notes))

    # What the execution tells

    def kernel_started(self, pid: int) -> None:
        """Note the kernel's process."""
        self._update(kernel=replace(self.manifest.kernel, pid=pid))
        self._watch("kernel_started", pid)

    def kernel_ready(self, language: str, version: str) -> None:
        """Note what the kernel says of itself."""
        kernel = self.manifest.kernel
        self._update(
            kernel=replace(
                kernel,
                executable=read_executable(kernel.pid),
                language=language or kernel.language,
                version=version,
            )
        )

    def cell_started(self, execution: int, cell: PlannedCell) -> None:
        """Tell the watcher and the person."""
        if self.progress:
            self.progress.cell_started(cell.position, cell.source)
        self._watch("cell_started", execution)

    def cell_ended(self, execution: int, cell: PlannedCell, status: str) -> None:
        """Tell the watcher and the person."""
        self._watch("cell_ended", execution)
        if self.progress:
            self.progress.cell_ended(cell.position, status)

    def kernel_stopping(self) -> None:
        """Tell the watcher."""
        self._watch("kernel_stopping")

    def stage(self, name: str) -> None:
        """Tell the person."""
        if self.progress:
            self.progress.stage(name)

    # The watcher

    def _start_watcher(self, trace: Path) -> None:
        trace.touch()
        self.trace = trace
        self.watcher = Watcher(
            self.directory,
            self.manifest.token,
            self.manifest.roots,
            self.options.settings.digest_limit_bytes,
            self.manifest.started_ns,
        )
        self._watch("start", trace)

    def _watch(self, act: str, *arguments: Any) -> None:
        """Tell the watcher; a defect of it is noted and must not stop the notebook."""
        if self.watcher is None:
            return
        try:
            getattr(self.watcher, act)(*arguments)
        except Exception as error:
            self.watcher = None
            self._note(
                f"files were not watched from {act!r} on ({type(error).__name__}: {error}); "
                "content digests are missing"
            )


def _describe(error: OSError, where: Path) -> str:
    reason = error.strerror or str(error)
    return f"{error.filename or where}: {reason}; check space and permissions, then run again"
