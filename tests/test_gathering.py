"""Evidence of workers comes home into the right run, and hostile archives leave nothing behind."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import platform
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path

import pytest
import zstandard
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from nbrepro.capture import archives, collecting
from nbrepro.capture.archives import pack, unpacked
from nbrepro.capture.gathering import BY_TIME, adopt, gather
from nbrepro.cli.program import program
from nbrepro.errors import MachineError, NotFoundError, RunDirectoryError
from nbrepro.model import Ownership, Package, RunId, Sighting
from nbrepro.rundir import (
    NAMES,
    SIGHTINGS,
    SOFTWARE,
    SUBMITS,
    Host,
    Kernel,
    Manifest,
    Resolved,
    RunDirectory,
    Tracer,
    WorkerDirectory,
    WorkerManifest,
    open_trace,
)

TOKEN = "ab12cd34"
NOW_S = 1_800_000_000
NOW_NS = NOW_S * 10**9
HERE = platform.node() or "localhost"
RECORDS = {
    SIGHTINGS: Sighting("/d/é\udcff", "file", 3, 4, 2**63 + 1, 6, "a" * 64, "", 0, 7),
    NAMES: Resolved("/tmp/x", "/private/x"),
    SOFTWARE: Ownership("/u/x.py", Package("x", "1", "pip", "pkg:pypi/x@1"), ""),
}


def worker_manifest(worker: str, **changes) -> WorkerManifest:
    made = WorkerManifest(
        worker=worker, engine="dask", host=Host(HERE), tracer=Tracer("strace"),
        command=("dask", "worker"), pid=4211, cwd="/", started_ns=NOW_NS, roots={},
    )  # fmt: skip
    return dataclasses.replace(made, **changes)


def line(pid: int, after_s: float, text: str) -> bytes:
    return f"{pid} {NOW_S + int(after_s)}.{'0' * 9} {text}\n".encode()


def mark(token: str = TOKEN) -> bytes:
    call = f'openat(AT_FDCWD</>, "/nbrepro-marker/{token}/task/start/1/k", O_RDONLY|O_CLOEXEC)'
    return line(4211, 1, f"{call} = -1 ENOENT (No such file or directory)")


def made_worker(folder: Path, name: str, trace: bytes | None, **changes) -> WorkerDirectory:
    """Make a worker directory as a worker leaves it."""
    directory = WorkerDirectory(folder / name).create()
    directory.write_manifest(worker_manifest(name, **changes))
    if trace is not None:
        directory.open_trace_path.write_bytes(trace)
        os.utime(directory.open_trace_path, (NOW_S + 9, NOW_S + 9))
    return directory


def closed_worker(folder: Path, name: str = "w-1-00000000") -> WorkerDirectory:
    """Make a worker directory as it is archived."""
    directory = WorkerDirectory(folder / name).create()
    directory.write_manifest(worker_manifest(name, status="ok", ended_ns=NOW_NS + 1))
    trace = mark() + line(4211, 2, "+++ exited with 0 +++")
    (directory.path / archives.TRACE).write_bytes(zstandard.compress(trace))
    for log, record in RECORDS.items():
        directory.write_log(log, [record])
    return directory


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path / "p" / ".nbrepro" / "runs" / "20270115-080000-n-0000")
    directory.create().write_manifest(
        Manifest(
            run=RunId(directory.path.name), uuid="11111111-1111-4111-8111-111111111111",
            notebook="/n.ipynb", notebook_sha256="a" * 64, cwd="/", token=TOKEN,
            started_ns=NOW_NS, ended_ns=NOW_NS + 10**10, status="ok", host=Host("m"),
            tracer=Tracer("strace"), kernel=Kernel("python3", "python", 1), roots={},
        )
    )  # fmt: skip
    return directory


def left_behind(run: RunDirectory) -> list[str]:
    workers = run.path / "workers"
    return sorted(p.name for p in workers.iterdir()) if workers.exists() else []


def only(run: RunDirectory) -> WorkerDirectory:
    [directory] = run.worker_directories()
    return directory


def test_what_is_packed_is_unpacked(tmp_path: Path):
    directory = closed_worker(tmp_path)
    pack(directory, tmp_path / "a.tar.zst")
    with unpacked(tmp_path / "a.tar.zst", tmp_path / "to") as copy:
        assert copy.read_manifest() == directory.read_manifest()
        for log in RECORDS:
            assert (copy.path / log).read_bytes() == (directory.path / log).read_bytes()
        assert copy.find_trace().read_bytes() == directory.find_trace().read_bytes()
    assert list((tmp_path / "to").iterdir()) == []


def test_archive_is_an_ordinary_tar(tmp_path: Path):
    pack(closed_worker(tmp_path), tmp_path / "a.tar.zst")
    with zstandard.open(tmp_path / "a.tar.zst", "rb") as stream:
        content = stream.read()
    (tmp_path / "a.tar").write_bytes(content)
    with tarfile.open(tmp_path / "a.tar") as tar:
        assert tar.getnames() == [f"w-1-00000000/{name}" for name in archives.MEMBERS]
        assert all(member.isreg() for member in tar)
    with unpacked(tmp_path / "a.tar", tmp_path / "to") as copy:
        assert copy.read_manifest().worker == "w-1-00000000"


def test_archive_keeps_its_limit(tmp_path: Path):
    with pytest.raises(MachineError, match="more than the limit of 100"):
        pack(closed_worker(tmp_path), tmp_path / "a.tar.zst", 100)
    assert not [p for p in tmp_path.iterdir() if p.name != "w-1-00000000"]


def test_trace_beyond_the_limit_is_cut_and_says_so(tmp_path: Path):
    lines = b"".join(line(4211, 1, f'chdir("/{os.urandom(40).hex()}") = 0') for _ in range(9000))
    source = made_worker(tmp_path, "w-1-00000000", lines)
    (tmp_path / "to").mkdir()
    directory = collecting.collect(source, tmp_path / "to", limit_bytes=200_000)
    with open_trace(directory.find_trace()) as stream:
        kept = stream.read()
    assert lines.startswith(kept)
    assert kept.endswith(b"\n")
    assert 0 < len(kept) < len(lines)
    [note] = directory.read_manifest().notes
    assert note == f"the trace was cut after {len(kept)} bytes; what came later is not known"


@pytest.mark.parametrize(
    ("trace", "changes", "status", "error"),
    [
        (mark() + line(4211, 3, "+++ exited with 0 +++"), {}, "ok", ""),
        (mark() + line(4211, 3, "+++ exited with 7 +++"), {}, "ok", "ended with exit code 7"),
        (mark() + line(4211, 3, "+++ killed by SIGKILL +++"), {}, "killed", "killed by SIGKILL"),
        (mark() + line(421, 3, "+++ exited with 0 +++"), {}, "killed",
         "the trace does not show the worker's end: its tracer was killed or the machine stopped"),
        (mark() + b"4211 18000", {"host": Host("far")}, "killed",
         "the trace does not show the worker's end: host far stopped, or the worker still runs "
         "there"),
        (b"", {}, "unobserved", "its tracer wrote nothing"),
        (None, {}, "unobserved", "its tracer left no trace"),
        (None, {"status": "unobserved", "error": "ptrace is forbidden"}, "unobserved",
         "ptrace is forbidden"),
    ],
    ids=["ended", "failed", "killed", "tracer lost", "machine lost", "empty", "none", "untraced"],
)  # fmt: skip
def test_end_of_a_worker_is_told_by_its_trace(tmp_path: Path, trace, changes, status, error):
    source = made_worker(tmp_path, "w-1-00000000", trace, **changes)
    (tmp_path / "to").mkdir()
    directory = collecting.collect(source, tmp_path / "to")
    manifest = directory.read_manifest()
    assert (manifest.status, manifest.error) == (status, error)
    assert manifest.ended_ns == (NOW_NS + 3 * 10**9 if "+++" in str(trace) and "lost" not in error
                                 and "does not" not in error else 0)  # fmt: skip
    if trace:
        with open_trace(directory.find_trace()) as stream:
            assert stream.read() == trace
    if changes.get("host"):
        assert any("not looked up" in note for note in manifest.notes)


def test_workers_are_taken_by_mark_name_tracer_and_time(run: RunDirectory, tmp_path: Path):
    home = tmp_path / "home"
    late = {"started_ns": NOW_NS + 3600 * 10**9}
    made_worker(home, "marked-1-00000000", mark(), **late)
    made_worker(home, "named-2-00000000", mark("ff00"), **late)
    inside = (f"observed by the kernel's own tracer, into {run.path}/traces/m",)
    made_worker(home, "inside-3-00000000", None, status="unobserved", notes=inside, **late)
    made_worker(home, "beside-4-00000000", line(4211, 1, "+++ exited with 0 +++"))
    made_worker(home, "other-5-00000000", mark("ff00"), **late)
    said = {"event": "collected", "engine": "dask", "at_ns": 1, "execution": 0}
    told = json.dumps(said | {"worker": "named-2-00000000"})
    (run.path / SUBMITS).write_text(told + "\n")
    found = {item.worker.split("-")[0]: item for item in gather(run, [home])}
    assert {name: (item.outcome, item.reason) for name, item in found.items()} == {
        "marked": ("taken", "its trace carries the run's marks"),
        "named": ("taken", "the run names it"),
        "inside": ("taken", "the run's own tracer watched it"),
        "beside": ("taken", BY_TIME),
        "other": (
            "left",
            "it did not run at the time of this run, and nothing in the run names it",
        ),
    }
    notes = {d.path.name: d.read_manifest().notes for d in run.worker_directories()}
    assert len(notes) == 4
    assert notes["beside-4-00000000"] == (BY_TIME,)
    assert BY_TIME not in notes["marked-1-00000000"]
    assert left_behind(run) == sorted(notes)
    assert len(list(home.iterdir())) == 5


def test_time_is_compared_by_the_managers_clock(run: RunDirectory, tmp_path: Path):
    hour = 3600 * 10**9
    made_worker(tmp_path / "h", "a-1-00000000", line(4211, 3600, "+++ exited with 0 +++"),
                started_ns=NOW_NS + hour, ended_ns=NOW_NS + hour + 1, status="ok",
                clock_offset_ns=-hour)  # fmt: skip
    [item] = gather(run, [tmp_path / "h"])
    assert item.outcome == "taken"


def test_more_evidence_replaces_less_and_never_the_reverse(run: RunDirectory, tmp_path: Path):
    source = made_worker(tmp_path / "h", "w-1-00000000", mark(), host=Host("far"))
    early = WorkerDirectory(tmp_path / "early").create()
    early.write_manifest(worker_manifest("w-1-00000000"))
    (early.path / archives.TRACE).write_bytes(zstandard.compress(mark()))
    pack(early, tmp_path / "a.tar.zst")
    assert [i.outcome for i in gather(run, [tmp_path / "a.tar.zst"])] == ["taken"]
    with source.open_trace_path.open("ab") as trace:
        trace.write(line(4211, 3, "+++ exited with 0 +++"))
    assert [i.outcome for i in gather(run, [source.path])] == ["taken"]
    assert only(run).read_manifest().status == "ok"
    assert [i.outcome for i in gather(run, [tmp_path / "a.tar.zst"])] == ["known"]
    assert only(run).read_manifest().status == "ok"
    assert left_behind(run) == ["w-1-00000000"]


def test_survey_is_made_where_the_worker_was(run: RunDirectory, tmp_path: Path):
    data = tmp_path / "in.csv"
    data.write_text("1\n")
    opened = f'openat(AT_FDCWD</>, "{data}", O_RDONLY) = 3<{data}>'
    trace = mark() + line(4211, 2, opened) + line(4211, 3, "+++ exited with 0 +++")
    made_worker(tmp_path / "h", "w-1-00000000", trace)
    assert [i.outcome for i in gather(run, [tmp_path / "h"])] == ["taken"]
    [sighting] = only(run).read_sightings()
    assert (sighting.path, sighting.size, len(sighting.sha256)) == (str(data), 2, 64)
    assert [o.path for o in only(run).read_software()] == [str(data)]


def test_archives_that_came_home_are_unpacked_when_the_run_ends(run: RunDirectory, tmp_path: Path):
    (run.path / "workers").mkdir()
    pack(closed_worker(tmp_path), run.path / "workers" / "w-1-00000000.tar.zst")
    (run.path / "workers" / "bad.tar.zst").write_bytes(b"no archive")
    made_worker(tmp_path / "h", "local-2-00000000", mark())
    made_worker(tmp_path / "h", "beside-3-00000000", mark("ff00"))
    (tmp_path / "h" / "torn").mkdir()
    (tmp_path / "h" / "torn" / "worker.json").write_text("{")
    notes = adopt(run, [tmp_path / "h", tmp_path / "missing"])
    # A worker beside the run that nothing names may be anybody's.
    assert left_behind(run) == ["bad.tar.zst", "local-2-00000000", "w-1-00000000"]
    assert len(notes) == 2
    assert "bad.tar.zst: is no archive of a worker" in notes[0]
    assert "torn/worker.json" in notes[1]


def test_torn_directory_is_refused_and_the_others_are_taken(run: RunDirectory, tmp_path: Path):
    torn = made_worker(tmp_path / "h", "a-1-00000000", None)
    (torn.path / archives.TRACE).write_bytes(b"no trace")
    os.utime(torn.path / archives.TRACE, (NOW_S + 9, NOW_S + 9))
    made_worker(tmp_path / "h", "b-2-00000000", mark())
    refused, taken = gather(run, [tmp_path / "h"])
    assert (refused.outcome, taken.outcome) == ("refused", "taken")
    assert refused.reason.startswith(f"{torn.path}: cannot be taken (")
    assert left_behind(run) == ["b-2-00000000"]
    assert len(adopt(run, [tmp_path / "h"])) == 1


def test_nothing_to_gather_is_told(run: RunDirectory, tmp_path: Path):
    (tmp_path / "x.txt").touch()
    for path in (tmp_path / "missing", tmp_path, tmp_path / "x.txt"):
        with pytest.raises(NotFoundError, match=str(path)):
            gather(run, [path])


def test_gather_command_ingests_the_run_again(run: RunDirectory, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pack(closed_worker(tmp_path), tmp_path / "a.tar.zst")
    words = ["gather", "a.tar.zst", "--run", str(run.path)]
    result = CliRunner().invoke(program, words)
    assert result.exit_code == 0, result.output
    assert result.output == "taken w-1-00000000: its trace carries the run's marks\n"
    assert (tmp_path / "p" / ".nbrepro" / "store").is_dir()
    (tmp_path / "b.tar.zst").write_bytes(b"x")
    monkeypatch.chdir(tmp_path / "p")
    result = CliRunner().invoke(program, ["gather", "../a.tar.zst", "../b.tar.zst", "--json"])
    assert result.exit_code == 4, result.output
    told = json.loads(result.stdout)
    assert [item["outcome"] for item in told] == ["known", "refused"]


def test_gather_command_says_when_nothing_belongs(run: RunDirectory, tmp_path: Path):
    made_worker(tmp_path / "h", "o-5-00000000", mark("ff"), started_ns=NOW_NS + 10**15)
    result = CliRunner().invoke(program, ["gather", str(tmp_path / "h"), "--run", str(run.path)])
    assert result.exit_code == 3
    assert "none of the workers given belongs to this run" in result.output


def tar_of(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.USTAR_FORMAT) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=form) as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return sink.getvalue()


def member(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, target: str = ""):
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    return info, content


def manifest_text(**changes) -> bytes:
    record = dataclasses.asdict(worker_manifest("w")) | changes
    return json.dumps(record).encode()


GOOD = member("w/worker.json", manifest_text())
DEEP = b'{"path": ' + b"[" * 200_000 + b"\n"
SIGHTED = dataclasses.asdict(RECORDS[SIGHTINGS])
HOSTILE = {
    "absolute": (tar_of(GOOD, member("/etc/cron.d/x", b"x")), "no part of a worker's evidence"),
    "absolute known": (tar_of(GOOD, member("/names.jsonl")), "no part of a worker's evidence"),
    "upwards": (tar_of(GOOD, member("w/../../x", b"x")), "no part of a worker's evidence"),
    "directory upwards": (tar_of(GOOD, member("../names.jsonl")), "of another worker"),
    "symlink": (tar_of(GOOD, member("w/names.jsonl", kind=tarfile.SYMTYPE, target="/etc/passwd")),
                "not a regular file"),
    "hard link": (tar_of(GOOD, member("w/names.jsonl", kind=tarfile.LNKTYPE, target="/etc/shadow")),
                  "not a regular file"),
    "device": (tar_of(GOOD, member("w/names.jsonl", kind=tarfile.CHRTYPE)), "not a regular file"),
    "fifo": (tar_of(GOOD, member("w/names.jsonl", kind=tarfile.FIFOTYPE)), "not a regular file"),
    "directory": (tar_of(member("w/", kind=tarfile.DIRTYPE), GOOD), "not a regular file"),
    "long name": (tar_of(GOOD, member("w/" + "n" * 300), form=tarfile.GNU_FORMAT),
                  "not a regular file"),
    "extended header": (tar_of(GOOD, member("w/é" * 60), form=tarfile.PAX_FORMAT),
                        "not a regular file"),
    "twice": (tar_of(GOOD, GOOD), "is there twice"),
    "two workers": (tar_of(GOOD, member("v/names.jsonl")), "of another worker"),
    "many members": (tar_of(GOOD, *(member(f"w/{n}") for n in range(1000))), "no part of"),
    "no manifest": (tar_of(member("w/names.jsonl")), "holds no worker.json"),
    "no members": (tar_of(), "holds no worker.json"),
    "other schema": (tar_of(member("w/worker.json", manifest_text(schema="nbrepro-worker/9"))),
                     "is not 'nbrepro-worker/1'"),
    "other shape": (tar_of(member("w/worker.json", manifest_text(status="fine"))), "status"),
    "other name": (tar_of(member("v/worker.json", manifest_text())), "calls itself 'w'"),
    "name upwards": (tar_of(member("../worker.json", manifest_text(worker=".."))), "worker"),
    "no json": (tar_of(member("w/worker.json", b"{")), "cannot be read"),
    "deep json": (tar_of(member("w/worker.json", b"[" * 200_000)), "cannot be read"),
    "deep log": (tar_of(GOOD, member("w/names.jsonl", DEEP)), "nested too deeply"),
    "bad log": (tar_of(GOOD, member("w/names.jsonl", b'{"x": 1}\n')), "names.jsonl:1"),
    "log of numbers": (tar_of(GOOD, member("w/names.jsonl", b'{"named": 1, "path": "/"}\n')),
                       "named is not a text"),
    "log of texts": (tar_of(GOOD, member("w/sightings.jsonl",
                                         json.dumps(SIGHTED | {"size": "1"}).encode() + b"\n")),
                     "size is not a number"),
    "log of huge numbers": (tar_of(GOOD, member("w/sightings.jsonl",
                                                json.dumps(SIGHTED | {"size": 2**70}).encode())),
                            "size is not a number"),
    "trace not compressed": (tar_of(GOOD, member("w/trace.strace.zst", b"4211 1.0 +++")),
                             "is no archive of a worker"),
    "trace that explodes": (tar_of(GOOD, member("w/trace.strace.zst",
                                                zstandard.compress(bytes(2 << 20)))),
                            "its trace unpacks to more than 1048576 bytes"),
    "bomb": (tar_of(GOOD, member("w/names.jsonl", bytes(5 << 20))), "unpacks to more than"),
    "cut off": (tar_of(GOOD, member("w/names.jsonl", b"x" * 9999))[:-15000], "is cut off"),
    "no tar": (b"x" * 2048, "is no archive of a worker"),
    "nothing": (b"", "is cut off"),
}  # fmt: skip


@pytest.mark.parametrize("suffix", archives.SUFFIXES)
@pytest.mark.parametrize(("content", "reason"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_archive_is_refused(tmp_path: Path, content: bytes, reason: str, suffix: str):
    archive = tmp_path / f"a{suffix}"
    archive.write_bytes(zstandard.compress(content) if suffix == ".tar.zst" else content)
    folder = tmp_path / "to"
    limits = {"most_bytes": 4 << 20, "trace_bytes": 1 << 20}
    with pytest.raises(RunDirectoryError) as failure, unpacked(archive, folder, **limits):
        pytest.fail("it was unpacked")
    said = str(failure.value)
    assert said.startswith(f"{archive}: ")
    assert reason in said
    assert str(folder) not in said
    assert "\n" not in said
    assert list(folder.iterdir()) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == [archive.name, "to"]


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_damaged_archive_is_refused_or_says_what_it_said(data: st.DataObject):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pack(closed_worker(folder), folder / "a.tar.zst")
        with zstandard.open(folder / "a.tar.zst", "rb") as stream:
            content = bytearray(stream.read())
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, len(content) - 1))
            content[at] = data.draw(st.integers(0, 255))
        (folder / "b.tar").write_bytes(content[: data.draw(st.integers(0, len(content)))])
        try:
            with unpacked(folder / "b.tar", folder / "to") as directory:
                assert directory.read_manifest().worker == "w-1-00000000"
                for read in (directory.read_sightings, directory.read_names):
                    assert len(list(read())) <= 1
        except RunDirectoryError as error:
            assert str(error).startswith(str(folder / "b.tar"))
        assert list((folder / "to").iterdir()) == []


def test_worker_that_still_writes_is_running(tmp_path: Path):
    source = made_worker(tmp_path, "w-1-00000000", mark(), started_ns=time.time_ns())
    script = f"exec 9>>{source.open_trace_path}; echo ready; sleep 30"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE) as writer:
        assert writer.stdout.readline() == b"ready\n"
        (tmp_path / "to").mkdir()
        manifest = collecting.collect(source, tmp_path / "to").read_manifest()
        writer.kill()
    assert (manifest.status, manifest.ended_ns) == ("ok", 0)
    assert manifest.notes == (collecting.STILL_RUNNING,)
