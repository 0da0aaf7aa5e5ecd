"""Contents beside a running kernel: real processes under strace, files that come and go."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbrepro.capture.digests import (
    ABOVE_LIMIT,
    CHANGED_BEFORE,
    CHANGED_DURING,
    STOPPED,
    Digester,
    FileKey,
    Sightings,
    look_at,
)
from nbrepro.capture.following import Following
from nbrepro.capture.watcher import Watcher
from nbrepro.model import Sighting
from nbrepro.rundir import NAMES, SIGHTINGS, SOFTWARE, RunDirectory
from nbrepro.trace import TRACED

TOKEN = "5ec2e7"
KERNEL = f"""
import os, sys
def mark(words):
    try:
        os.open("/nbrepro-marker/{TOKEN}/cell/" + words, os.O_RDONLY)
    except OSError:
        pass
print("ready", flush=True)
for line in sys.stdin:
    number, source = eval(line)
    mark(f"start/{{number}}/x")
    exec(source, globals())
    mark(f"end/{{number}}")
    print("done", flush=True)
"""


def sha256(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


class Observed:
    """A stand-in kernel under strace with a watcher beside it."""

    def __init__(self, project: Path, limit_bytes: int = 1 << 30):
        self.project = project
        self.directory = RunDirectory(project / ".nbrepro" / "runs" / "r1").create()
        roots = {"project": str(project), "prefix": sys.prefix, "run": str(self.directory.path)}
        self.watcher = Watcher(self.directory, TOKEN, roots, limit_bytes, time.time_ns())
        self.trace = self.directory.trace_path("host")
        self.trace.touch()
        self.watcher.start(self.trace)
        calls = ",".join(f"?{call}" for call in TRACED)
        self.kernel = subprocess.Popen(
            ["strace", "-DDD", "-f", "-y", "-s", "4096", "-a", "1", "-A", "-e", f"trace={calls}",
             "--timestamps=unix,ns", "-o", str(self.trace), "--", sys.executable, "-c", KERNEL],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=project,
        )  # fmt: skip
        assert self.kernel.stdout.readline() == "ready\n"
        self.watcher.kernel_started(self.kernel.pid)
        self.cells = 0
        self.slowest_s = 0.0

    def cell(self, source: str) -> int:
        self.cells += 1
        self.watcher.cell_started(self.cells)
        self.kernel.stdin.write(repr((self.cells, source)) + "\n")
        self.kernel.stdin.flush()
        assert self.kernel.stdout.readline() == "done\n", source
        began = time.monotonic()
        self.watcher.cell_ended(self.cells)
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        return self.cells

    def finish(self) -> None:
        if self.kernel.poll() is None:
            self.kernel.communicate(timeout=30)
            self._await_tracer()
            self.watcher.finish(self.trace)

    def _await_tracer(self) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if b"+++ exited" in self.trace.read_bytes():
                return
            time.sleep(0.02)
        raise AssertionError("the tracer did not end")

    def seen(self, name: str) -> list[tuple[int, str, str]]:
        """Give execution, kind and sha256 of each sighting of a file."""
        return [(s.execution, s.kind, s.sha256) for s in self.sightings(name)]

    def sightings(self, name: str) -> list[Sighting]:
        path = str(self.project / name)
        return [s for s in self.directory.read_sightings() if s.path == path]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "input.csv").write_text("first")
    return tmp_path


@pytest.fixture
def observed(project: Path) -> Iterator[Observed]:
    made = Observed(project)
    yield made
    made.finish()


live = pytest.mark.live("strace")


@live
def test_removed_input_keeps_its_digest(observed: Observed):
    observed.cell("open('input.csv').read(); import os; os.remove('input.csv')")
    observed.finish()
    assert observed.seen("input.csv") == [
        (0, "file", sha256("first")),
        (1, "missing", ""),
    ]


@live
def test_each_version_of_an_overwritten_file_has_its_digest(observed: Observed):
    for number in range(1, 4):
        observed.cell(f"with open('out.csv', 'w') as f: f.write('version {number}')")
    observed.finish()
    left = {execution: digest for execution, _, digest in observed.seen("out.csv")}
    assert {n: left[n] for n in (1, 2, 3)} == {n: sha256(f"version {n}") for n in (1, 2, 3)}


@live
def test_file_written_with_the_same_content_is_sighted_again(observed: Observed):
    cell = observed.cell("with open('input.csv', 'r+') as f: f.write('first')")
    observed.finish()
    assert observed.seen("input.csv")[-1] == (cell, "file", sha256("first"))


@live
def test_input_outside_the_project_is_sighted_as_it_is_read(observed: Observed, tmp_path_factory):
    path = tmp_path_factory.mktemp("elsewhere") / "remote.csv"
    path.write_text("far away")
    observed.cell(
        f"import os, time; p = {str(path)!r}; open(p).read(); time.sleep(1); os.remove(p)"
    )
    observed.finish()
    assert [(s.execution, s.sha256) for s in observed.sightings(str(path))] == [
        (0, sha256("far away")),
        (1, ""),
    ]


@live
def test_renamed_and_linked_names_are_sighted_where_they_really_are(observed: Observed):
    observed.cell("import os; os.mkdir('real'); os.symlink('real', 'link')")
    observed.cell("open('link/a', 'w').write('x'); os.rename('link/a', 'link/b')")
    observed.cell("os.mkdir('d.tmp'); open('d.tmp/p', 'w').write('y'); os.rename('d.tmp', 'd')")
    observed.finish()
    assert observed.seen("real/a") == [(2, "missing", "")]
    assert observed.seen("real/b") == [(2, "file", sha256("x"))]
    assert observed.seen("d/p") == [(3, "file", sha256("y"))]
    names = {(n.named, n.path) for n in observed.directory.read_names()}
    project = str(observed.project)
    assert (f"{project}/link/b", f"{project}/real/b") in names


@live
def test_uses_of_earlier_handles_are_recorded_with_the_versions_they_left(observed: Observed):
    observed.cell("import mmap; f = open('log.txt', 'w'); g = open('input.csv', 'r+b')")
    observed.cell("m = mmap.mmap(g.fileno(), 0); g.close()")
    observed.cell("f.write('line'); f.flush()")
    observed.cell("m[0]")
    observed.cell("m[0:1] = b'F'")
    observed.finish()
    uses = {(u.execution, Path(u.path).name, u.mode, u.evidence)
            for u in observed.directory.read_handles()}  # fmt: skip
    assert uses == {
        (3, "log.txt", "write", "handle"),
        (4, "input.csv", "read", "map"),
        (5, "input.csv", "write", "map"),
    }
    assert observed.seen("log.txt")[-1] == (3, "file", sha256("line"))
    assert observed.seen("input.csv")[-1] == (5, "file", sha256("First"))


@live
def test_packages_and_interpreters_are_told(observed: Observed):
    observed.cell("import numpy")
    observed.finish()
    owned = {o.package.name for o in observed.directory.read_software() if o.package}
    assert "numpy" in owned
    assert observed.watcher.gaps == []


@live
def test_pipe_and_socket_are_told_and_never_opened(observed: Observed):
    observed.cell(
        "import os, socket; os.mkfifo('pipe'); r = os.open('pipe', os.O_RDONLY | os.O_NONBLOCK)\n"
        "s = socket.socket(socket.AF_UNIX); s.bind('socket')"
    )
    observed.finish()
    assert {s.kind for s in observed.sightings("pipe")} == {"fifo"}
    assert {s.kind for s in observed.sightings("socket")} <= {"socket"}


@live
def test_large_file_is_digested_after_the_run_if_it_is_still_the_same(project: Path):
    observed = Observed(project, limit_bytes=10)
    observed.cell("open('kept', 'w').write('k' * 20)")
    observed.cell("open('lost', 'w').write('l' * 20)")
    observed.cell("open('lost', 'w').write('m' * 21)")
    observed.finish()
    kept, lost = observed.sightings("kept"), observed.sightings("lost")
    assert [(s.execution, s.sha256, s.reason) for s in kept] == [
        (1, "", ABOVE_LIMIT),
        (1, sha256("k" * 20), ""),
    ]
    assert [(s.execution, s.reason) for s in lost] == [(2, ABOVE_LIMIT), (3, ABOVE_LIMIT), (3, "")]


@live
def test_large_file_is_digested_while_the_next_cell_runs(project: Path, capsys):
    with (project / "large").open("wb") as large:
        large.truncate(1 << 28)
    observed = Observed(project)
    observed.cell("open('large', 'r+b').write(b'x')")
    observed.cell("open('small', 'w').write('y')")
    observed.finish()
    with capsys.disabled():
        print(f"\na cell's end with 256 MiB to digest: {observed.slowest_s * 1e3:.0f} ms")
    zeros = hashlib.sha256(b"x" + bytes((1 << 28) - 1)).hexdigest()
    assert observed.seen("large")[-1] == (1, "file", zeros)
    assert observed.seen("small")[-1] == (2, "file", sha256("y"))


@live
def test_failure_of_the_watcher_is_a_sentence_and_not_an_exception(observed: Observed):
    for name in (SIGHTINGS, NAMES, SOFTWARE):
        (observed.directory.path / name).unlink(missing_ok=True)
        (observed.directory.path / name).mkdir()
    observed.cell("import os; open('out.csv', 'w').write('x'); os.mkdir('directory')")
    observed.cell("os.rename('directory', 'renamed')")
    observed.finish()
    gaps = "; ".join(observed.watcher.gaps)
    for trouble in ("be digested", "what a cell touched", "names could", "packages could"):
        assert trouble in gaps


@live
def test_burst_of_files_is_complete(observed: Observed):
    observed.cell("for i in range(300): open(f'out{i}.txt', 'w').write(str(i))")
    observed.finish()
    seen = {(Path(s.path).name, s.execution, s.sha256) for s in observed.directory.read_sightings()}
    assert {(f"out{n}.txt", 1, sha256(str(n))) for n in range(300)} <= seen


# Digests.


def aged(path: Path) -> str:
    """Make a file look as if nobody had just written it, so that its digest may be kept."""
    os.utime(path, ns=(time.time_ns() - 10**10,) * 2)
    time.sleep(0.05)
    return str(path)


class Readings:
    """A guard that counts, and does something to the file at each reading."""

    def __init__(self, disturb=lambda: None):
        self.count = 0
        self.disturb = disturb

    def __call__(self, key: FileKey) -> contextlib.AbstractContextManager[None]:
        self.count += 1
        self.disturb()
        return contextlib.nullcontext()


def test_digest_is_read_once_until_the_file_changes(project: Path):
    readings = Readings()
    digester = Digester(readings)
    path = aged(project / "input.csv")
    assert [digester.digest(path).sha256 for _ in range(3)] == [sha256("first")] * 3
    assert readings.count == 1
    assert digester.digest(path, fresh=True).sha256 == sha256("first")
    (project / "input.csv").write_text("other")
    os.utime(path, ns=(look_at(path).mtime_ns,) * 2)
    assert digester.digest(path).sha256 == sha256("other")
    assert readings.count == 3


def test_just_written_file_is_not_trusted_to_stay(project: Path):
    readings = Readings()
    digester = Digester(readings)
    path = str(project / "input.csv")
    (project / "input.csv").write_text("now")
    digester.digest(path)
    digester.digest(path)
    assert readings.count == 2


def test_file_that_changes_while_read_has_a_reason(project: Path):
    def grow():
        with (project / "input.csv").open("a") as file:
            file.write("more")

    readings = Readings(grow)
    digest = Digester(readings).digest(str(project / "input.csv"))
    assert (digest.sha256, digest.reason, readings.count) == ("", CHANGED_DURING, 2)


def test_file_that_changed_before_it_was_read_has_a_reason(project: Path):
    path = str(project / "input.csv")
    before = look_at(path)
    (project / "input.csv").write_text("something else")
    digest = Digester().digest(path, expected=before)
    assert (digest.look, digest.sha256, digest.reason) == (before, "", CHANGED_BEFORE)


def test_reading_stops_when_told(project: Path):
    digester = Digester()
    digester.stop()
    assert digester.digest(str(project / "input.csv")).reason == STOPPED


def test_what_is_no_file_is_told_without_opening_it(tmp_path: Path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "symlink").symlink_to("nowhere")
    (tmp_path / "directory").mkdir()
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "socket"))
        for kind in ("fifo", "symlink", "directory", "socket"):
            digest = Digester().digest(str(tmp_path / kind))
            assert (digest.look.kind, digest.sha256) == (kind, "")
            assert kind in digest.reason
    assert Digester().digest("/dev/null").look.kind == "device"
    assert Digester().digest(str(tmp_path / "nothing")).look.kind == "missing"
    assert Digester().digest(str(tmp_path / "fifo" / "below")).look.kind == "missing"
    assert "embedded null" in Digester().digest("a\0b").reason


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file_has_a_reason(project: Path):
    (project / "input.csv").chmod(0)
    assert Digester().digest(str(project / "input.csv")).reason.startswith("cannot be read (Perm")


def test_sightings_of_a_path_are_in_order_of_time(tmp_path: Path):
    directory = RunDirectory(tmp_path / "run").create()
    sightings = Sightings(directory, Digester(), 1 << 20)
    (tmp_path / "a").write_text("a")
    for execution in range(1, 40):
        sightings.execution = execution
        sightings.glance(str(tmp_path / "a"))
        sightings.settle(str(tmp_path / "a"), execution, always=True)
    sightings.finish()
    assert sightings.gaps == []
    times = [s.at_ns for s in directory.read_sightings()]
    assert times == sorted(times)
    assert len(times) >= 39


# The growing trace.


@given(pieces=st.lists(st.binary(max_size=40), max_size=12))
@settings(deadline=None, max_examples=60)
def test_growing_file_is_yielded_whole_and_in_lines(tmp_path_factory, pieces: list[bytes]):
    path = tmp_path_factory.mktemp("trace") / "t"
    following = Following(path, poll_s=0.0005)
    blocks: list[bytes] = []
    reader = threading.Thread(target=lambda: blocks.extend(following))
    reader.start()
    with path.open("ab", buffering=0) as trace:
        for piece in pieces:
            trace.write(piece)
            time.sleep(0.0005)
    assert following.catch_up(10)
    following.stop()
    reader.join(10)
    assert b"".join(blocks) == b"".join(pieces)
    assert all(block.endswith(b"\n") for block in blocks[:-1])


def test_catching_up_is_bounded(tmp_path: Path):
    path = tmp_path / "t"
    path.write_bytes(b"line\n")
    assert not Following(path).catch_up(0.01)
    never = Following(tmp_path / "never")
    assert never.catch_up(0.01)
    never.stop()
    assert list(never) == []
