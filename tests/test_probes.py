"""The probe in the kernel: what it marks, and that the notebook cannot tell that it is there."""

from __future__ import annotations

import asyncio
import os
import pickle
import re
import shutil
import stat
import subprocess
import sys
from types import SimpleNamespace
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from observing import Observed, observe, observe_cells, run_plainly, write_notebook

from nbrepro.capture.kernel import (
    BOOTSTRAP,
    Launch,
    find_kernelspec,
    insert_probe,
    make_manager,
)
from nbrepro.capture.probes import audit, cells, imports
from nbrepro.capture.tracers import check_strace, find_tracer
from nbrepro.errors import MachineError, UsageError
from nbrepro.trace import events, read_lines
from nbrepro.trace.arguments import parse_string
from nbrepro.trace.strace import Summary

KERNEL = pytest.mark.live("kernel")
PROBES = BOOTSTRAP.parent

SETTING = """
import asyncio, concurrent.futures as cf, multiprocessing as mp, multiprocessing.pool as mpp
import os, subprocess, sys, threading, traceback
open('shared', 'w').write('abc')
def read(n=1): return len(open('shared').read()) * n
def fail(n): raise ValueError(n)
"""
POOLS = {
    "thread": ("cf.ThreadPoolExecutor(1)", "{0}.submit(read, 2).result()"),
    "fork": (
        "cf.ProcessPoolExecutor(1, mp_context=mp.get_context('fork'))",
        "list({0}.map(read, [1, 2]))",
    ),
    "pool-map": ("mp.get_context('fork').Pool(1)", "{0}.map(read, [1, 2, 3], chunksize=2)"),
    "pool-apply": ("mp.get_context('fork').Pool(1)", "{0}.apply_async(read, (2,)).get()"),
    "pool-imap": ("mp.get_context('fork').Pool(1)", "list({0}.imap(read, [1, 2]))"),
    "thread-pool": ("mpp.ThreadPool(1)", "{0}.starmap(read, [(1,), (2,)])"),
}


@pytest.mark.live
def test_items_of_pools_belong_to_the_cell_that_submits_them(tmp_path):
    names = {kind: f"pool{n}" for n, kind in enumerate(POOLS)}
    make = "\n".join(f"{names[kind]} = {made}" for kind, (made, _) in POOLS.items())
    work = [
        f"open('{kind}', 'w').close()\n"
        f"r = {use.format(names[kind])}\nopen('{kind}', 'w').close()\nr"
        for kind, (_, use) in POOLS.items()
    ]
    uses = [f"r = {use.format(names[kind])}" for kind, (_, use) in POOLS.items()]
    observed = observe_cells(tmp_path, SETTING + make + "\n" + "\n".join(uses), *work)
    assert observed.outcome.status == "ok", observed.outcome.error
    for number, kind in enumerate(POOLS, 2):
        items = owners_between(observed, kind, "shared")
        assert items, kind
        assert set(items) == {f"item {number}"}, kind


@pytest.mark.live
def test_items_reach_processes_that_know_nothing_of_us(tmp_path):
    make = "pool = cf.ProcessPoolExecutor(1, mp_context=mp.get_context('spawn'))"
    observed = observe_cells(
        tmp_path,
        f"{SETTING}{make}\npool.submit(len, 'abc').result()",
        "pool.submit(os.truncate, 'shared', 1).result()",
        "os.close(1 + pool.submit(os.open, 'shared', 0).result()) if False else 0\n"
        "pool.submit(os.listdir, '.').result() and None",
    )
    assert observed.outcome.status == "ok", observed.outcome.error
    token = observed.manifest.token
    spawned = [line for line in observed.trace if "truncate(" in line and '"shared"' in line]
    [child] = {line.split()[0] for line in spawned}
    lines = [line for line in observed.trace if line.split()[0] == child]
    at = lines.index(spawned[0])
    assert f"{token}/item/start/2/c2" in lines[at - 1]
    assert f"{token}/item/end/2/c2" in lines[at + 1]


@pytest.mark.live
def test_task_resumed_in_a_later_cell_belongs_to_the_cell_that_made_it(tmp_path):
    observed = observe_cells(
        tmp_path,
        SETTING,
        "async def slowly():\n    await asyncio.sleep(0.2)\n    open('late').read()\n"
        "open('late', 'w').close()\ntask = asyncio.ensure_future(slowly())",
        "await task\nopen('after', 'w').close()",
    )
    assert observed.outcome.status == "ok", observed.outcome.error
    assert observed.owners("late") == ["cell 2", "item 2"]
    assert observed.owners("after") == ["cell 3"]


@pytest.mark.live
def test_work_for_the_own_cell_costs_no_mark(tmp_path):
    observed = observe_cells(
        tmp_path,
        SETTING,
        "pool = cf.ThreadPoolExecutor(2)\nlist(pool.map(read, range(50)))",
        "async def step():\n    await asyncio.sleep(0)\n    return read()\n"
        "r = await asyncio.gather(*(step() for _ in range(50)))",
    )
    assert observed.outcome.status == "ok", observed.outcome.error
    assert [words for _, words in observed.marks if words.startswith("item/")] == []


@pytest.mark.live
def test_thread_passes_its_cell_on_to_the_pools_it_uses(tmp_path):
    observed = observe_cells(
        tmp_path,
        SETTING + "pool = cf.ThreadPoolExecutor(1)\npool.submit(int).result()",
        "def work(): pool.submit(open, 'inner', 'w').result().close()\n"
        "thread = threading.Thread(target=work)\nthread.start()\nthread.join()",
    )
    assert observed.owners("inner") == ["item 2"]


EQUAL_CELLS = [
    f"{SETTING}\nthreads = cf.ThreadPoolExecutor(1)\nfork = mp.get_context('fork')\n"
    "processes = cf.ProcessPoolExecutor(1, mp_context=fork)\nprocesses.submit(int).result()\n"
    "pool, thread_pool = fork.Pool(1), mpp.ThreadPool(1)",
    "import sys\n[sys.path, sys.argv, sys.flags, sorted(os.environ), sys.orig_argv,"
    " __name__, sorted(sys.modules), os.getcwd(), sys.getrecursionlimit()]",
    "def told(act):\n    try: act()\n    except Exception as e:"
    " print(re.sub(r'line \\d+, in result', '', ''.join(traceback.format_exception(e))))\n"
    "import re",
    "threads.submit(fail, 1).exception()\ntold(lambda: threads.submit(fail, 1).result())",
    "told(lambda: processes.submit(fail, 1).result())",
    "told(lambda: processes.submit(lambda: 1).result())",
    "told(lambda: pool.apply(fail, (1,)))\ntold(lambda: pool.map(fail, [1, 2]))",
    "told(lambda: pool.apply(lambda: 1))\ntold(lambda: pool.map(5, [1]))",
    "told(lambda: thread_pool.apply(fail, (1,)))\ntold(lambda: thread_pool.map(5, [1]))",
    "def broken():\n    yield 1\n    raise OSError('iterable')\n"
    "told(lambda: list(pool.imap(abs, broken())))",
    "threads.shutdown()\ntold(lambda: threads.submit(int))\npool.close()\n"
    "told(lambda: pool.apply_async(int))",
    "told(lambda: threading.Thread(target=int).start() or threading.Thread.start(None))",
    "async def failing(): fail(3)\ntold(lambda: asyncio.run(failing()))\nawait failing()",
    "1/0",
    "print(len(traceback.extract_stack()) > 3)\nget_ipython().run_cell('1/0')\nNone",
    "!echo shell\nprint(subprocess.check_output(['cat', 'shared']))",
    "[type(f).__name__ for f in sys.meta_path if 'nbrepro' not in type(f).__module__]",
]


@KERNEL
@pytest.mark.parametrize("tracer", ["strace", "audit"])
def test_outputs_are_equal_with_and_without_observation(tmp_path, tracer):
    notebook = write_notebook(tmp_path, EQUAL_CELLS)
    observed = observe(notebook, tracer=tracer, allow_errors=True)
    assert observed.outcome.status == "ok", observed.outcome.error
    for source, seen, plain in zip(
        EQUAL_CELLS, observed.outputs(), run_plainly(notebook, allow_errors=True), strict=True
    ):
        assert seen == plain, source


# The audit tracer


@KERNEL
def test_audit_hook_writes_lines_that_the_strace_reader_reads(tmp_path):
    observed = observe_cells(
        tmp_path,
        SETTING + "import sqlite3, socket",
        "os.rename('shared', 'b <é>\\n\\\\\".txt'); open(b'odd\\xff', 'wb').close()\n"
        "os.mkdir('d'); os.symlink('d', 'l'); os.rmdir('d'); os.remove('l'); os.listdir('.')",
        "sqlite3.connect('x.db').execute('create table t (c)')",
        "t = threading.Thread(target=lambda: open('by thread', 'w').close()); t.start(); t.join()",
        "pid = os.fork()\nif pid == 0:\n    open('by child', 'w').close(); os._exit(0)\n"
        "os.waitpid(pid, 0)",
        "subprocess.run(['cat', os.devnull], cwd='/')\n!true",
        "s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); "
        "socket.create_connection(s.getsockname()).close()",
        "try: open('missing')\nexcept OSError: pass",
        tracer="audit",
    )
    assert observed.outcome.status == "ok", observed.outcome.error
    assert observed.manifest.tracer.name == "audit"
    assert any("C libraries" in sentence for sentence in observed.manifest.tracer.unseen)
    summary = Summary()
    [path] = observed.directory.trace_paths()
    seen = list(events(read_lines(path), summary))
    assert summary.unparsed == 0
    calls = {event.call for event in seen}
    assert {"renameat", "unlinkat", "mkdirat", "symlinkat", "vfork", "execve", "bind"} <= calls
    assert {"openat", "clone", "clone3", "chdir", "connect"} <= calls
    opened = {
        parse_string(m[0])[0]: event.result
        for event in seen
        if event.call == "openat" and (m := re.search(r'"(?:[^"\\]|\\.)*"', event.args))
    }
    assert opened["odd\udcff"].startswith("3</")
    assert opened["x.db"].startswith("3</")
    assert opened["missing"].startswith("-1 ENOENT")
    assert {"by thread", "by child"} <= set(opened)
    births = [e for e in seen if e.call in ("clone", "clone3")]
    pid = observed.manifest.kernel.pid
    assert any("CLONE_THREAD" in e.args and e.tid == pid for e in births)
    writer = {line.split()[0] for line in observed.trace if '"by child"' in line}
    assert writer <= {e.result for e in births}


@KERNEL
def test_audit_hook_survives_a_program_that_closes_every_file(tmp_path):
    observed = observe_cells(
        tmp_path,
        "import os\npid = os.fork()\nif pid == 0:\n"
        "    os.closerange(3, 2048)\n"
        "    fds = [os.open('mine', os.O_RDWR | os.O_CREAT) for _ in range(1000)]\n"
        "    open('told', 'w').close()\n    os._exit(0)\nos.waitpid(pid, 0)[1]",
        tracer="audit",
    )
    assert observed.outputs() == ["0"]
    assert (tmp_path / "mine").read_bytes() == b""
    assert any('"told"' in line for line in observed.trace)


def test_audit_defect_becomes_a_line_and_never_an_error(tmp_path):
    auditor = audit.Auditor(audit.Trace(str(tmp_path / "t")))
    auditor.hook("os.rename", ())
    auditor.hook("never.heard.of", (1,))
    auditor.hook("os.truncate", ("x\0y", 1))
    lines = (tmp_path / "t").read_text().splitlines()
    assert [line.split()[2:4] for line in lines[:1]] == [["!audit", "os.rename:"]]
    summary = Summary()
    list(events([(tmp_path / "t").read_bytes()], summary))
    assert summary.lines == summary.unparsed + summary.events == len(lines)


@given(st.binary(min_size=1).filter(lambda b: 0 not in b))
def test_quoted_path_is_read_back_byte_for_byte(path):
    assert os.fsencode(parse_string(audit.quoted(path))[0]) == path


# Parts


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=60))
def test_quoted_cell_id_is_one_part_of_a_path(text):
    quoted = cells.quote(text)
    assert "/" not in quoted
    assert quoted.isascii()
    assert quoted.isprintable()
    assert unquote(quoted) == (text or "-")


def executions():
    made = []
    marks = {
        "mark": lambda *words: made.append("/".join(words)),
        "here": SimpleNamespace(cell=None),
        "opened": SimpleNamespace(set=lambda cell: None),
    }
    return cells.Executions(marks, lambda: None), made


def info(source, cell_id=None):
    return SimpleNamespace(raw_cell=source, cell_id=cell_id)


def result(told):
    return SimpleNamespace(info=told)


def test_code_that_a_cell_runs_itself_is_no_execution():
    counted, made = executions()
    outer, inner = info("outer", "a"), info("inner")
    counted.start(outer)
    counted.start(inner)
    counted.end(result(inner))
    counted.end(result(info("  ")))  # blank code: IPython tells only its end
    counted.end(result(outer))
    counted.start(info("next", "b"))
    counted.end(None)  # cancelled: IPython has no result
    counted.end(None)
    assert made == ["cell/start/1/a", "cell/end/1/a", "cell/start/2/b", "cell/end/2/b"]


def test_interrupted_cell_ends_though_ipython_describes_it_anew():
    counted, made = executions()
    counted.start(info("while True: f()", "a"))
    counted.start(info("f()"))
    counted.end(result(info("while True: f()", "a")))
    counted.start(info("2", "b"))
    assert made == ["cell/start/1/a", "cell/end/1/a", "cell/start/2/b"]


def test_post_import_acts_once_after_the_module_is_complete(tmp_path, monkeypatch):
    (tmp_path / "late_module.py").write_text("value = 1\nimport sys\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    seen = []
    finder = imports.PostImport()
    finder.after("late_module", lambda module: seen.append(module.value))
    finder.after("late_module", lambda module: seen.append(module.__name__))
    finder.after("os", lambda module: seen.append("already there"))
    monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])
    import late_module

    assert seen == ["already there", 1, "late_module"]
    assert "exec_module" not in vars(late_module.__loader__)
    monkeypatch.delitem(sys.modules, "late_module")
    import late_module

    assert len(seen) == 3
    with pytest.raises(ModuleNotFoundError):
        import no_such_module  # noqa: F401


def marks_of(token="t0"):
    source = (PROBES / "marks.py").read_text()
    space = {"__name__": "marks"}
    before = dict(vars(sys))
    exec(source, space)
    space["keep"](space, source, f"/nbrepro-marker/{token}/")
    for name in set(vars(sys)) - set(before):
        delattr(sys, name)
    return space


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_item_is_loaded_by_an_interpreter_without_nbrepro(tmp_path, protocol):
    space = marks_of()
    item = space["Item"](os.path.join, space["ROOT"], ("3", "c3"))
    (tmp_path / "item").write_bytes(pickle.dumps(item, protocol))
    program = (
        "import pickle, sys; opened = []; sys.addaudithook(lambda e, a: opened.append(a[0])"
        " if e == 'open' and 'marker' in str(a[0]) else None);"
        "item = pickle.load(open('item', 'rb')); print(item('a', 'b'), callable(item), opened)"
    )
    said = subprocess.run(
        [sys.executable, "-I", "-c", program],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    marks = ["/nbrepro-marker/t0/item/start/3/c3", "/nbrepro-marker/t0/item/end/3/c3"]
    assert said.stdout == f"a/b True {marks}\n"


def test_item_shows_in_no_traceback_and_ends_when_its_work_raises():
    space = marks_of()
    made = []
    space["mark"] = lambda *words: made.append(words)

    def fail():
        made.append("work")
        raise ValueError

    try:
        space["Item"](fail, "", ("1", "a"))()
    except ValueError as error:
        frames = error.__traceback__
        names = []
        while frames:
            names.append(frames.tb_frame.f_code.co_name)
            frames = frames.tb_next
    assert names == [sys._getframe().f_code.co_name, "fail"]
    assert made == [("item", "start", "1", "a"), "work", ("item", "end", "1", "a")]
    assert space["owner"]() is None


def test_item_of_something_that_cannot_be_called_fails_as_that_does():
    with pytest.raises(TypeError, match="'int' object is not callable"):
        marks_of()["Item"](5, "", ("1", "a"))()


# Command lines, tracers


def test_probe_replaces_only_the_module_option():
    argv = ["/e/bin/python", "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "c.json"]
    assert insert_probe(argv, "T", "/trace", "/log") == [
        "/e/bin/python", "-Xfrozen_modules=off", str(BOOTSTRAP), "T", "/trace", "/log",
        "ipykernel_launcher", "-f", "c.json",
    ]  # fmt: skip
    assert insert_probe(["R", "--slave", "-e", "IRkernel::main()"], "T") == []
    assert insert_probe(["python", "-m", "bash_kernel", "-f", "c"], "T") == []


def test_audit_tracer_leaves_the_command_line_alone(tmp_path):
    launch = Launch(find_tracer("audit"), tmp_path / "t", "T")
    command = launch.command(["python", "-m", "ipykernel_launcher"])
    trace = str(tmp_path / "t")
    assert command == ["python", str(BOOTSTRAP), "T", trace, "", "ipykernel_launcher"]


def test_tracer_that_does_not_exist_is_refused():
    with pytest.raises(UsageError, match="--tracer gdb"):
        find_tracer("gdb")


def test_missing_strace_falls_back_and_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    watching = find_tracer("auto")
    assert watching.tracer.name == "audit"
    assert any("strace is not installed" in sentence for sentence in watching.tracer.unseen)
    with pytest.raises(MachineError, match="apt-get install strace"):
        find_tracer("strace")
    assert "not an IPython kernel" in " ".join(find_tracer("auto", probed=False).tracer.unseen)


@pytest.mark.live("strace")
def test_process_that_is_traced_already_falls_back():
    program = "from nbrepro.capture.tracers import find_tracer as f; print(f().tracer)"
    command = ["strace", "-f", "-o", "/dev/null", sys.executable, "-c", program]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "name='audit'" in said
    assert "traces do not nest" in said


@pytest.mark.live("strace")
@pytest.mark.parametrize(
    ("refused", "said"),
    [
        ("--seccomp-bpf", "lacks --seccomp-bpf"),
        ("--timestamps=unix,ns", "microseconds only"),
        ("--kill-on-exit", ""),
    ],
)
def test_older_strace_is_used_with_what_it_can_do(monkeypatch, tmp_path, refused, said):
    old = tmp_path / "strace"
    old.write_text(
        f'#!/bin/sh\nfor a; do [ "$a" = "{refused}" ] && echo unknown option >&2 && exit 1; done\n'
        f'exec {shutil.which("strace")} "$@"\n'
    )
    old.chmod(old.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    watching = find_tracer("strace")
    assert watching.command[0] == str(old)
    assert refused not in watching.command
    assert ("-ttt" in watching.command) == (refused.startswith("--timestamps"))
    assert said in " ".join(watching.tracer.unseen)
    assert check_strace()


@pytest.mark.live("strace")
def test_strace_that_may_not_trace_is_told_with_its_reason(monkeypatch, tmp_path):
    forbidden = tmp_path / "strace"
    forbidden.write_text("#!/bin/sh\necho 'strace: ptrace: Operation not permitted' >&2\nexit 1\n")
    forbidden.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(MachineError, match=r"cannot trace here .*Operation not permitted"):
        find_tracer("strace")


@pytest.mark.live
def test_interrupt_and_restart_reach_the_traced_kernel(tmp_path):
    trace = tmp_path / "trace"
    spec = find_kernelspec("python3", "this test")
    manager = make_manager("python3", spec, Launch(find_tracer("strace"), trace, "feed"))
    log = (tmp_path / "log").open("wb")
    asyncio.run(interrupt_and_restart(manager, log, tmp_path))
    log.close()
    loaded = re.findall(r"nbrepro-marker/feed/kernel/loaded/(\d+)", trace.read_text())
    assert len(set(loaded)) == 2


async def interrupt_and_restart(manager, log, cwd):
    await manager.start_kernel(stdout=log, stderr=log, cwd=str(cwd))
    client = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=60)
        waiting = asyncio.ensure_future(
            client.execute_interactive("import time; time.sleep(60)", timeout=60)
        )
        await asyncio.sleep(1)
        await manager.interrupt_kernel()
        reply = await waiting
        assert reply["content"]["ename"] == "KeyboardInterrupt"
        await manager.restart_kernel(now=False)
        await client.wait_for_ready(timeout=60)
        reply = await client.execute_interactive("1", timeout=60)
        assert reply["content"]["status"] == "ok"
    finally:
        client.stop_channels()
        await manager.shutdown_kernel()


def owners_between(observed: Observed, fence: str, name: str) -> list[str]:
    """Owners of the openings of `name` between the two openings of `fence`, in order of time."""
    lines = [n for n, line in enumerate(observed.trace) if f'"{fence}"' in line]
    first, last = lines[0], lines[-1]
    before = sum(f'"{name}"' in line for line in observed.trace[:first])
    inside = sum(f'"{name}"' in line for line in observed.trace[first:last])
    return observed.owners(name)[before : before + inside]
