"""The trace reader: every line becomes a value and is counted, however it is mangled."""

from __future__ import annotations

import io
import os
import random
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbrepro.model import Event, Unparsed
from nbrepro.processes import Skipped, steps
from nbrepro.rundir import compress_trace
from nbrepro.trace import TRACED, Origin, Summary, births, events, read_lines
from nbrepro.trace.arguments import parse_descriptor, parse_string, split_arguments, unquote

CASES = sorted((Path(__file__).parent / "cases" / "traces").iterdir())
REAL = [line for case in CASES for line in (case / "trace").read_bytes().splitlines()]
Value = Event | Unparsed


def read(blocks: Iterable[bytes]) -> tuple[list[Value], Summary]:
    """Read a trace to its end; every line must be accounted for, every value counted."""
    summary = Summary()
    found = list(events(blocks, summary))
    counted = summary.events + summary.continuations + summary.ignored + summary.unparsed
    assert summary.lines == counted
    assert sum(isinstance(value, Event) for value in found) == summary.events
    assert sum(isinstance(value, Unparsed) for value in found) == summary.unparsed
    assert sum(summary.reasons.values()) == summary.unparsed
    assert len({value.line for value in found}) == len(found), "a line gave two values"
    return found, summary


def one(line: str) -> Value:
    (value,), _ = read([line.encode() + b"\n"])
    return value


# --- shapes ---


def test_a_call_keeps_its_thread_time_arguments_and_result():
    line = '2890  1795380580.470271652 openat(AT_FDCWD</st>, "a) = 3 <x>", O_RDONLY) = 3</st/a>'
    assert one(line) == Event(
        1,
        2890,
        1795380580470271652,
        "openat",
        'AT_FDCWD</st>, "a) = 3 <x>", O_RDONLY',
        "3</st/a>",
    )


@pytest.mark.parametrize(
    ("text", "args", "result"),
    [
        (r'open("a", O_RDONLY) = 3</a) = 3 \74x\76>', '"a", O_RDONLY', r"3</a) = 3 \74x\76>"),
        (r'open("\"", O_RDONLY) = 3</q) = 0 (z>(deleted)', r'"\"", O_RDONLY',
         "3</q) = 0 (z>(deleted)"),
        (r'open("\"", O_RDONLY) = 3</-1 ENOENT (a)>', r'"\"", O_RDONLY', "3</-1 ENOENT (a)>"),
        ('open("x) = 3", O_RDONLY) = -1 ENOENT (No such file or directory)',
         '"x) = 3", O_RDONLY', "-1 ENOENT (No such file or directory)"),
        ('chdir("/x")                       = 0', '"/x"', "0"),
        ("exit_group(0)                     = ?", "0", "?"),
        ("fcntl(3</a>, F_GETFD) = 0x1 (flags FD_CLOEXEC)", "3</a>, F_GETFD",
         "0x1 (flags FD_CLOEXEC)"),
        ('open("/dev/null", O_RDWR) = 3</dev/null<char 1:3>>', '"/dev/null", O_RDWR',
         "3</dev/null<char 1:3>>"),
        ('unlink("a" <unfinished ...>) = ?', '"a" <unfinished ...>', "?"),
        ("wait4(-1, NULL, 0, NULL) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)",
         "-1, NULL, 0, NULL", "? ERESTARTSYS (To be restarted if SA_RESTART is set)"),
        ('openat(AT_FDCWD</a>, "b", O_RDONLY) = -1 ENOENT (No such file or directory) (INJECTED)',
         'AT_FDCWD</a>, "b", O_RDONLY', "-1 ENOENT (No such file or directory) (INJECTED)"),
        ("fork() = 12", "", "12"),
    ],
)  # fmt: skip
def test_arguments_and_result_are_told_apart(text: str, args: str, result: str):
    event = one(f"7 1.000000001 {text}")
    assert isinstance(event, Event)
    assert (event.args, event.result) == (args, result)


@pytest.mark.parametrize(
    ("stamp", "at_ns"),
    [
        ("1795331105.747758", 1795331105747758000),
        ("1795331105.000000009", 1795331105000000009),
        ("1795331105.5", 1795331105500000000),
    ],
)
def test_times_of_any_precision_are_nanoseconds(stamp: str, at_ns: int):
    for text in ('chdir("/x") = 0', "fork() = 2", 'unlink("a" <unfinished ...>'):
        assert one(f"7 {stamp} {text}").at_ns == at_ns


def test_stamps_may_change_their_precision_within_a_block():
    block = b'7 1.000001 chdir("/") = 0\n7 2.000000001 chdir("/") = 0\n'
    assert [event.at_ns for event in read([block])[0]] == [1_000_001_000, 2_000_000_001]


@pytest.mark.parametrize(
    ("text", "call", "status"),
    [
        ("+++ exited with 3 +++", "+exited", "3"),
        ("+++ killed by SIGKILL +++", "+killed", "SIGKILL"),
        ("+++ killed by SIGSEGV (core dumped) +++", "+killed", "SIGSEGV"),
        ("+++ superseded by execve in pid 5 +++", "+superseded", "5"),
    ],
)
def test_the_end_of_a_thread_is_an_event(text: str, call: str, status: str):
    assert one(f"7 1.000000001 {text}") == Event(1, 7, 1_000_000_001, call, "", status)


def test_signals_are_ignored_and_counted():
    found, summary = read(
        [b"7 1.0 --- SIGCHLD {si_signo=SIGCHLD} ---\n7 1.0 --- stopped by SIGSTOP ---\n"]
    )
    assert (found, summary.ignored) == ([], 2)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no thread, time and call"),
        ("\r", "no thread, time and call"),
        ("strace: Process 12 attached", "no thread, time and call"),
        ("7 1.0 --- SIGCHLD {si_si", "half a signal"),
        ("7 1.0 +++ exited wi", "unknown end of a thread"),
        ("7 1.0 +++ vanished +++", "unknown end of a thread"),
        ('7 1.0 openat(AT_FDCWD</a>, "b', "no call with arguments and result"),
        ('7 1.0 openat(AT_FDCWD</a>, "b") = three', "no call with arguments and result"),
        ("7 1.0 <... openat resumed", "half a resumed call"),
        ("7 1.0 <... openat resumed>) = 3</a>", "resumed without unfinished"),
        ("9" * 5000 + " 1.0 fork() = 2", "no thread, time and call"),
        ("7 " + "9" * 5000 + ".0 fork() = 2", "no thread, time and call"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_a_value_with_a_reason(text: str, reason: str):
    assert one(text) == Unparsed(1, text, reason)


# --- joining ---

OPEN = 'openat(AT_FDCWD</st>, "a", O_RDONLY'


def lines_of(*rows: tuple[int, str]) -> bytes:
    return b"".join(
        f"{tid} {n}.000000000 {text}\n".encode() for n, (tid, text) in enumerate(rows, 1)
    )


def test_a_joined_call_has_the_line_and_time_of_its_entry():
    found, summary = read(
        [
            lines_of(
                (1, f"{OPEN} <unfinished ...>"),
                (2, "fork() = 3"),
                (1, "<... openat resumed>) = 3</st/a>"),
            )
        ]
    )
    joined = found[-1]
    assert joined == Event(1, 1, 1_000_000_000, "openat", OPEN.partition("(")[2], "3</st/a>")
    assert (summary.events, summary.continuations) == (2, 1)


def test_old_versions_put_a_space_before_the_rest_of_a_resumed_call():
    found, _ = read([lines_of((1, "vfork( <unfinished ...>"), (1, "<... vfork resumed> ) = 9"))])
    assert [(event.call, event.result) for event in found] == [("vfork", "9")]


@pytest.mark.parametrize(
    ("after", "count"),
    [
        ((1, "+++ killed by SIGKILL +++"), 2),
        ((1, f"{OPEN}) = 4</st/a>"), 2),
        ((1, "fork() = 4"), 2),
        ((1, "fork( <unfinished ...>"), 2),
        ((2, "fork() = 4"), 2),
    ],
)
def test_a_call_that_never_returns_has_an_unknown_result(after: tuple[int, str], count: int):
    found, summary = read([lines_of((1, f"{OPEN} <unfinished ...>"), after)])
    assert len(found) == count
    assert {value.line: value.result for value in found}[1] == "?"
    assert summary.unfinished >= 1


def test_a_call_resumes_under_the_number_that_execve_gives_its_thread():
    block = lines_of(
        (5, 'execve("/bin/true", ["true"], 0x7f /* 3 vars */ <pid changed to 1 ...>'),
        (1, "+++ superseded by execve in pid 5 +++"),
        (1, "<... execve resumed>) = 0"),
    )
    found, summary = read([block])
    assert [(e.line, e.tid, e.call, e.result) for e in found] == [
        (2, 1, "+superseded", "5"),
        (1, 1, "execve", "0"),
    ]
    assert summary.unparsed == 0


calls = st.lists(
    st.tuples(
        st.sampled_from(["openat", "rename", "clone", "execve"]),
        st.text("abc<>\"\\) =3,\n", max_size=8),
        st.sampled_from(["0", "-1 ENOENT (No such file or directory)", "3</st/x>", "12"]),
        st.booleans(),
    ),
    max_size=6,
)  # fmt: skip


def quote(text: str) -> str:
    """Quote as strace does (util.c, string_quote): escapes, and octal for what is not printable."""
    letters = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
    raw = text.encode("utf-8", "surrogateescape")
    return "".join(
        letters.get(chr(byte)) or (chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}")
        for byte in raw
    )


@given(threads=st.lists(calls, min_size=1, max_size=4), seed=st.integers(0, 2**32))
@settings(deadline=None)
def test_interleaved_threads_are_joined_to_the_calls_they_made(threads, seed):
    shuffle = random.Random(seed)
    queues: dict[int, list[str]] = {}
    made: dict[int, list[tuple[str, str, str]]] = {}
    for tid, thread in enumerate(threads, 100):
        queues[tid], made[tid] = [], []
        for call, name, result, whole in thread:
            args = f'"{quote(name)}", 0'
            made[tid].append((call, args, result))
            if whole:
                queues[tid].append(f"{call}({args}) = {result}")
            else:
                cut = args.rindex('"') + 1
                queues[tid] += [
                    f"{call}({args[:cut]} <unfinished ...>",
                    f"<... {call} resumed>{args[cut:]}) = {result}",
                ]
    rows = []
    while any(queues.values()):
        tid = shuffle.choice([tid for tid, queue in queues.items() if queue])
        rows.append((tid, queues[tid].pop(0)))
    found, summary = read([lines_of(*rows)] if rows else [])
    assert summary.unparsed == 0
    for tid in made:
        assert [(e.call, e.args, e.result) for e in found if e.tid == tid] == made[tid]


# --- mangled input ---


def survives(data: bytes) -> None:
    """Take the data through every stage; read() asserts that nothing is lost."""
    _, summary = read([data])
    assert summary.lines == count_lines(data)
    for found in (births([data]), None):
        list(steps(events([data]), found, "tok", Skipped()))


def count_lines(data: bytes) -> int:
    return data.count(b"\n") + (not data.endswith(b"\n") and data != b"")


@given(st.binary(max_size=400))
@settings(deadline=None, max_examples=300)
def test_no_bytes_raise_or_are_lost(data):
    survives(data)


fragments = st.sampled_from(
    [b'"', b"<", b">", b"(", b")", b") = ", b"3</a>", b"\\", b"\\303", b"\xff", b"\n", b",",
     b" = ?", b" <unfinished ...>", b"<... clone resumed>) = 7", b"+++", b"---", b"7 1.0 ",
     b"AT_FDCWD", b"/nbrepro-marker/tok/", b"O_RDONLY", b"clone(", b"= 99999999999999999999",
     b"{", b"]", b"\0"]
)  # fmt: skip


@given(
    lines=st.lists(st.sampled_from(REAL), min_size=1, max_size=12),
    edits=st.lists(
        st.tuples(st.integers(0, 2000), st.integers(0, 60), fragments | st.binary(max_size=5)),
        max_size=8,
    ),
)
@settings(deadline=None, max_examples=400)
def test_no_mangled_real_line_raises_or_is_lost(lines, edits):
    data = b"\n".join(lines) + b"\n"
    for position, length, put in edits:
        at = position % (len(data) + 1)
        data = data[:at] + put + data[at + length :]
    survives(data)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_trace_cut_anywhere_in_its_last_line_keeps_all_before(case: Path):
    data = (case / "trace").read_bytes().rstrip(b"\n")
    start = data.rindex(b"\n") + 1
    whole, _ = read([data[:start]])
    settled = [value for value in whole if getattr(value, "result", "") != "?"]
    for cut in range(start + 1, len(data)):
        found, _ = read([data[:cut]])
        torn = [value for value in found if isinstance(value, Unparsed)]
        assert torn[-1].reason == "half-written last line"
        assert [
            v for v in found if getattr(v, "result", "") != "?" and v is not torn[-1]
        ] == settled


@given(st.integers(1, 700))
@settings(deadline=None, max_examples=40)
def test_blocks_of_any_size_and_single_lines_give_the_same_events(size):
    for case in CASES:
        data = (case / "trace").read_bytes()
        whole, _ = read([data])
        assert list(events(read_lines(io.BytesIO(data), size))) == whole
        assert list(events(io.BytesIO(data))) == whole
        assert births(read_lines(io.BytesIO(data), size)) == births([data])


def test_lines_without_newlines_are_whole_lines():
    data = (Path(CASES[0]) / "trace").read_bytes()
    assert list(events(data.splitlines())) == list(events([data]))
    assert births(data.splitlines()) == births([data])


def test_a_reader_that_has_nothing_new_yet_may_give_an_empty_block():
    block = lines_of((1, "fork() = 2"))
    assert [value.line for value in read([b"", block, b"", block])[0]] == [1, 2]
    assert births([b"", block, b"", block])[2][1].line == 2


def test_compressed_traces_read_the_same(tmp_path: Path):
    plain = tmp_path / "host.strace"
    shutil.copy(CASES[0] / "trace", plain)
    before = list(events(read_lines(plain)))
    assert list(events(read_lines(compress_trace(plain)))) == before


def test_one_summary_adds_up_traces_while_each_counts_its_own_lines():
    data = (CASES[0] / "trace").read_bytes()
    summary = Summary()
    first, second = list(events([data], summary)), list(events([data], summary))
    assert first == second
    assert summary.lines == 2 * count_lines(data)


# --- pass 1 ---


def test_births_name_the_line_at_which_the_parent_entered_clone():
    block = lines_of(
        (1, 'openat(AT_FDCWD</a>, "clone(", O_RDONLY) = 7</a/clone(>'),
        (1, "clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|SIGCHLD <unfinished ...>"),
        (9, 'chdir("/") = 0'),
        (1, "<... clone resumed>, child_tidptr=0x7f) = 9"),
        (1, "clone3({flags=CLONE_VM|CLONE_FS|CLONE_THREAD} => {parent_tid=[8]}, 88) = 8"),
        (1, "vfork() = -1 EAGAIN (Resource temporarily unavailable)"),
        (1, "clone(child_stack=NULL, flags=CLONE_FS|SIGCHLD) = 9"),
    )
    assert births([block]) == {
        9: [
            Origin(2, 1, False, False, 2_000_000_000),
            Origin(7, 1, False, True, 7_000_000_000),
        ],
        8: [Origin(5, 1, True, True, 5_000_000_000)],
    }


# --- arguments ---


@given(st.binary(max_size=40))
def test_strings_survive_quoting_whatever_their_bytes(raw):
    text = raw.decode("utf-8", "surrogateescape")
    quoted = quote(text)
    assert unquote(quoted) == text
    assert os.fsencode(unquote(quoted)) == raw
    assert parse_string(f'"{quoted}"') == (text, False)
    assert parse_string(f'"{quoted}"...') == (text, True)
    assert split_arguments(f'AT_FDCWD</a>, "{quoted}", O_RDONLY') == [
        "AT_FDCWD</a>",
        f'"{quoted}"',
        "O_RDONLY",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"\0", "\0"),
        (r"\0x", "\0x"),
        (r"\x41b", "Ab"),
        (r"\74\76", "<>"),
        ("\\", "\\"),
        (r"\v", "\v"),
    ],
)
def test_escapes_of_every_kind_are_undone(text: str, expected: str):
    assert unquote(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("0", ["0"]),
        ('{flags=A, mode=0}, ["x", "y"], f(1, 2)', ["{flags=A, mode=0}", '["x", "y"]', "f(1, 2)"]),
        ("3</a,b>, 4", ["3</a,b>", "4"]),
        ('"a\\", b", c', ['"a\\", b"', "c"]),
        ("a, ", ["a", ""]),
        ('"open', ['"open']),
        ("}}, {", ["}}", "{"]),
    ],
)
def test_arguments_split_only_at_the_top_level(text: str, expected: list[str]):
    assert split_arguments(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3</a b>", ("/a b", False)),
        (r"AT_FDCWD</a \76>", ("/a >", False)),
        ("3</tmp/#12>(deleted)", ("/tmp/#12", True)),
        ("3</dev/null<char 1:3>>", ("/dev/null", False)),
        ("3", None),
        ("AT_FDCWD", None),
        ("3</half", None),
    ],
)
def test_descriptors_say_what_they_refer_to(text: str, expected: tuple[str, bool] | None):
    assert parse_descriptor(text) == expected


# --- strace itself ---


@pytest.mark.live
@pytest.mark.skipif(
    shutil.which("strace") is None and os.environ.get("NBREPRO_REQUIRE_LIVE") != "1",
    reason="strace is not installed",
)
def test_strace_knows_every_traced_call(tmp_path: Path):
    known = []
    for call in TRACED:
        done = subprocess.run(
            ["strace", "-o", tmp_path / "t", "-e", f"trace={call}", "true"],
            capture_output=True, text=True, timeout=30,
        )  # fmt: skip
        known.append((call, "invalid system call" not in done.stderr))
    # Some architectures lack the calls that have a newer form with `at`, and fork and vfork.
    missing = {call for call, is_known in known if not is_known}
    renewed = {call for call in TRACED if f"{call}at" in TRACED}
    assert missing <= renewed | {"creat", "fork", "vfork"}
