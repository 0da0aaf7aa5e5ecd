"""The process stage: what each thread did to which path, from golden traces and from real programs.

A golden case is a directory under `cases/traces`: `trace` is what strace wrote, `expected.jsonl`
has one step a line (fields with default values left out), then what was skipped.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from nbrepro.model import Access, Birth, Exit, Mark, Mode, Step
from nbrepro.processes import Skipped, steps
from nbrepro.trace import TRACED, Summary, births, events, read_lines

CASES = sorted((Path(__file__).parent / "cases" / "traces").iterdir())
TOKEN = "tok"


def walk(trace: bytes, *, ahead: bool = True, skipped: Skipped | None = None) -> list[Step]:
    found = births([trace]) if ahead else None
    return list(steps(events([trace]), found, TOKEN, skipped))


def record(step: Step) -> dict[str, object]:
    """Give a step as JSON holds it: `a` says what it is, defaults are left out."""
    fields = step._asdict()
    defaults = type(step)._field_defaults
    fields = {k: v for k, v in fields.items() if defaults.get(k, object()) != v}
    process = fields.pop("process")
    fields["process"] = f"{process.pid}.{process.generation}<{process.parent} {process.executable}"
    return {"a": type(step).__name__} | json.loads(json.dumps(fields))


def records(trace: bytes) -> list[dict[str, object]]:
    skipped = Skipped()
    found = [record(step) for step in walk(trace, skipped=skipped)]
    return [*found, {"a": "Skipped"} | json.loads(json.dumps(dataclasses.asdict(skipped)))]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_golden_traces_give_the_expected_steps(case: Path):
    expected = [json.loads(line) for line in (case / "expected.jsonl").read_text().splitlines()]
    assert records((case / "trace").read_bytes()) == expected


def by_thread(found: Iterable[Step]) -> dict[int, list[dict[str, object]]]:
    threads: dict[int, list[dict[str, object]]] = defaultdict(list)
    for step in found:
        threads[step.tid].append(record(step))
    return threads


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_following_a_live_trace_gives_each_thread_the_same_steps(case: Path):
    trace = (case / "trace").read_bytes()
    live = walk(trace, ahead=False)
    assert by_thread(live) == by_thread(walk(trace))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_short_way_for_common_opens_changes_nothing(
    case: Path, monkeypatch: pytest.MonkeyPatch
):
    trace = (case / "trace").read_bytes()
    short = records(trace)
    monkeypatch.setattr("nbrepro.processes._PLAIN", frozenset())
    assert records(trace) == short


@pytest.mark.parametrize("ahead", [True, False], ids=["two-passes", "live"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_birth_comes_once_and_before_the_childs_first_step(case: Path, ahead: bool):
    seen: set[int] = set()
    for step in walk((case / "trace").read_bytes(), ahead=ahead):
        seen.add(step.tid)
        if isinstance(step, Birth) and step.child != step.tid:
            superseding = step.thread and step.child == step.process.pid
            assert superseding or step.child not in seen
            seen.add(step.child)
        if isinstance(step, Exit):
            seen.discard(step.tid)


def test_a_thread_of_unknown_origin_is_counted_and_still_heard():
    trace = (
        b'1 1.000000001 openat(AT_FDCWD</a>, "x", O_RDONLY) = 3</a/x>\n'
        b'2 1.000000002 openat(AT_FDCWD</b>, "y", O_RDONLY) = 3</b/y>\n'
    )
    for ahead in (True, False):
        skipped = Skipped()
        found = walk(trace, ahead=ahead, skipped=skipped)
        assert [(s.tid, s.path) for s in found if isinstance(s, Access)] == [
            (1, "/a/x"),
            (2, "/b/y"),
        ]
        assert skipped.orphans == 1


def test_a_held_thread_is_given_up_after_a_while_not_held_for_ever():
    second = 1_000_000_000
    lines = [b'1 1.000000000 openat(AT_FDCWD</a>, "x", O_RDONLY) = 3</a/x>\n']
    lines += [
        f'2 {number}.000000000 openat(AT_FDCWD</b>, "y", O_RDONLY) = 3</b/y>\n'.encode()
        for number in range(2, 20)
    ]
    seen: list[int] = []

    def follow() -> Iterator[bytes]:
        for line in lines:
            seen.append(len(seen) + 1)
            yield line

    second_thread = (s for s in steps(events(follow())) if s.tid == 2)
    assert next(second_thread).at_ns == 2 * second
    assert len(seen) < len(lines)


def test_the_first_process_starts_where_it_is_said_to():
    trace = b'1 1.000000001 execve("bin/run", ["run"], 0x7f /* 2 vars */) = 0\n'
    (step,) = steps(events([trace]), births([trace]), cwd="/opt")
    assert isinstance(step, Access)
    assert (step.mode, step.path, step.process.executable) == (
        Mode.EXECUTE,
        "/opt/bin/run",
        "/opt/bin/run",
    )


# --- real programs, which themselves say what they did ---

needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None and os.environ.get("NBREPRO_REQUIRE_LIVE") != "1",
    reason="strace is not installed",
)
OPTIONS = ["-DDD", "-f", "--seccomp-bpf", "-y", "-s", "4096", "--timestamps=unix,ns", "-a", "1"]


def trace_program(directory: Path, program: str) -> tuple[list[list[str]], bytes]:
    """Run a Python program under strace; give what it said of itself and its trace."""
    trace, script = directory / "trace", directory / "program.py"
    script.write_text(PREAMBLE + textwrap.dedent(program), encoding="utf-8")
    said, saying = os.pipe()
    calls = "trace=" + ",".join(f"?{call}" for call in TRACED)
    done = subprocess.run(
        ["strace", *OPTIONS, "-e", calls, "-o", trace, sys.executable, "-I", script, str(saying)],
        cwd=directory / "place", pass_fds=[saying], timeout=60, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(saying)
    with open(said, encoding="ascii") as stream:
        truth = [json.loads(line) for line in stream]
    assert done.returncode == 0, done.stderr
    # The tracer runs detached and may still be writing when the program is gone.
    for _ in range(200):
        text = trace.read_bytes()
        if text.rstrip().endswith(b"+++ exited with 0 +++"):
            break
        subprocess.run(["sleep", "0.02"], check=True)
    return truth, text


PREAMBLE = '''
import json, os, sys, threading, subprocess, socket, multiprocessing, ctypes
os.set_inheritable(int(sys.argv[1]), True)
def say(mode, path, target="", pid=None):
    """Say what was just done; real paths, so that links do not matter."""
    line = json.dumps([mode, os.fsdecode(path), os.fsdecode(target), pid or os.getpid()]) + "\\n"
    os.write(int(sys.argv[1]), line.encode("ascii"))
def here(name):
    return os.path.join(os.getcwdb(), os.fsencode(name))
def write(name):
    with open(name, "w") as stream: stream.write("content")
    say("write", here(name))
def read(name):
    with open(name) as stream: stream.read()
    say("read", os.path.realpath(here(name)))
'''


def accesses(text: bytes, place: Path, *, ahead: bool) -> list[list[object]]:
    """Give the accesses below `place`, in the form in which the programs say theirs."""
    inside = f"{place}/"
    return [
        [str(step.mode), step.path, step.target, step.process.pid]
        for step in walk(text, ahead=ahead)
        if isinstance(step, Access) and step.path.startswith(inside)
    ]


PROGRAMS = {
    "odd-names": r"""
        names = ["plain", "with space", "a) = 3 <x>", 'quo"te', "new\nline", "tab\t", "back\\slash",
                 "é", b"\xff\xfe", "x, O_RDONLY) = 3<x>", "<unfinished ...>", "#12>(deleted)",
                 "a -> b", "q) = 0 (z", "+++ exited with 0 +++", "\\303", "-1 ENOENT (No", "{[("]
        for name in names:
            write(name)
            read(name)
            try: open(os.fsencode(name) + b"-missing")
            except FileNotFoundError: pass
    """,
    "create-rename-remove": """
        os.mkdir("dir"); say("write", here("dir"))
        write("dir/a")
        os.rename("dir/a", "b"); say("rename", here("dir/a"), here("b"))
        os.link("b", "c"); say("write", here("c"), here("b"))
        os.symlink("c", "d"); say("write", here("d"), "c")
        read("d")
        os.unlink("c"); say("remove", here("c"))
        os.mkfifo("pipe"); say("write", here("pipe"))
        os.truncate("b", 3); say("write", here("b"))
        os.rmdir("dir"); say("remove", here("dir"))
        with open("b", "r+"): say("read-write", here("b"))
    """,
    "directories": """
        os.makedirs("x/y"); say("write", here("x")); say("write", here("x/y"))
        write("x/f")
        os.chdir("x/y"); read("../f")
        handle = os.open("..", os.O_RDONLY | os.O_DIRECTORY); say("read", os.path.realpath(".."))
        os.close(os.open("f", os.O_RDONLY, dir_fd=handle)); say("read", os.path.realpath("../f"))
        os.fchdir(handle); os.unlink("f"); say("remove", here("f"))
    """,
    "threads": """
        os.mkdir("t"); say("write", here("t")); os.chdir("t")
        def work(number):
            write(f"n{number}")
            old, new = f"n{number}", f"m{number}"
            os.rename(old, new); say("rename", here(old), here(new))
            read(new)
        threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
        [t.start() for t in threads]; [t.join() for t in threads]
    """,
    "forks": """
        write("a")
        for number in range(6):
            pid = os.fork()
            if pid == 0:
                os.mkdir(f"of{number}"); say("write", here(f"of{number}"))
                os.chdir(f"of{number}"); write("own"); os.rename("own", "mine")
                say("rename", here("own"), here("mine"))
                if number % 2: os.kill(os.getpid(), 9)
                os._exit(number)
        for _ in range(6): os.wait()
        read("a")
    """,
    "commands": """
        write("in put")
        for number in range(4):
            child = subprocess.Popen(["cat", "in put"], stdout=subprocess.DEVNULL)
            child.wait(); say("read", here("in put"), pid=child.pid)
        os.mkdir("d"); say("write", here("d"))
        child = subprocess.Popen(["rm", "in put"], stdout=subprocess.DEVNULL); child.wait()
        say("remove", here("in put"), pid=child.pid)
        child = subprocess.Popen(["touch", "made"], cwd="d"); child.wait()
        say("write", here("d/made"), pid=child.pid)
    """,
}


@needs_strace
@pytest.mark.live
@pytest.mark.parametrize("ahead", [True, False], ids=["two-passes", "live"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_did_what_they_say_they_did(tmp_path: Path, name: str, ahead: bool):
    place = tmp_path / "place"
    place.mkdir()
    truth, text = trace_program(tmp_path, PROGRAMS[name])
    assert truth
    assert sorted(accesses(text, place, ahead=ahead)) == sorted(truth)


@needs_strace
@pytest.mark.live
def test_processes_have_parents_generations_and_ends(tmp_path: Path):
    (tmp_path / "place").mkdir()
    program = """
        say("root", "", pid=os.getpid())
        threading.Thread(target=lambda: None).start()
        for code in (0, 5):
            child = subprocess.Popen(["sh", "-c", f"exit {code}"]); child.wait()
            say("child", str(code), pid=child.pid)
    """
    truth, text = trace_program(tmp_path, program)
    found = walk(text)
    (root,) = (pid for what, _, _, pid in truth if what == "root")
    children = {pid: code for what, code, _, pid in truth if what == "child"}
    born = {s.child: s for s in found if isinstance(s, Birth) and not s.thread}
    ended = {s.tid: s for s in found if isinstance(s, Exit)}
    assert set(born) == set(children)
    assert {s.process.parent for s in born.values()} == {root}
    assert {pid: ended[pid].status for pid in children} == children
    assert all(ended[pid].process.executable.endswith("sh") for pid in children)
    assert sum(isinstance(s, Birth) and s.thread and s.process.pid == root for s in found) == 1


@needs_strace
@pytest.mark.live
def test_marks_of_this_run_are_seen_and_reach_threads_in_order(tmp_path: Path):
    (tmp_path / "place").mkdir()
    program = """
        def mark(*words):
            try: open("/nbrepro-marker/tok/" + "/".join(words))
            except OSError: pass
        mark("cell", "start", "1", "a%2Fb"); write("in-one"); mark("cell", "end", "1")
        print("/nbrepro-marker/tok/cell/start/9/z", file=sys.stderr)
        try: open("/nbrepro-marker/none/cell/start/9/z")
        except OSError: pass
    """
    _, text = trace_program(tmp_path, program)
    inside = [
        s.words if isinstance(s, Mark) else s.path
        for s in walk(text)
        if isinstance(s, Mark) or (isinstance(s, Access) and s.path.endswith("/in-one"))
    ]
    assert inside == [
        ("cell", "start", "1", "a/b"),
        str(tmp_path / "place" / "in-one"),
        ("cell", "end", "1"),
    ]


def test_the_words_of_a_mark_may_hold_any_bytes():
    path = b"/nbrepro-marker/tok/cell/\\377%80\x81/%"
    (mark,) = walk(b'1 1.0 open("' + path + b'", O_RDONLY) = -1 ENOENT (No such file)\n')
    assert isinstance(mark, Mark)
    assert mark.words == ("cell", "\udcff\udc80\udc81", "%")


def test_a_program_whose_place_is_unknown_still_gives_its_process_a_name():
    trace = b'1 1.0 execve("./run", ["run"], 0x7f) = 0\n1 2.0 open("/a", O_RDONLY) = 3</a>\n'
    (step,) = walk(trace)
    assert step.process.executable == "./run"


@needs_strace
@pytest.mark.live
def test_every_line_of_a_real_trace_is_understood(tmp_path: Path):
    (tmp_path / "place").mkdir()
    _, text = trace_program(tmp_path, PROGRAMS["threads"])
    (tmp_path / "copy").write_bytes(text)
    summary, skipped = Summary(), Skipped()
    list(steps(events(read_lines(tmp_path / "copy"), summary), births([text]), TOKEN, skipped))
    assert (summary.unparsed, summary.lines) == (0, text.count(b"\n"))
    assert skipped.other == {}
    assert skipped.orphans == 0
