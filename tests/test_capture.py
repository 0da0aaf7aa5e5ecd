"""Running a notebook under observation: however it ends, what happened is recorded."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from keyword import iskeyword
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat import v4
from observing import Told, observe, observe_cells, write_notebook

from nbrepro.capture.parameters import format_parameters, parse_parameters
from nbrepro.capture.plan import make_plan
from nbrepro.config import RoleRule, Settings
from nbrepro.errors import ExitCode, MachineError, NotFoundError, UsageError
from nbrepro.model import Role
from nbrepro.notebook import parse_notebook
from nbrepro.rundir import CELLS, EXECUTED, NOTEBOOK

KERNEL = pytest.mark.live("kernel")


@pytest.mark.live
def test_run_leaves_complete_evidence(tmp_path):
    told = Told()
    notebook = write_notebook(
        tmp_path / "a b é",
        ["open('out.txt', 'w').write('x')", "print(open('out.txt').read())"],
        "Übung 1.ipynb",
    )
    before = notebook.read_bytes()
    observed = observe(notebook, told, settings=Settings(7, (RoleRule("*.txt", Role.CONFIG),)))
    outcome, manifest = observed.outcome, observed.manifest
    assert (outcome.status, outcome.error, outcome.exit_code) == ("ok", "", ExitCode.OK)
    assert outcome.run == outcome.directory.name == manifest.run
    assert outcome.run.split("-", 2)[2].startswith("bung-1-")
    assert manifest.status == "ok"
    assert manifest.ended_ns > manifest.started_ns
    assert manifest.notebook == str(notebook)
    assert manifest.tracer.name == "strace"
    assert manifest.tracer.version
    assert manifest.kernel.name == "python3"
    assert manifest.kernel.probed
    assert manifest.kernel.version == ".".join(map(str, sys.version_info[:3]))
    assert os.path.samefile(manifest.kernel.executable, os.path.realpath(sys.executable))
    assert manifest.roots["project"] == os.path.realpath(notebook.parent)
    assert manifest.roots["prefix"] == os.path.realpath(sys.prefix)
    assert manifest.settings == {
        "digest-limit": 7,
        "roles": [{"pattern": "*.txt", "role": "config"}],
    }
    assert manifest.notes == ()
    assert [c.cell_id for c in observed.cells] == ["c1", "c2"]
    assert [(c.execution, c.position, c.execution_count) for c in observed.cells] == [
        (1, 1, 1),
        (2, 2, 2),
    ]
    assert all(c.started_ns < c.ended_ns and c.status == "ok" for c in observed.cells)
    assert notebook.read_bytes() == before == (outcome.directory / NOTEBOOK).read_bytes()
    assert observed.outputs() == ["1", "x\n"]
    assert [p.suffix for p in observed.directory.trace_paths()] == [".zst"]
    assert told.cells == 2
    assert told.statuses == [(1, "ok"), (2, "ok")]
    assert told.stages[0] == "starting the kernel"


@pytest.mark.live
def test_each_execution_is_marked_with_its_ordinal_and_cell_id(tmp_path):
    observed = observe_cells(tmp_path, "1", "  \n", "get_ipython().run_cell('2')", "%run -i x.py")
    pid = observed.manifest.kernel.pid
    assert observed.marks == [
        (pid, f"kernel/loaded/{pid}"),
        (pid, "cell/start/1/c1"),
        (pid, "cell/end/1/c1"),
        (pid, "cell/start/2/c3"),
        (pid, "cell/end/2/c3"),
        (pid, "cell/start/3/c4"),
        (pid, "cell/end/3/c4"),
    ]
    assert [c.execution for c in observed.cells] == [1, 2, 3]
    assert [c.position for c in observed.cells] == [1, 3, 4]


@pytest.mark.live
def test_odd_cell_id_is_quoted_in_its_mark(tmp_path):
    node = v4.new_notebook(cells=[v4.new_code_cell("1", id="x")])
    node.cells[0]["id"] = 'a/b "c" é\n'
    notebook = tmp_path / "n.ipynb"
    notebook.write_text(json.dumps(node))
    observed = observe(notebook)
    assert observed.marks[1][1] == "cell/start/1/a%2Fb%20%22c%22%20%C3%A9%0A"
    assert observed.cells[0].cell_id == 'a/b "c" é\n'


@KERNEL
def test_cell_that_fails_ends_the_run_and_is_recorded(tmp_path):
    observed = observe_cells(tmp_path, "1", "1/0", "2")
    assert observed.outcome.status == observed.manifest.status == "failed"
    assert observed.outcome.exit_code == ExitCode.NOTEBOOK_FAILED
    assert observed.manifest.error == "cell 2 failed: ZeroDivisionError: division by zero"
    assert [(c.status, c.error) for c in observed.cells] == [
        ("ok", ""),
        ("failed", "ZeroDivisionError: division by zero"),
    ]
    assert "ZeroDivisionError" in observed.outputs()[1]


@KERNEL
def test_errors_that_are_allowed_do_not_end_the_run(tmp_path):
    observed = observe_cells(tmp_path, "1/0", "2", allow_errors=True)
    assert (observed.outcome.status, observed.outcome.error) == ("ok", "")
    assert [c.status for c in observed.cells] == ["failed", "ok"]


@KERNEL
def test_cell_tagged_as_raising_may_fail(tmp_path):
    notebook = write_notebook(tmp_path, ["1/0", "2"])
    node = json.loads(notebook.read_text())
    node["cells"][0]["metadata"]["tags"] = ["raises-exception"]
    notebook.write_text(json.dumps(node))
    observed = observe(notebook)
    assert observed.outcome.status == "ok"
    assert [c.status for c in observed.cells] == ["failed", "ok"]


@KERNEL
def test_kernel_that_dies_is_told_with_its_signal(tmp_path):
    observed = observe_cells(tmp_path, "1", "import os; os.kill(os.getpid(), 9)", "3")
    assert observed.manifest.status == "failed"
    assert observed.manifest.error == "the kernel died in cell 2 (by SIGKILL)"
    assert [c.status for c in observed.cells] == ["ok", "failed"]
    assert observed.directory.trace_paths()[0].suffix == ".zst"


@KERNEL
def test_cell_that_takes_too_long_is_interrupted(tmp_path):
    observed = observe_cells(tmp_path, "1", "import time; time.sleep(60)", timeout_s=1.5)
    assert observed.manifest.error == "cell 2 took longer than 1.5 s; raise --timeout"
    assert observed.outcome.status == "failed"
    assert observed.cells[1].error.startswith("KeyboardInterrupt")
    assert "KeyboardInterrupt" in observed.outputs()[1]
    assert observed.cells[1].ended_ns - observed.cells[1].started_ns < 30e9


@KERNEL
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, ExitCode.TERMINATED)],
)
def test_signal_interrupts_the_kernel_and_is_recorded(tmp_path, number, code):
    class Impatient(Told):
        def cell_started(self, position, source):
            if position == 2:
                threading.Timer(0.5, os.kill, (os.getpid(), number)).start()

    notebook = write_notebook(tmp_path, ["1", "import time\ntime.sleep(60)", "3"])
    before = signal.getsignal(number)
    observed = observe(notebook, Impatient())
    assert signal.getsignal(number) is before
    assert observed.outcome.status == observed.manifest.status == "interrupted"
    assert (observed.outcome.signal, observed.outcome.exit_code) == (number, code)
    assert observed.manifest.error == f"interrupted by {signal.Signals(number).name} in cell 2"
    assert [c.status for c in observed.cells] == ["ok", "interrupted"]
    assert observed.cells[1].error.startswith("KeyboardInterrupt")
    assert not os.path.exists(f"/proc/{observed.manifest.kernel.pid}")


@KERNEL
def test_cell_that_ignores_the_interrupt_does_not_hold_the_run(tmp_path):
    stubborn = """
import time
end = time.monotonic() + 60
while time.monotonic() < end:
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        pass
"""
    observed = observe_cells(tmp_path, stubborn, timeout_s=1)
    assert observed.manifest.error == "cell 1 took longer than 1 s; raise --timeout"
    assert observed.cells[0].status == "failed"
    assert not os.path.exists(f"/proc/{observed.manifest.kernel.pid}")


@KERNEL
def test_signal_while_the_kernel_starts_is_recorded(tmp_path):
    class Impatient(Told):
        def stage(self, name):
            if name == "starting the kernel":
                threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()

    observed = observe(write_notebook(tmp_path, ["1"]), Impatient())
    assert observed.outcome.status == "interrupted"
    assert observed.manifest.error == "interrupted by SIGINT while the kernel started"
    assert observed.cells == []


@KERNEL
def test_command_that_is_terminated_leaves_an_interrupted_run(tmp_path):
    notebook = write_notebook(tmp_path, ["open('started', 'w')\nimport time\ntime.sleep(60)"])
    program = (
        "import sys; from pathlib import Path; from nbrepro.capture import *; "
        "from nbrepro.config import Project; n = Path(sys.argv[1]); "
        "sys.exit(run_notebook(n, RunOptions(project=Project(n.parent))).exit_code)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(notebook)]) as process:
        wait_for(tmp_path / "started")
        process.terminate()
        assert process.wait(timeout=60) == ExitCode.TERMINATED
    [run] = (tmp_path / ".nbrepro" / "runs").iterdir()
    assert json.loads((run / "manifest.json").read_text())["status"] == "interrupted"


@KERNEL
def test_kernel_that_does_not_start_is_told_in_its_own_words(tmp_path, monkeypatch):
    name = install_kernel(tmp_path, monkeypatch, ["python", "-c", "raise SystemExit('no luck')"])
    observed = observe_cells(tmp_path, "1", kernel=name)
    assert observed.outcome.status == "failed"
    assert observed.manifest.error.startswith("kernel 'odd' did not start (no luck)")
    assert (observed.outcome.directory / EXECUTED).exists()


@KERNEL
def test_kernel_that_never_answers_is_given_up(tmp_path, monkeypatch):
    name = install_kernel(tmp_path, monkeypatch, ["sleep", "60"])
    observed = observe_cells(tmp_path, "1", kernel=name, startup_timeout_s=2)
    assert observed.manifest.error.startswith("kernel 'odd' did not start (")
    assert not os.path.exists(f"/proc/{observed.manifest.kernel.pid}")


def test_missing_program_of_a_kernel_is_told(tmp_path, monkeypatch):
    name = install_kernel(tmp_path, monkeypatch, ["/nowhere/python", "-m", "ipykernel_launcher"])
    observed = observe_cells(tmp_path, "1", kernel=name)
    assert "/nowhere/python, which does not exist" in observed.manifest.error
    assert observed.outcome.exit_code == ExitCode.MACHINE


def test_missing_kernelspec_names_the_installed_ones(tmp_path):
    observed = observe_cells(tmp_path, "1", kernel="no-such-kernel")
    assert observed.outcome.status == observed.manifest.status == "failed"
    assert "kernel 'no-such-kernel', which --kernel asks for" in observed.manifest.error
    assert "python3" in observed.manifest.error


@pytest.mark.parametrize("text", ["", "{", "[]", '{"nbformat": 9}', '{"nbformat": 4, "cells": 3}'])
def test_invalid_notebook_is_a_failed_run(tmp_path, text):
    notebook = tmp_path / "broken.ipynb"
    notebook.write_text(text)
    observed = observe(notebook)
    assert observed.manifest.status == "failed"
    assert str(notebook) in observed.manifest.error
    assert observed.outcome.exit_code == ExitCode.BAD_INPUT
    assert observed.manifest.tracer.name == "none"


def test_missing_notebook_leaves_nothing(tmp_path):
    with pytest.raises(NotFoundError, match="no such notebook"):
        observe(tmp_path / "missing.ipynb")
    assert list(tmp_path.iterdir()) == []


def test_missing_working_directory_is_refused(tmp_path):
    with pytest.raises(UsageError, match="--cwd"):
        observe_cells(tmp_path, "1", cwd=tmp_path / "missing")


@KERNEL
def test_empty_notebook_runs(tmp_path):
    observed = observe_cells(tmp_path)
    assert (observed.outcome.status, observed.cells) == ("ok", [])
    assert observed.trace


@KERNEL
def test_notebook_without_cell_ids_runs_unchanged(tmp_path):
    notebook = write_notebook(tmp_path, ["1", "2"])
    node = json.loads(notebook.read_text())
    node["nbformat_minor"] = 4
    for cell in node["cells"]:
        del cell["id"]
    notebook.write_text(json.dumps(node))
    observed = observe(notebook)
    assert [c.cell_id for c in observed.cells] == ["position-1", "position-2"]
    executed = json.loads((observed.outcome.directory / EXECUTED).read_text())
    assert executed["nbformat_minor"] == 4
    assert all("id" not in cell for cell in executed["cells"])


@KERNEL
def test_order_repeats_cells_as_executions_of_their_own(tmp_path):
    observed = observe_cells(tmp_path, "n = 0", "n += 1\nn", order=(1, 2, 2))
    assert [(c.execution, c.position, c.execution_count) for c in observed.cells] == [
        (1, 1, 1),
        (2, 2, 2),
        (3, 2, 3),
    ]
    assert observed.outputs() == ["", "2"]


def test_order_beyond_the_notebook_is_told(tmp_path):
    observed = observe_cells(tmp_path, "1", order=(2,))
    assert "has no code cell 2" in observed.manifest.error
    assert observed.outcome.exit_code == ExitCode.USAGE


@KERNEL
def test_parameters_are_injected_after_the_tagged_cell(tmp_path):
    notebook = write_notebook(tmp_path, ["year = 1; name = 'a'", "print(year, name)"])
    node = json.loads(notebook.read_text())
    node["cells"][0]["metadata"]["tags"] = ["parameters"]
    notebook.write_text(json.dumps(node))
    observed = observe(notebook, parameters={"year": 2020})
    assert [(c.position, c.cell_id) for c in observed.cells] == [
        (1, "c1"),
        (0, "injected-parameters"),
        (2, "c2"),
    ]
    assert observed.outputs()[-1] == "2020 a\n"
    assert observed.manifest.parameters == {"year": 2020}


@KERNEL
def test_working_directory_is_the_notebooks_folder_or_the_one_given(tmp_path):
    notebook = write_notebook(tmp_path / "deep", ["import os; print(os.getcwd())"])
    assert observe(notebook).outputs() == [f"{tmp_path / 'deep'}\n"]
    observed = observe(notebook, cwd=tmp_path)
    assert observed.outputs() == [f"{tmp_path}\n"]
    assert observed.manifest.cwd == str(tmp_path)


@pytest.mark.live
def test_background_process_outlives_the_run_unharmed(tmp_path):
    late = "import time, pathlib; time.sleep(6); pathlib.Path('late').write_text('done')"
    source = f"""
import subprocess, sys
p = subprocess.Popen([sys.executable, '-c', {late!r}], start_new_session=True)
"""
    observed = observe_cells(tmp_path, source)
    assert observed.outcome.status == "ok"
    [note] = [n for n in observed.manifest.notes if "left running" in n]
    assert "python" in note
    wait_for(tmp_path / "late")


@KERNEL
def test_full_disk_is_told(tmp_path):
    class Filling(Told):
        def started(self, cells):
            [run] = (tmp_path / ".nbrepro" / "runs").iterdir()
            (run / CELLS).symlink_to("/dev/full")

    observed = observe(write_notebook(tmp_path, ["1", "2"]), Filling())
    assert observed.outcome.status == observed.manifest.status == "failed"
    assert "No space left on device" in observed.manifest.error
    assert observed.outcome.exit_code == ExitCode.MACHINE
    assert not os.path.exists(f"/proc/{observed.manifest.kernel.pid}")


def test_place_for_runs_that_cannot_be_made_is_told(tmp_path):
    notebook = write_notebook(tmp_path, ["1"])
    (tmp_path / ".nbrepro").write_text("a file")
    with pytest.raises(MachineError, match=r"\.nbrepro"):
        observe(notebook)


@KERNEL
def test_run_inside_a_running_event_loop(tmp_path):
    import asyncio

    async def main():
        return observe_cells(tmp_path, "1")

    assert asyncio.run(main()).outcome.status == "ok"


@KERNEL
def test_two_runs_have_names_and_secrets_of_their_own(tmp_path):
    notebook = write_notebook(tmp_path, [""])
    first, second = observe(notebook), observe(notebook)
    assert first.outcome.run != second.outcome.run
    assert first.manifest.token != second.manifest.token
    assert first.manifest.uuid != second.manifest.uuid


@pytest.mark.live
def test_environment_and_payload_stay_out_of_the_trace(tmp_path, monkeypatch):
    monkeypatch.setenv("NBREPRO_TEST_SECRET", "s3cr3t-in-environment")
    source = "open('f', 'w').write('s3cr3t-in-' + 'payload')\nimport os; os.system('true')"
    text = "\n".join(observe_cells(tmp_path, source).trace)
    assert "execve(" in text
    assert "s3cr3t-in-environment" not in text
    assert "s3cr3t-in-payload" not in text


@KERNEL
def test_kernel_that_is_not_ipython_is_run_without_a_probe(tmp_path, monkeypatch):
    start = "import sys; from ipykernel.kernelapp import launch_new_instance as l; l()"
    name = install_kernel(tmp_path, monkeypatch, ["python", "-c", start, "-f", "{connection_file}"])
    observed = observe_cells(tmp_path, "open('f', 'w')", kernel=name)
    assert observed.outcome.status == "ok"
    assert not observed.manifest.kernel.probed
    assert observed.marks == []
    assert any('"f"' in line for line in observed.trace)


@KERNEL
def test_manifest_that_cannot_be_replaced_is_an_error_of_the_machine(tmp_path):
    class Filling(Told):
        def cell_started(self, position, source):
            [run] = (tmp_path / ".nbrepro" / "runs").iterdir()
            (run / "manifest.json.part").symlink_to("/dev/full")

    with pytest.raises(MachineError, match="No space left on device"):
        observe(write_notebook(tmp_path, ["1"]), Filling())
    [run] = (tmp_path / ".nbrepro" / "runs").iterdir()
    assert json.loads((run / "manifest.json").read_text())["status"] == "running"


# Parameters


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-3", -3),
        ("0.5", 0.5),
        ("1e3", 1000.0),
        ("true", True),
        ("False", False),
        ("null", None),
        ("None", None),
        ("[1, 2]", [1, 2]),
        ('{"a": [null]}', {"a": [None]}),
        ('"3"', "3"),
        ("'it''s'", "its"),
        ("text", "text"),
        ("a=b", "a=b"),
        ("", ""),
        ("[broken", "[broken"),
        ("'broken", "'broken"),
        ("2020-01-02", "2020-01-02"),
    ],
)
def test_value_of_a_parameter_is_read_as_papermill_does(text, value):
    parsed = parse_parameters([f"name={text}"])
    assert parsed == {"name": value}
    assert type(parsed["name"]) is type(value)


@pytest.mark.parametrize("text", ["name", "=3", "2x=3", "a b=1", ""])
def test_parameter_without_a_name_is_refused(text):
    with pytest.raises(UsageError, match="NAME=VALUE"):
        parse_parameters([text])


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,5}", fullmatch=True).filter(lambda name: not iskeyword(name)),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
            lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(), inner),
            max_leaves=5,
        ),
    )
)
def test_injected_source_sets_the_very_values(parameters):
    names: dict = {}
    exec(format_parameters(parameters), names)
    del names["__builtins__"]
    assert names == parameters


def test_value_that_has_no_source_is_refused():
    with pytest.raises(UsageError, match="parameter a: PosixPath cannot be written"):
        format_parameters({"a": [Path()]})


def planned(order=None, parameters=None, tags=()):
    cells = [v4.new_code_cell(f"cell {n}", id=f"c{n}") for n in (1, 2, 3)]
    for cell, tag in zip(cells, tags, strict=False):
        cell.metadata["tags"] = [tag] if tag else []
    cells.insert(1, v4.new_markdown_cell("text"))
    notebook = parse_notebook(json.dumps(v4.new_notebook(cells=cells)).encode(), Path("n"))
    plan = make_plan(notebook, parameters or {}, order)
    assert all(plan.node.cells[cell.index].source == cell.source for cell in plan.cells)
    return [cell.position for cell in plan.cells]


def test_plan_follows_order_and_leaves_out_what_jupyter_skips():
    assert planned() == [1, 2, 3]
    assert planned(order=(3, 1, 1)) == [3, 1, 1]
    assert planned(tags=("", "skip-execution")) == [1, 3]


def test_plan_injects_parameters_after_each_run_of_the_tagged_cell():
    tags = ("", "parameters")
    assert planned(parameters={"a": 1}) == [0, 1, 2, 3]
    assert planned(parameters={"a": 1}, tags=tags) == [1, 2, 0, 3]
    assert planned(parameters={"a": 1}, tags=tags, order=(2, 2, 3)) == [2, 0, 2, 0, 3]
    assert planned(parameters={"a": 1}, tags=tags, order=(3,)) == [0, 3]
    assert planned(parameters={"a": 1}, tags=("", "", "injected-parameters")) == [0, 1, 2]


def install_kernel(folder: Path, monkeypatch, argv: list[str]) -> str:
    """Install a kernelspec `odd` that only this test sees."""
    place = folder / "jupyter" / "kernels" / "odd"
    place.mkdir(parents=True)
    spec = {"argv": argv, "display_name": "odd", "language": "python"}
    (place / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(folder / "jupyter"))
    return "odd"


def wait_for(path: Path) -> None:
    """Wait until a file exists, half a minute at most."""
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.05)
