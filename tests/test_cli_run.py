"""`nbrepro run` and what follows it, with a real kernel: files, codes, words, signals."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

pytestmark = pytest.mark.live("kernel")

MAKE = "open('made.txt', 'w').write('hello')"
READ = "text = open('made.txt').read()"


def write_notebook(path: Path, *sources: str) -> Path:
    node = v4.new_notebook(cells=[v4.new_code_cell(source) for source in sources])
    node.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python",
        "language": "python",
    }
    nbformat.write(node, path)
    return path


def nbrepro(*words, cwd, code=0, **more):
    """Run the real command, and check its exit code."""
    finished = subprocess.run(
        [sys.executable, "-m", "nbrepro", *map(str, words)], cwd=cwd, capture_output=True,
        text=True, timeout=180, **more,
    )  # fmt: skip
    assert finished.returncode == code, finished.stderr + finished.stdout
    assert "Traceback" not in finished.stderr
    return finished


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A project with one run of two cells; give it with what the command printed."""
    root = tmp_path_factory.mktemp("live").resolve()
    write_notebook(root / "two.ipynb", MAKE, READ)
    return root, nbrepro("run", "two.ipynb", cwd=root)


def test_a_run_tells_cells_on_stderr_and_the_next_command_on_stdout(recorded):
    _, finished = recorded
    assert f"cell 1 of 2: {MAKE}\n" in finished.stderr
    lines = finished.stdout.splitlines()
    assert ": ok, 2 cells in " in lines[0]
    assert lines[1].startswith("data: ") and lines[2].startswith("packages: ")
    assert lines[-1].startswith("next: nbrepro data --cell ")


def test_the_next_command_answers(recorded):
    root, finished = recorded
    words = finished.stdout.splitlines()[-1].removeprefix("next: nbrepro ").split()
    assert "made.txt" in nbrepro(*words, cwd=root).stdout


def test_the_notebook_is_not_changed_and_the_evidence_is_kept(recorded):
    root, _ = recorded
    assert "outputs" in (root / "two.ipynb").read_text()
    assert all(not cell.outputs for cell in nbformat.read(root / "two.ipynb", 4).cells)
    (run,) = (root / ".nbrepro/runs").iterdir()
    assert (run / "executed.ipynb").is_file()


def test_data_names_what_each_cell_touched(recorded):
    root, _ = recorded
    rows = json.loads(nbrepro("data", "--json", cwd=root).stdout)
    touched = [(r["cell"], r["mode"], r["path"]) for r in rows if r["path"].endswith("made.txt")]
    assert touched == [(1, "write", f"{root}/made.txt"), (2, "read", f"{root}/made.txt")]


@pytest.mark.parametrize("stage", ["events", "accesses", "owners", "statements"])
def test_every_stage_of_the_walk_can_be_printed(recorded, stage):
    root, _ = recorded
    lines = nbrepro("show", "--as", stage, "--json", cwd=root).stdout.splitlines()
    assert len(lines) > 10
    assert all("type" in json.loads(line) for line in lines)
    assert any("made.txt" in line for line in lines)
    text = nbrepro("show", "--as", stage, cwd=root).stdout
    assert len(text.splitlines()) == len(lines)


def test_a_stage_of_a_run_directory_needs_no_store(recorded, tmp_path):
    root, _ = recorded
    (run,) = (root / ".nbrepro/runs").iterdir()
    assert "made.txt" in nbrepro("show", run, "--as", "accesses", cwd=tmp_path).stdout


def test_ingest_rebuilds_the_same_answers_from_evidence_alone(recorded, tmp_path):
    root, _ = recorded
    (run,) = (root / ".nbrepro/runs").iterdir()
    store = tmp_path / "store"
    summary = nbrepro("ingest", run, "--store", store, "--json", cwd=tmp_path).stdout
    assert json.loads(summary)[0]["run"] == run.name
    again = nbrepro("data", "--json", "--store", store, cwd=tmp_path).stdout
    assert json.loads(again) == json.loads(nbrepro("data", "--json", cwd=root).stdout)
    told = nbrepro("ingest", run, cwd=root).stdout
    assert told.startswith(f"run {run.name}: ")


def test_a_failing_cell_is_code_1_and_what_happened_is_kept(tmp_path):
    notebook = write_notebook(tmp_path / "bad.ipynb", MAKE, "1 / 0", READ)
    finished = nbrepro("run", notebook, "--no-progress", "--json", cwd=tmp_path, code=1)
    summary = json.loads(finished.stdout)
    assert (summary["status"], summary["exit_code"], summary["cells"]) == ("failed", 1, 2)
    assert "ZeroDivisionError" in summary["error"]
    assert finished.stderr == ""
    (row,) = json.loads(nbrepro("runs", "--json", cwd=tmp_path).stdout)
    assert row["status"] == "failed"
    assert "made.txt" in nbrepro("data", cwd=tmp_path).stdout


def test_allowed_errors_are_code_0_and_the_rest_runs(tmp_path):
    notebook = write_notebook(tmp_path / "bad.ipynb", "1 / 0", MAKE)
    nbrepro("run", notebook, "--allow-errors", cwd=tmp_path)
    cells = json.loads(nbrepro("show", "--json", cwd=tmp_path).stdout)["cells"]
    assert [cell["status"] for cell in cells] == ["failed", "ok"]


def test_parameters_order_and_outputs(tmp_path):
    notebook = write_notebook(tmp_path / "p.ipynb", "name = 'a'", "open(name, 'w').close()", "1")
    before = notebook.read_bytes()
    nbrepro(
        "run", notebook, "-p", "name=b", "--order", "2,2", "--output", "out.ipynb", cwd=tmp_path
    )
    assert notebook.read_bytes() == before
    assert (tmp_path / "b").exists()
    assert "injected-parameters" in (tmp_path / "out.ipynb").read_text()
    cells = json.loads(nbrepro("show", "--json", cwd=tmp_path).stdout)["cells"]
    assert [cell["cell"] for cell in cells] == [0, 2, 2]


def test_in_place_writes_the_outputs_and_keeps_the_mode(tmp_path):
    notebook = write_notebook(tmp_path / "i.ipynb", "40 + 2")
    notebook.chmod(0o640)
    nbrepro("run", notebook, "--in-place", cwd=tmp_path)
    assert "42" in str(nbformat.read(notebook, 4).cells[0].outputs)
    assert notebook.stat().st_mode & 0o777 == 0o640
    assert not list(tmp_path.glob("*.part"))


def test_in_place_keeps_the_notebook_when_a_cell_fails(tmp_path):
    notebook = write_notebook(tmp_path / "i.ipynb", "1 / 0")
    before = notebook.read_bytes()
    nbrepro("run", notebook, "--in-place", cwd=tmp_path, code=1)
    assert notebook.read_bytes() == before


def test_a_store_elsewhere_is_named_in_the_next_command(tmp_path):
    notebook = write_notebook(tmp_path / "s.ipynb", MAKE)
    finished = nbrepro("run", notebook, "--store", tmp_path / "kept", cwd=tmp_path)
    assert finished.stdout.splitlines()[-1].endswith(f"--store {tmp_path}/kept")
    assert "made.txt" in nbrepro("data", "--store", tmp_path / "kept", cwd=tmp_path).stdout


def test_a_run_from_above_the_notebook_is_found_from_there(tmp_path):
    (tmp_path / "books").mkdir()
    write_notebook(tmp_path / "books/b.ipynb", MAKE)
    nbrepro("run", "books/b.ipynb", cwd=tmp_path)
    assert (tmp_path / "books/.nbrepro").is_dir()
    assert "made.txt" in nbrepro("data", cwd=tmp_path).stdout


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_an_interrupted_run_keeps_what_happened(tmp_path, number, code):
    write_notebook(tmp_path / "long.ipynb", MAKE, "import time; time.sleep(100)")
    child = subprocess.Popen(
        [sys.executable, "-m", "nbrepro", "run", "long.ipynb"], cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    for line in child.stderr:
        if line.startswith("cell 2"):
            break
    time.sleep(0.5)
    child.send_signal(number)
    stdout, stderr = child.communicate(timeout=90)
    assert child.returncode == code, stderr
    assert "interrupted" in stdout and "Traceback" not in stderr
    (row,) = json.loads(nbrepro("runs", "--json", cwd=tmp_path).stdout)
    assert row["status"] == "interrupted"
    assert "made.txt" in nbrepro("data", "--cell", "1", cwd=tmp_path).stdout


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["torn.ipynb"], 4, "torn.ipynb"),
        (["ok.ipynb", "--kernel", "nope"], 3, "nope"),
        (["ok.ipynb", "-p", "3x=1"], 2, "-p 3x=1: is not NAME=VALUE"),
        (["ok.ipynb", "--order", "1,x"], 2, "--order 1,x: write numbers of code cells"),
        (["ok.ipynb", "--order", "9"], 2, "9"),
        (["ok.ipynb", "--cwd", "nowhere"], 2, "nowhere: is not a directory"),
        (["ok.ipynb", "--output", "no/where.ipynb"], 2, "--output no/where.ipynb: cannot be"),
        (["absent.ipynb"], 3, "absent.ipynb: no such notebook; . has ok.ipynb, torn.ipynb"),
    ],
)
def test_what_cannot_run_is_one_sentence_and_a_code(tmp_path, words, code, sentence):
    write_notebook(tmp_path / "ok.ipynb", "1")
    (tmp_path / "torn.ipynb").write_text('{"cells": [')
    finished = nbrepro("run", *words, "--no-progress", cwd=tmp_path, code=code)
    assert sentence in finished.stderr.splitlines()[-1]


def test_a_terminal_gets_a_bar(tmp_path):
    write_notebook(tmp_path / "t.ipynb", "import time; time.sleep(0.3)", MAKE)
    leader, follower = os.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "nbrepro", "run", "t.ipynb"], cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=follower, text=True, env=os.environ | {"TERM": "xterm"},
    )  # fmt: skip
    os.close(follower)
    shown = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    stdout, _ = child.communicate(timeout=90)
    os.close(leader)
    assert child.returncode == 0
    assert b"cell 1: import time" in shown and b"/2" in shown
    assert "next: nbrepro data" in stdout


def test_an_evidence_that_cannot_be_stored_says_how_to_do_it_again(tmp_path):
    notebook = write_notebook(tmp_path / "s.ipynb", MAKE)
    (tmp_path / "file").write_text("not a directory")
    finished = nbrepro("run", notebook, "--store", tmp_path / "file/x", cwd=tmp_path, code=5)
    assert "the evidence is kept; do it again with: nbrepro ingest" in finished.stderr
    (run,) = (tmp_path / ".nbrepro/runs").iterdir()
    nbrepro("ingest", run, cwd=tmp_path)
    assert "made.txt" in nbrepro("data", cwd=tmp_path).stdout


def test_the_audit_tracer_is_told_with_what_it_cannot_see(tmp_path):
    notebook = write_notebook(tmp_path / "a.ipynb", MAKE, READ)
    finished = nbrepro("run", notebook, "--tracer", "audit", cwd=tmp_path)
    assert "tracer audit" in finished.stdout
    assert "not seen: " in finished.stdout
    shown = nbrepro("data", cwd=tmp_path).stdout
    assert "made.txt" in shown and "tracer audit: " in shown


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_run_directories_of_another_project_are_ingested_there(tmp_path, recorded):
    root, _ = recorded
    (run,) = (root / ".nbrepro/runs").iterdir()
    (tmp_path / ".nbrepro/runs").mkdir(parents=True)
    shutil.copytree(run, tmp_path / ".nbrepro/runs" / run.name)
    nbrepro("ingest", tmp_path / ".nbrepro/runs" / run.name, cwd=root)
    assert run.name in nbrepro("runs", cwd=tmp_path).stdout
