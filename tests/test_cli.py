"""The asking commands over a real store: tables, JSON, CSV, notes, and sentences for failures."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from recorded import FIRST, LAST, ODD, make_project

from nbrepro.cli.program import end_well, program
from nbrepro.errors import ExitCode

COMMANDS = list(program.list_commands(None))
ASKING = ["runs", "show", "data", "packages", "why mid.csv", "lineage mid.csv", "impact mid.csv"]


@pytest.fixture
def ask(root, monkeypatch):
    """Run the command line inside the project; give its result."""
    monkeypatch.chdir(root)
    return lambda *words: CliRunner().invoke(program, [str(word) for word in words])


def answer(result):
    """What a command printed as JSON."""
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def process(*words, cwd, **more):
    """Run the real command; bytes in and out."""
    command = [sys.executable, "-m", "nbrepro", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, timeout=120, **more)


def test_json_of_runs_has_its_keys(ask):
    rows = answer(ask("runs", "--json"))
    assert [row["run"] for row in rows] == [LAST, FIRST]
    keys = ["run", "notebook", "status", "started", "seconds", "host", "tracer"]
    assert list(rows[0])[:7] == keys
    assert (rows[1]["status"], rows[1]["error"]) == ("failed", "cell 1 failed: ValueError: no")


def test_json_of_data_has_its_keys(ask):
    rows = answer(ask("data", "--json"))
    assert set(rows[0]) >= {
        "run", "cell", "cell_id", "execution_count", "mode", "path", "named", "role", "rule",
        "sha256", "size", "host", "process", "task", "worker", "evidence", "certainty",
        "execution", "undigested", "target", "accesses", "at",
    }  # fmt: skip
    assert {row["run"] for row in rows} == {LAST}


def test_json_of_packages_has_its_keys(ask):
    (row,) = answer(ask("packages", "--json"))
    assert {key: row[key] for key in ("name", "version", "manager", "purl", "files")} == {
        "name": "numpy", "version": "1.26.4", "manager": "pip", "purl": "pkg:pypi/numpy@1.26.4",
        "files": 2,
    }  # fmt: skip


def test_json_of_show_holds_the_cells(ask):
    shown = answer(ask("show", "--json"))
    assert (shown["run"], shown["tracer"], len(shown["cells"])) == (LAST, "strace", 4)
    assert shown["cells"][1]["source"] == "\nimport numpy"


def test_json_keeps_odd_paths_and_is_ascii(ask, root):
    result = ask("data", "--json", "--cell", 3, "--mode", "write")
    assert result.stdout.isascii()
    assert [row["path"] for row in answer(result)] == [str(root / ODD)]


def test_csv_keeps_the_bytes_of_odd_paths(root):
    finished = process("data", "--csv", "--cell", "3", "--mode", "write", cwd=root)
    text = finished.stdout.decode("utf-8", "surrogateescape")
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert os.fsencode(row["path"]) == os.fsencode(root / ODD)
    assert row["undigested"] == ""


def test_tables_escape_odd_paths(ask):
    result = ask("data", "--cell", 3)
    assert 'odd \\n\\xff\\x1b[31m,".csv' in result.stdout
    assert "\x1b" not in result.stdout


@pytest.mark.parametrize("words", ASKING)
def test_every_asking_command_gives_table_json_and_csv(ask, words):
    table = ask(*words.split())
    assert table.exit_code == 0, table.stderr
    assert table.stdout.strip()
    assert json.loads(ask(*words.split(), "--json").stdout)
    rows = list(csv.reader(io.StringIO(ask(*words.split(), "--csv").stdout, newline="")))
    assert len(rows) >= 2
    assert {len(row) for row in rows} == {len(rows[0])}


def test_a_table_is_relative_aligned_and_says_what_is_hidden(ask):
    lines = ask("data", "--cell", 2, "--execution", 2).stdout.splitlines()
    assert lines[0].split() == [
        "cell", "count", "mode", "path", "role", "size", "content", "evidence",
    ]  # fmt: skip
    assert lines[1].split()[:4] == ["2", "[2]", "read", "mid.csv"]
    assert lines[1].endswith("handle (inferred)")
    assert "undigested: not looked at" in lines[2]
    assert lines[3:] == [
        "2 paths of other roles (code 1, network 1): --role all",
        "1 row inferred, not proven: see evidence",
    ]
    assert all(line == line.rstrip() for line in lines)


def test_an_empty_answer_is_a_sentence(ask):
    assert ask("packages", "--cell", 1).stdout == f"cell 1 of run {LAST} used no package\n"
    assert ask("data", "--mode", "rename").stdout.startswith(f"run {LAST} touched no such file\n")
    assert answer(ask("packages", "--cell", 1, "--json")) == []
    assert len(ask("packages", "--cell", 1, "--csv").stdout.splitlines()) == 1


def test_endpoints_are_written_as_addresses(ask):
    assert "10.0.0.1:443" in ask("data", "--role", "network").stdout


def test_show_tells_the_run_and_its_cells(ask):
    shown = ask("show", "~1").stdout.splitlines()
    assert shown[0].startswith(FIRST)
    assert shown[1].startswith("failed, started 2026-11-22 20:45:02Z, took 1 min 00 s, on h1")
    assert shown[2] == "error: cell 1 failed: ValueError: no"
    assert shown[-1].split()[:3] == ["1", "1", "failed:"]
    assert "import numpy" in ask("show").stdout


def test_why_tells_rule_owner_and_accesses(ask):
    text = ask("why", "mid.csv").stdout
    assert text.startswith("mid.csv\nrole data, by the rule project-data\n")
    assert "named by the program: n.csv\nprocesses: 10 /usr/bin/python3\n" in text
    owned = ask("why", "/lib/np/a.py").stdout
    assert "owned by numpy 1.26.4 (pip, pkg:pypi/numpy@1.26.4)" in owned
    assert "opened as software by cell 2" in owned
    record = answer(ask("why", "/lib/np/a.py", "--json"))
    assert (record["role"], record["package"]["name"]) == ("package", "numpy")
    assert answer(ask("why", "mid.csv", "--json"))["package"] is None


def test_lineage_is_a_tree_of_cells_and_files(ask):
    lines = ask("lineage", "mid.csv").stdout.splitlines()
    assert lines[0].startswith("mid.csv  ") and lines[0].endswith("removed by cell 2")
    assert lines[1] == "└── made by cell 1"
    assert lines[2].startswith("    ├── conf.toml") and lines[2].endswith("(config)")
    assert "an input" in ask("lineage", "data/in.csv").stdout


def test_impact_is_a_tree_of_cells_and_files(ask):
    lines = ask("impact", "conf.toml").stdout.splitlines()
    assert [line.strip("│├└─ ") for line in lines if "used by" in line] == [
        "used by cell 1", "used by cell 2", "used by cell 3", "used by cell 2",
    ]  # fmt: skip
    assert "nothing in run" not in "".join(lines)


def test_named_questions_are_listed_and_asked(ask):
    listed = answer(ask("query", "--list", "--json"))
    assert {"name", "description", "parameters", "columns"} <= set(listed[0])
    assert "cells-that-read" in {row["name"] for row in listed}
    assert "cells-that-read" in ask("query", "--list").stdout
    assert "cells-that-read" in ask("query", "--list", "--csv").stdout
    rows = answer(ask("query", "cells-that-read", "-p", "file=mid.csv", "--json"))
    assert [row["cell"] for row in rows] == [2, 3]
    limited = ask("query", "cells-that-read", "-p", "file=mid.csv", "--limit", 1)
    assert limited.stdout.splitlines()[-1] == "more rows exist: raise --limit"


def test_a_question_is_explained_without_asking_it(ask):
    text = ask("query", "data-of-cell", "-p", "cell=cell-2", "--explain").stdout
    assert text.startswith(f"# cell = 2\n# run = {LAST}\n#+ summary: ")
    assert "SELECT ?run" in text


def test_sparql_comes_from_a_file_or_a_pipe(ask, root):
    (root / "q.rq").write_text("SELECT ?s ?p { ?s ?p ?o }")
    rows = answer(ask("query", "--sparql", "q.rq", "--limit", 2, "--json"))
    assert len(rows) == 2 and set(rows[0]) == {"s", "p"}
    piped = process("query", "--sparql", "-", "--csv", cwd=root, input=b"SELECT (1 AS ?one) {}")
    assert piped.stdout == b"one\n1\n"
    assert ask("query", "--sparql", "q.rq", "--explain").stdout.startswith("SELECT ?s ?p")


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ("data nope", 3, "nbrepro: run 'nope' does not exist; there are "),
        ("data 2026112", 2, "nbrepro: run '2026112' may mean "),
        ("data --cell 9", 3, "nbrepro: cell '9' did not run; cells that did: 1-3"),
        ("data --cell nope", 3, "nbrepro: cell 'nope' did not run; cells that did: 1-3"),
        ("data --execution 9", 3, "nbrepro: execution 9 does not exist; there are 1-4"),
        ("packages --cell 0", 3, "nbrepro: cell '0' did not run"),
        ("why nothing.csv", 3, "nbrepro: 'nothing.csv': the run did not touch it"),
        ("lineage nothing.csv", 3, "nbrepro: 'nothing.csv': the run did not touch it"),
        ("impact nothing.csv ~1", 3, "nbrepro: 'nothing.csv': the run did not touch it"),
        ("runs --store nowhere", 3, "nbrepro: nowhere: no store here; run: nbrepro run NOTEBOOK"),
        ("runs --store gopher://x", 5, "nbrepro: gopher://...: no store of this kind is known"),
        ("query", 2, "nbrepro: give one of: the NAME of a question, --list, --sparql FILE"),
        ("query runs --list", 2, "nbrepro: give one of"),
        ("query rums", 3, "nbrepro: no question is called 'rums'; perhaps runs"),
        ("query cells-that-read", 2, "nbrepro: cells-that-read needs the parameter 'file'"),
        ("query runs -p x", 2, "nbrepro: -p x: is not KEY=VALUE"),
        ("query runs -p x=1", 2, "nbrepro: runs does not know the parameter 'x'"),
        ("query --sparql none.rq", 3, "nbrepro: none.rq: cannot be read (No such file"),
        ("query --sparql /dev/null", 2, "nbrepro: /dev/null: no query in it"),
        ("show --as events", 3, f"nbrepro: the evidence of run {LAST} is not in "),
        ("show --as events --csv", 2, "nbrepro: --as prints values of several shapes"),
        ("ingest nowhere", 3, "nbrepro: nowhere: no such run directory"),
        ("run nowhere.ipynb", 3, "nbrepro: nowhere.ipynb: no such notebook"),
        ("run .", 2, "nbrepro: .: is a directory; give a notebook"),
        ("dta", 2, "did you mean 'data'?"),
        ("data --mode fun", 2, "Invalid value for '--mode'"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_an_exit_code(ask, words, code, sentence):
    result = ask(*words.split())
    assert (result.exit_code, result.stdout) == (code, "")
    last = result.stderr.splitlines()[-1]
    assert sentence in last
    assert "Traceback" not in result.stderr


def test_sparql_that_writes_or_is_wrong_is_refused(ask, root):
    for name, text, sentence in [
        ("bad.rq", "SELECT WHERE", "not SPARQL"),
        ("delete.rq", "DELETE WHERE { ?s ?p ?o }", "would write"),
    ]:
        (root / name).write_text(text)
        result = ask("query", "--sparql", name)
        assert result.exit_code == ExitCode.BAD_INPUT
        assert sentence in result.stderr


def test_no_project_says_what_to_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(program, ["data"])
    assert result.exit_code == ExitCode.NOT_FOUND
    assert "nothing is recorded; run: nbrepro run NOTEBOOK" in result.stderr


def test_a_store_that_cannot_be_read_is_one_sentence(tmp_path, monkeypatch):
    make_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path / ".nbrepro/store/oxigraph").iterdir():
        path.write_bytes(b"broken")
    result = CliRunner().invoke(program, ["data"])
    assert result.exit_code == ExitCode.STORE
    assert len(result.stderr.splitlines()) == 1


def test_defects_are_one_sentence_with_the_way_to_the_traceback(capsys, monkeypatch):
    def fail():
        raise ValueError("of\nthe \x1b kind")

    monkeypatch.delenv("NBREPRO_DEBUG", raising=False)
    assert end_well(fail) == ExitCode.INTERNAL
    assert capsys.readouterr().err == (
        "nbrepro: failed unexpectedly (ValueError: of\\nthe \\x1b kind); "
        "NBREPRO_DEBUG=1 shows where\n"
    )
    monkeypatch.setenv("NBREPRO_DEBUG", "1")
    with pytest.raises(ValueError, match="of"):
        end_well(fail)


def test_an_interrupt_is_told_and_counted(capsys):
    def stop():
        raise KeyboardInterrupt

    assert end_well(stop) == ExitCode.INTERRUPTED
    assert capsys.readouterr().err == "nbrepro: interrupted\n"


def test_a_closed_pipe_is_no_failure(root):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "nbrepro", "data", "--json"]
    finished = subprocess.run(command, cwd=root, stdout=writer, stderr=subprocess.PIPE, timeout=120)
    os.close(writer)
    assert (finished.returncode, finished.stderr) == (0, b"")


def test_a_terminal_without_unicode_gets_escapes(root):
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    finished = process("lineage", "mid.csv", cwd=root, env=environment)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.isascii()


def test_no_color_is_respected_on_a_terminal(root):
    plain = on_terminal(["data"], root, {"NO_COLOR": "1"})
    colored = on_terminal(["data"], root, {})
    assert b"mid.csv" in plain
    assert b"\x1b[3" not in plain
    assert b"\x1b[3" in colored


def on_terminal(words, cwd, environment):
    """Run the command with a terminal as its standard output; give what it wrote."""
    leader, follower = os.openpty()
    clean = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    clean |= {"TERM": "xterm-256color", "COLUMNS": "120"}
    child = subprocess.Popen(
        [sys.executable, "-m", "nbrepro", *words], cwd=cwd, stdin=follower, stdout=follower,
        stderr=follower, env=clean | environment,
    )  # fmt: skip
    os.close(follower)
    written = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:
            break
        if not piece:
            break
        written += piece
    assert child.wait(60) == 0
    os.close(leader)
    return written


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name):
    result = CliRunner().invoke(program, [name, "--help"])
    assert result.exit_code == 0
    command = program.get_command(None, name)
    assert command.name == name
    assert command.help and command.help.strip().splitlines()[0].endswith((".", ":"))
    for parameter in command.params:
        if parameter.param_type_name == "option" and not parameter.hidden:
            assert parameter.help and parameter.opts[0] in result.stdout


def test_the_overview_lists_every_command_uncut():
    result = CliRunner().invoke(program, ["--help"])
    commands = result.stdout.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in commands] == COMMANDS
    assert not [line for line in commands if line.endswith("...")]


def test_the_version_is_that_of_the_package():
    from importlib.metadata import version

    result = CliRunner().invoke(program, ["--version"])
    assert result.stdout == f"nbrepro {version('nbrepro')}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_the_command(shell):
    result = CliRunner().invoke(program, ["completion", shell])
    assert result.exit_code == 0
    assert "_NBREPRO_COMPLETE" in result.stdout


@pytest.mark.parametrize(
    ("line", "begun", "found"),
    [
        ("data", "20261121", [FIRST]),
        ("data --cell", "", ["1", "cell-1", "2", "cell-2", "3", "cell-3"]),
        ("why", "mi", ["mid.csv"]),
        ("query", "packages", ["packages-of-cell"]),
        ("data --store nowhere", "", []),
    ],
)
def test_shells_complete_runs_cells_files_and_questions(root, line, begun, found):
    words = ["nbrepro", *line.split(), begun]
    environment = os.environ | {
        "_NBREPRO_COMPLETE": "bash_complete", "COMP_CWORD": str(len(words) - 1),
        "COMP_WORDS": " ".join(words),
    }  # fmt: skip
    code = "from nbrepro.cli import main; main()"
    finished = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert finished.stdout.split() == [f"plain,{word}" for word in found]
    assert finished.stderr == ""


def test_asking_loads_nothing_that_only_running_needs(root):
    code = (
        "import sys; sys.argv[1:] = ['data', '--json']\n"
        "from nbrepro.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = 'jsonschema nbformat nbclient jupyter_client rich pandas nbrepro.capture'\n"
        "print([name for name in heavy.split() if name in sys.modules], file=sys.stderr)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60
    )
    assert finished.stderr == "[]\n"


def test_relative_paths_are_those_of_where_one_stands(root, monkeypatch):
    monkeypatch.chdir(root / "sub" if (root / "sub").exists() else _made(root / "sub"))
    result = CliRunner().invoke(program, ["lineage", "../mid.csv", "--json"])
    assert answer(result)["path"] == f"{root}/mid.csv"


def _made(path: Path) -> Path:
    path.mkdir()
    return path
