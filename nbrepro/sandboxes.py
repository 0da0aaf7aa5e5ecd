"""Recognise the task of a TaskVine worker's process by the sandbox it works in.

A worker makes each task a directory `task.N`, `func.N` (a function call), `libr.N` (a library
instance) or `mini.N`, N being the manager's number of the task, and the task's process enters it
first of all. A library that runs its calls itself (exec_mode=direct) moves in and out. Files in a
sandbox are the manager's under other names: the declared inputs and outputs say which.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from nbrepro.model import Mode, Owner, Touch
from nbrepro.tasks import TaskFile, TaskRecord

_SANDBOX = re.compile(r"^(.*?)/((?:task|func|libr|mini)\.\d+)(?:/(.*))?$", re.DOTALL)


def split_sandbox(path: str) -> tuple[str, str, str] | None:
    """Split a path into workspace, name of the sandbox and the path inside; None if it has none."""
    # Asked of every path: most have none of these names, and no need of the expression.
    if (
        "/task." not in path
        and "/func." not in path
        and ("/libr." not in path and "/mini." not in path)
    ):
        return None
    match = _SANDBOX.match(path)
    return (match[1], match[2], match[3] or "") if match else None


class Sandboxes:
    """Tells the owner of a sandbox on one worker; on any, in the trace of a kernel (no `worker`)
    whose own children are the workers."""

    def __init__(self, worker: str, tasks: Sequence[TaskRecord]) -> None:
        self._worker = worker
        self._tasks: dict[str, list[TaskRecord]] = defaultdict(list)
        for task in tasks:
            if task.sandbox and (not worker or task.worker in (worker, "")):
                self._tasks[task.sandbox].append(task)
        self._entered: dict[tuple[str, str], TaskRecord] = {}

    def owner(self, path: str) -> Owner | None:
        """Give the owner of a process that enters `path`; None where it is no sandbox.

        A sandbox that no submit log knows still is a task: of no known cell.
        """
        parts = split_sandbox(path)
        if parts is None:
            return None
        workspace, name, _ = parts
        task = self._task(workspace, name)
        if task is None:
            return Owner(0, name, self._worker)
        return Owner(task.execution, task.task, self._worker or task.worker)

    def _task(self, workspace: str, name: str) -> TaskRecord | None:
        """Find the attempt: a worker that gets one task twice has it in order of attempts."""
        known = self._entered.get((workspace, name))
        if known is None and self._tasks[name]:
            waiting = self._tasks[name]
            known = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            self._entered[workspace, name] = known
        return known


class Declarations:
    """Maps the files of sandboxes back to the manager's paths."""

    def __init__(self, tasks: Iterable[TaskRecord], manager: str) -> None:
        self._tasks = {task.task: task for task in tasks if task.sandbox}
        self._manager = manager
        self.used: set[tuple[str, str]] = set()

    def map(self, touches: Iterable[Touch]) -> Iterator[Touch]:
        """Yield the touches with the manager's paths where the task declared them."""
        for touch in touches:
            task = self._tasks.get(touch.owner.task)
            if task is None:
                yield touch
            else:
                yield from self._map(touch, task)

    def is_undeclared(self, touch: Touch) -> bool:
        """Tell whether a task reached a file that it never declared, outside its sandbox."""
        return (
            touch.owner.task in self._tasks
            and not touch.place
            and touch.mode is not Mode.CONNECT
            and split_sandbox(touch.path) is None
        )

    def unused(self, task: TaskRecord) -> list[str]:
        """List the declared inputs that the task never touched.

        What the worker unpacks for it has another name there, and is not judged.
        """
        declared = dict.fromkeys(file.path for file in task.inputs if file.path and file.remote)
        return [path for path in declared if (task.task, path) not in self.used]

    def _map(self, touch: Touch, task: TaskRecord) -> Iterator[Touch]:
        path = self._manager_path(touch.path, task)
        target = self._manager_path(touch.target, task) if touch.mode is Mode.RENAME else None
        if target is not None and path is None:
            # What was scratch becomes an output: it leaves the worker, and comes to the manager.
            yield touch._replace(mode=Mode.REMOVE, target="")
            yield touch._replace(
                mode=Mode.WRITE, path=target, named=touch.target, target="", place=self._manager
            )
        elif path is None:
            yield touch
        else:
            yield touch._replace(path=path, target=target or touch.target, place=self._manager)

    def _manager_path(self, path: str, task: TaskRecord) -> str | None:
        """Find the manager's path: of the declared file, or of one below a declared directory."""
        parts = split_sandbox(path)
        if parts is None or parts[1] != task.sandbox:
            return None
        for file in (*task.inputs, *task.outputs):
            below = _below(parts[2], file)
            if file.path and below is not None:
                self.used.add((task.task, file.path))
                return f"{file.path}/{below}" if below else file.path
        return None


def _below(inside: str, file: TaskFile) -> str | None:
    remote = file.remote.strip("/")
    if inside == remote:
        return ""
    return inside[len(remote) + 1 :] if inside.startswith(remote + "/") else None
