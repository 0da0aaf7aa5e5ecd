"""The readers of the engines' logs: attempts apart, what is unknown said so."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbrepro.capture
from nbrepro.engines import read_clocks, read_engines, read_submits
from nbrepro.engines.clocks import Exchange, measure_clock
from nbrepro.engines.submits import _FIELDS
from nbrepro.engines.transactions import parse_transactions
from nbrepro.errors import RunDirectoryError
from nbrepro.resources import find_resources
from nbrepro.rundir import RunDirectory
from nbrepro.tasks import OWN_ENGINE, TaskFile

SCHEMA = json.loads((find_resources("schemas") / "submits.schema.json").read_text())

HASH, OTHER = "worker-5327cff1552c", "worker-0f0f0f0f0f0f"
LOG = f"""# time manager_pid MANAGER manager_pid START|END time_from_origin
100 9 MANAGER 9 START 0
110 9 TASK 1 READY default FIRST_RESOURCES 1 {{"cores":[1,"cores"]}}
120 9 WORKER {HASH} CONNECTION 10.0.0.1:36350
130 9 WORKER {HASH} TRANSFER INPUT in.txt 4 492 12
140 9 TASK 1 RUNNING {HASH}  FIRST_RESOURCES {{"time_commit_start":[1.0,"s"]}}
150 9 WORKER {HASH} DISCONNECTION FAILURE
151 9 TASK 1 READY default FIRST_RESOURCES 1 {{}}
160 9 WORKER {OTHER} CONNECTION 10.0.0.2:40000
170 9 TASK 1 RUNNING {OTHER}  FIRST_RESOURCES {{}}
180 9 TASK 1 WAITING_RETRIEVAL {OTHER}{" "}
190 9 TASK 1 RETRIEVED SUCCESS  0  {{}} {{"time_worker_start":[1.0,"s"]}}
191 9 TASK 1 DONE SUCCESS  0{" "}
200 9 TASK 2 READY default FIRST_RESOURCES 1 {{}}
201 9 TASK 2 RUNNING {OTHER}  FIRST_RESOURCES {{}}
202 9 TASK 2 RETRIEVED SUCCESS  1  {{}} {{}}
210 9 TASK 3 RUNNING {OTHER}  FIRST_RESOURCES {{}}
211 9 LIBRARY 3 SENT {OTHER}
220 9 TASK 4 READY default FIRST_RESOURCES 1 {{}}
221 9 TASK 4 RUNNING {OTHER}  FIRST_RESOURCES {{}}
230 9 TASK 5 READY nbrepro-collect FIRST_RESOURCES 1 {{}}
231 9 TASK 5 RUNNING {OTHER}  FIRST_RESOURCES {{}}
"""


def event(engine, kind, execution=0, at_ns=1, **fields):
    record = {"event": kind, "engine": engine, "at_ns": at_ns, "execution": execution} | fields
    jsonschema.validate(record, SCHEMA)
    return record


def vine(number, execution, kind="Task", **fields):
    words = {"function": "", "command": "c", "library": "", "category": "default"}
    files = {"inputs": [], "outputs": []}
    given = {"manager": "m:9123", "number": number, "type": kind} | words | files | fields
    return event("taskvine", "submit", execution, **given)


def dask(kind, key="k-1", worker="tcp://w1:1", execution=2, at_ns=1, **fields):
    return event("dask", kind, execution, at_ns, key=key, worker=worker, **fields)


def directory_with(path: Path, *records, tail="", log=""):
    (path / "submits.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records) + tail)
    if log:
        (path / "taskvine-9123.transactions").write_text(log)
    return RunDirectory(path)


def vine_run(path: Path):
    workers = {"10.0.0.2:40000": {"host": "w2", "nbrepro_worker": "w2-7-abcdef01"}}
    inputs = [{"remote": "in.txt", "path": "/d/in.csv"}]
    return directory_with(
        path,
        event("taskvine", "manager", 1, manager="m:9123", logs="/nowhere"),
        vine(1, 2, inputs=inputs),
        vine(2, 3),
        vine(0, 4, "library", library="lib"),
        vine(4, 5, "FunctionCall", function="f", library="lib"),
        vine(6, 5),
        event("taskvine", "workers", manager="m:9123", workers=workers),
        log=LOG,
    )


def test_attempts_at_a_task_are_apart_and_the_first_is_lost_with_its_worker(tmp_path):
    first, second = [
        t for t in read_engines(vine_run(tmp_path)).tasks if t.task.startswith("9123.1")
    ]
    assert (first.task, first.status, first.worker, first.attempt) == (
        "9123.1", "lost", "10.0.0.1:36350", 1,
    )  # fmt: skip
    assert (first.started_ns, first.ended_ns) == (140_000, 150_000)
    assert (second.task, second.status, second.worker) == ("9123.1#2", "ok", "w2-7-abcdef01")
    assert (second.started_ns, second.ended_ns, second.host) == (170_000, 180_000, "w2")
    assert first.inputs == second.inputs == (TaskFile("in.txt", "/d/in.csv"),)
    assert first.execution == second.execution == 2


def test_status_sandbox_and_cell_of_every_kind_of_task(tmp_path):
    tasks = {t.task: t for t in read_engines(vine_run(tmp_path)).tasks}
    assert tasks["9123.2"].status == "failed"
    assert tasks["9123.3"].sandbox == "libr.3"
    assert (tasks["9123.3"].execution, tasks["9123.3"].function) == (4, "lib")
    assert tasks["9123.4"].sandbox == "func.4"
    assert tasks["9123.4"].status == "unknown"
    assert tasks["9123.6"].started_ns == 0
    assert tasks["9123.6"].status == "unknown"
    assert tasks["9123.5"].engine == OWN_ENGINE, "the tool's own: it fetches a trace"


def test_worker_is_observed_only_if_its_trace_came_home(tmp_path):
    directory = vine_run(tmp_path)
    assert not any(t.observed for t in read_engines(directory).tasks)
    (tmp_path / "workers").mkdir()
    (tmp_path / "workers" / "w2-7-abcdef01.tar.zst").write_bytes(b"")
    seen = {t.task for t in read_engines(directory).tasks if t.observed}
    assert "9123.1#2" in seen
    assert "9123.1" not in seen


def test_without_the_managers_log_only_ends_are_known(tmp_path):
    done = {"manager": "m:9123", "number": 1, "host": "w", "address": "1.2.3.4:5"}
    directory = directory_with(
        tmp_path, vine(1, 2), event("taskvine", "done", 3, 7, status="failed: exit code 1", **done)
    )
    [task] = read_engines(directory).tasks
    assert (task.status, task.started_ns, task.ended_ns) == ("failed", 0, 7)
    assert (task.worker, task.execution) == ("1.2.3.4:5", 2)


def test_key_executed_again_is_another_attempt(tmp_path):
    worker = {"address": "tcp://w2:1", "name": "1", "host": "h2", "pid": 5, "collects": False,
              "nbrepro_worker": "", "traced": True}  # fmt: skip
    directory = directory_with(
        tmp_path,
        event("dask", "submit", 2, scheduler="s", keys=["k-1", "never"]),
        event("dask", "workers", workers={"tcp://w2:1": worker}),
        dask("started", at_ns=10, function="k"),
        dask("started", worker="tcp://w2:1", at_ns=20, function="k"),
        dask("done", worker="tcp://w2:1", at_ns=30, status="ok"),
    )
    first, second, never = read_engines(directory).tasks
    assert (first.task, first.status, first.ended_ns, first.observed) == ("k-1", "lost", 0, False)
    assert (second.task, second.status, second.host) == ("k-1#2", "ok", "h2")
    assert (second.started_ns, second.ended_ns, second.observed) == (20, 30, True)
    assert (never.task, never.status, never.worker, never.execution) == ("never", "unknown", "", 2)


def test_unobservable_task_is_known_but_not_observed(tmp_path):
    directory = directory_with(
        tmp_path,
        dask("started", at_ns=10, function="k"),
        dask("unobservable", at_ns=10, reason="a coroutine"),
        dask("done", at_ns=11, status="failed"),
    )
    [task] = read_engines(directory).tasks
    assert (task.observed, task.status, task.function) == (False, "failed", "k")


def test_no_log_means_no_tasks_and_a_torn_last_line_is_left_out(tmp_path):
    assert read_engines(RunDirectory(tmp_path)).tasks == []
    directory = directory_with(tmp_path, dask("started", function="k"), tail='{"event": "do')
    assert len(list(read_submits(directory))) == 1


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"event": "done"}', '{"event":"x","engine":"y","at_ns":1,"execution":0}']
)
def test_damaged_line_is_named(tmp_path, line):
    with pytest.raises(RunDirectoryError, match=r"submits\.jsonl:1: "):
        list(read_submits(directory_with(tmp_path, tail=line + "\n")))


def test_reader_and_schema_know_the_same_events():
    described = set()
    for option in SCHEMA["oneOf"]:
        words = option["properties"]
        engine = words["engine"].get("const", "")
        described.add((engine, words["event"]["const"]))
        fields = _FIELDS[engine, words["event"]["const"]]
        assert set(fields) <= set(option["required"])
    assert described == set(_FIELDS)


@given(st.lists(st.sampled_from(LOG.splitlines(keepends=True)), max_size=40), st.integers(0, 60))
def test_any_order_of_lines_gives_attempts_that_end_after_they_start(lines, cut):
    text = "".join(lines)
    text = text[: len(text) - cut]
    log = parse_transactions(text.splitlines(keepends=True))
    assert len(log.tries) <= text.count(" RUNNING ")
    assert {t.status for t in log.tries} <= {"ok", "failed", "lost", "unknown"}
    assert all(t.ended_ns for t in log.tries if t.status in ("ok", "failed", "lost"))


def moments(**seconds: str) -> str:
    return json.dumps({f"time_{name}": [float(s), "s"] for name, s in seconds.items()})


def test_clock_of_a_worker_is_bounded_by_what_was_sent_and_answered(tmp_path):
    # The worker's clock is 100 s behind: what it began at 905.0 was sent at 1000.0.
    began = moments(commit_start="1000.000001", worker_start="905.0", worker_end="905.5")
    log = "".join(f"{line}\n" for line in (
        "1 9 WORKER worker-x CONNECTION 10.0.0.2:40000",
        "1000000001 9 TASK 1 RUNNING worker-x  FIRST_RESOURCES {}",
        "1010000000 9 TASK 1 WAITING_RETRIEVAL worker-x ",
        f"1010000001 9 TASK 1 RETRIEVED SUCCESS  0  {{}} {began.replace(' ', '')}",
    ))  # fmt: skip
    workers = {"10.0.0.2:40000": {"host": "w2", "nbrepro_worker": "w2-7-abcdef01"}}
    records = [vine(1, 2), event("taskvine", "workers", manager="m:9123", workers=workers)]
    clocks = read_clocks(directory_with(tmp_path, *records, log=log))
    address, clock = clocks["w2-7-abcdef01"]
    assert address == "10.0.0.2:40000"
    assert (clock.offset_ns, clock.error_ns) == (95_000_001_000, 9_499_999_000)


def test_clock_of_a_dask_worker_is_the_one_between_question_and_answer(tmp_path):
    worker = {"address": "tcp://w2:1", "name": "1", "host": "h2", "pid": 5, "collects": True,
              "nbrepro_worker": "h2-5-00000000", "traced": True}  # fmt: skip
    records = [
        event("dask", "workers", workers={"tcp://w2:1": worker}),
        event("dask", "clock", worker="tcp://w2:1", sent=100, there=7, answered=140),
        event("dask", "clock", worker="tcp://w2:1", sent=200, there=120, answered=230),
    ]
    clocks = read_clocks(directory_with(tmp_path, *records))
    assert clocks == {"h2-5-00000000": ("tcp://w2:1", (93, 17))}


@given(
    offset=st.integers(-(10**12), 10**12),
    trips=st.lists(st.tuples(*[st.integers(0, 10**9)] * 4), min_size=1, max_size=6),
)
def test_the_true_offset_is_within_the_error_whatever_the_network_takes(offset, trips):
    exchanges = []
    for start, there, worked, back in trips:
        began = start + there - offset
        exchanges.append(Exchange(start, began, began + worked, start + there + worked + back))
    clock = measure_clock(exchanges)
    assert abs(clock.offset_ns - offset) <= clock.error_ns
    assert measure_clock([]) == (0, -1)


def test_mini_tasks_are_of_the_cell_that_declared_the_file(tmp_path):
    raw = [{"remote": "raw.txt", "path": "/d/raw.txt"}]
    workers = {"1.1.1.1:1": {"host": "w1", "nbrepro_worker": "w1-1-00000000"}}
    directory = directory_with(
        tmp_path,
        event("taskvine", "manager", 1, manager="m:9123", logs="/r/vine-logs"),
        vine(0, 3, "mini", source="cooked", inputs=raw),
        event("taskvine", "workers", manager="m:9123", workers=workers),
        event("taskvine", "minis", manager="m:9123",
              minis={"1.1.1.1:1": ["cooked", "other"], "2.2.2.2:2": ["cooked"]}),
    )  # fmt: skip
    tasks = {task.task: task for task in read_engines(directory).tasks}
    first, other, elsewhere = (tasks[f"9123.mini.{n}"] for n in (1, 2, 3))
    assert (first.execution, first.worker, first.sandbox) == (3, "w1-1-00000000", "mini.1")
    assert first.inputs == (TaskFile("raw.txt", "/d/raw.txt"),)
    assert (other.execution, other.sandbox, other.inputs) == (0, "mini.2", ())
    assert (elsewhere.worker, elsewhere.sandbox) == ("2.2.2.2:2", "mini.1")


MADE = """2020000 9 WORKER {hash} CONNECTION 1.1.1.1:1
2030000 9 WORKER {hash} CACHE_UPDATE task-rnd-a 32 20000 77
2040000 9 WORKER {hash} CACHE_UPDATE file-rnd-b 32 1 77
2090000 9 WORKER {hash} CACHE_UPDATE task-rnd-a 32 30000 77
"""
DEBUG = """0 vine_manager[4]vine: tx to w1 (1.1.1.1:1): mini_task cooked.txt task-rnd-a 0 0 0755
0 vine_manager[4]vine: rx from w1 (1.1.1.1:1): cache-update task-rnd-a 5 0 32 33188 2 1 X
0 vine_manager[4]vine: tx to w1 (1.1.1.1:1): mini_task cooked.txt task-rnd-a 0 32 0755
0 vine_manager[4]vine: tx to w1 (1.1.1.1:1): mini_task raw.txt task-rnd-c 0 32 0755
0 vine_manager[4]vine: rx from w1 (1.1.1.1:1): cache-invalid task-rnd-c 12
0 vine_manager[4]vine: rx from w1 (1.1.1.1:1): cache-update task-rnd-a 5 0 32 33188 3 1 X
0 vine_manager[4]vine: tx to w1 (1.1.1.1:1): mini_task cooked.txt task-rnd-a 0 32 0755
"""


def test_mini_tasks_have_the_ends_that_the_manager_was_told_of(tmp_path):
    debug = tmp_path / "debug"
    debug.write_text(DEBUG)
    minis = probe("taskvine_logs.py")["minis_sent"](debug)
    directory = directory_with(
        tmp_path,
        event("taskvine", "manager", 1, manager="m:9123", logs="/r/vine-logs"),
        event("taskvine", "minis", manager="m:9123", minis=minis),
    )
    log = directory.path / "taskvine-9123.transactions"
    log.write_text(MADE.format(hash=HASH))
    tasks = read_engines(directory).tasks
    assert [(t.function, t.status, t.started_ns // 10**6, t.ended_ns // 10**6) for t in tasks] == [
        ("cooked.txt", "ok", 2010, 2030),
        ("cooked.txt", "ok", 2060, 2090),
        ("raw.txt", "failed", 0, 0),
        ("cooked.txt", "unknown", 0, 0),
    ]


def probe(name):
    """Execute a file of the probe by itself, as an observed kernel does."""
    return runpy.run_path(str(Path(nbrepro.capture.__file__).parent / "probes" / name))


def test_what_taskvine_stages_itself_is_no_input_of_the_notebooks(tmp_path):
    inputs = [{"remote": "infile", "path": "/r/staging/arguments/x"},
              {"remote": "a", "path": "/d/a"}]  # fmt: skip
    manager = event("taskvine", "manager", 1, manager="m:9123", logs="/r/vine-logs")
    [task] = read_engines(directory_with(tmp_path, manager, vine(1, 2, inputs=inputs))).tasks
    assert task.inputs == (TaskFile("a", "/d/a"),)
