"""Runs the command of an image in its root, isolated from this machine, and hears how it goes."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

from nbrepro.errors import MachineError
from nbrepro.packaging.isolation import Bind, Isolation, can_layer, open_layer, start_isolated
from nbrepro.packaging.plan import DRIVER, HOME, OUT

_KEPT_LINES = 40


class Progress(Protocol):
    """Who hears how far a replay is."""

    def started(self, cells: int) -> None: ...
    def cell_started(self, position: int, source: str) -> None: ...
    def cell_ended(self, position: int, status: str) -> None: ...
    def stage(self, name: str) -> None: ...


@dataclass(slots=True)
class Heard:
    """What a replay said: its exit code, why it failed, the last lines that were no event."""

    code: int = 125
    failure: str = ""
    lines: list[str] = field(default_factory=list)
    timed_out: bool = False


@dataclass(frozen=True, slots=True)
class Running:
    """What to run: an image's root with its configuration, and what is lent to it.

    `arguments` go to the driver. `scratch` takes what is changed: it ends up below
    `scratch/upper`, at its absolute path.
    """

    root: Path
    scratch: Path
    python: str
    cwd: str
    environment: Mapping[str, str]
    arguments: tuple[str, ...] = ()
    binds: tuple[Bind, ...] = ()
    network: bool = False
    timeout_s: float | None = None
    tracer: tuple[str, ...] = ()


def run_driver(running: Running, progress: Progress) -> Heard:
    """Run the notebook of an image and give what was heard. Raises MachineError."""
    command = (running.python, f"{HOME}/{DRIVER}", *running.arguments)
    with _writable(running) as (root, layer, writable):
        wanted = Isolation(
            root, command, running.cwd, running.environment, writable, running.binds,
            running.network, layer, running.tracer,
        )  # fmt: skip
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE}
        with start_isolated(wanted, **streams, stderr=subprocess.STDOUT) as process:
            assert process.stdout is not None
            return _hear(process, process.stdout, progress, running.timeout_s)


@contextmanager
def _writable(running: Running) -> Iterator[tuple[Path, Path | None, tuple[str, ...]]]:
    """Give a root that can be written to without changing the image's own."""
    if can_layer():
        yield running.root, running.scratch, ()
        open_layer(running.scratch)
        return
    # Without overlays, a copy is changed, and what differs from the image is what was written.
    copy = running.scratch / "copy"
    shutil.copytree(running.root, copy, symlinks=True)
    places = [path for path in sorted(copy.iterdir()) if path.is_dir() and not path.is_symlink()]
    skipped = ("proc", "dev", "sys")
    yield copy, None, tuple(f"/{path.name}" for path in places if path.name not in skipped)
    keep_changes(running.root, copy, running.scratch / "upper")


def keep_changes(root: Path, copy: Path, upper: Path) -> None:
    """Move what differs between a root and its changed copy to `upper`."""
    for path in sorted(copy.rglob("*")):
        relative = path.relative_to(copy)
        original = root / relative
        if path.is_symlink() or not path.is_file():
            continue
        before = original.lstat() if original.exists() else None
        after = path.lstat()
        if before is None or (before.st_mtime_ns, before.st_size) != (
            after.st_mtime_ns, after.st_size,
        ):  # fmt: skip
            (upper / relative).parent.mkdir(parents=True, exist_ok=True)
            path.replace(upper / relative)
    shutil.rmtree(copy)


def _hear(
    process: subprocess.Popen[bytes], stream: IO[bytes], progress: Progress, timeout_s: float | None
) -> Heard:
    heard = Heard()

    def stop() -> None:
        heard.timed_out = True
        process.kill()

    timer = threading.Timer(timeout_s, stop) if timeout_s else None
    if timer:
        timer.daemon = True
        timer.start()
    try:
        for line in stream:
            _take(line, heard, progress)
        heard.code = process.wait()
    finally:
        if timer:
            timer.cancel()
    if heard.code and not heard.failure:
        words = f"ended with code {heard.code}: {' / '.join(heard.lines[-3:])}"
        heard.failure = f"took longer than {timeout_s:g} s" if heard.timed_out else words
    return heard


def _take(line: bytes, heard: Heard, progress: Progress) -> None:
    event = _event(line)
    match event.get("event"):
        case "started":
            progress.started(int(event["cells"]))
        case "cell_started":
            progress.cell_started(int(event["position"]), str(event["source"]))
        case "cell_ended":
            progress.cell_ended(int(event["position"]), _status(str(event["status"])))
        case "failed":
            position = event["position"]
            heard.failure = f"cell {position}: {event['reason']}" if position else event["reason"]
        case "beside":
            progress.stage(f"starting {event['name']}")
        case None:
            heard.lines = [*heard.lines, line.decode(errors="replace").rstrip()][-_KEPT_LINES:]


def _status(status: str) -> str:
    return {"ok": "ok", "error": "failed"}.get(status, status)


def _event(line: bytes) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) and "event" in event else {}


def read_result(scratch: Path) -> dict[str, Any]:
    """Read the executed notebook that a replay left. Raises MachineError where it left none."""
    path = find_result(scratch)
    if not path.is_file():
        raise MachineError(f"{path}: the replay left no executed notebook")
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return result


def find_result(scratch: Path) -> Path:
    """Give where a replay leaves the executed notebook."""
    return Path(f"{scratch}/upper{HOME}/{OUT}/executed.ipynb")
