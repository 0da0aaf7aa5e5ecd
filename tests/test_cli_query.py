"""`nbrepro query`: what it lists, completes, explains, bounds and draws; and odd values."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest
from click.testing import CliRunner
from recorded import FIRST, LAST, ODD

from nbrepro.cli.program import program
from nbrepro.errors import MachineError, QueryError
from nbrepro.export.drawing import to_dot
from nbrepro.model import Table
from nbrepro.queries import load_questions


@pytest.fixture
def ask(root, monkeypatch):
    """Run `nbrepro query` inside the project; give its result."""
    monkeypatch.chdir(root)
    return lambda *words: CliRunner().invoke(program, ["query", *map(str, words)])


def test_the_list_tells_types_and_needs_of_parameters(ask):
    listed = {row["name"]: row for row in json.loads(ask("--list", "--json").stdout)}
    assert set(listed) == set(load_questions())
    assert listed["first-divergence"]["parameters"] == [
        {"name": "run", "type": "run", "required": True},
        {"name": "other", "type": "run", "required": True},
    ]
    assert listed["data-of-cell"]["parameters"][1] == {
        "name": "cell", "type": "integer", "required": False,
    }  # fmt: skip
    assert all(row["description"] and row["columns"] for row in listed.values())
    assert ask("--list", "--dot").exit_code == 2


def test_a_question_of_the_projects_own_is_asked_and_in_one_dialect_only(ask, root):
    folder = root / ".nbrepro/queries"
    folder.mkdir(exist_ok=True)
    header = "{0} summary: mine\n{0} parameters: [run]\n{0} columns: [path]\n"
    (folder / "paths.rq").write_text(
        header.format("#+") + "SELECT DISTINCT ?path { ?x nbr:path ?path } ORDER BY ?path LIMIT 2"
    )
    (folder / "nodes.cypher").write_text(
        header.format("//+") + "MATCH (n {run: $run}) RETURN n.path AS path"
    )
    assert len(json.loads(ask("paths", "--json").stdout)) == 2
    refused = ask("nodes")
    assert refused.exit_code == 4
    assert "nodes is written in cypher only and this store is asked in sparql" in refused.stderr
    shutil.rmtree(folder)


def test_explaining_prints_the_text_with_values_that_would_be_asked(ask, root):
    text = ask("cells-that-read", "-p", "file=mid.csv", "--explain").stdout
    assert f'VALUES ?file {{ "{root}/mid.csv" }}' in text
    assert "UNDEF" not in text
    (root / "own.rq").write_text(text)
    assert json.loads(ask("--sparql", "own.rq", "--json").stdout) == json.loads(
        ask("cells-that-read", "-p", "file=mid.csv", "--json").stdout
    )


def test_other_runs_may_be_named_as_people_name_them(ask):
    rows = json.loads(ask("first-divergence", "-p", "other=~1", "--json").stdout)
    assert {row["execution"] for row in rows} == {1}
    assert {row["kind"] for row in rows} == {"input", "output", "status"}


def test_time_is_bounded_for_named_questions_too(ask):
    words = ("data-of-cell", "-p", "cell=2", "--json")
    assert ask(*words, "--timeout", 100).stdout == ask(*words).stdout
    ended = ask("data-of-cell", "--timeout", 0.01)
    assert (ended.exit_code, "longer than 0.01 s and was ended" in ended.stderr) == (4, True)
    wrong = ask("cells-that-read", "--timeout", 100)
    assert (wrong.exit_code, "needs the parameter 'file'" in wrong.stderr) == (2, True)


def test_a_query_in_another_language_than_the_stores_is_refused(ask, root):
    (root / "q.cypher").write_text("MATCH (n) RETURN n")
    refused = ask("--cypher", "q.cypher")
    assert refused.exit_code == 2
    assert "is asked in sparql; use --sparql FILE" in refused.stderr


def test_edges_are_drawn_as_a_graph(ask, root):
    dot = ask("lineage-of-file", "-p", f"file={ODD}", "--dot").stdout
    lines = [line.strip() for line in dot.splitlines()]
    assert lines[0] == 'digraph "lineage-of-file" {'
    assert lines[-1] == "}"
    arrows = [line for line in lines if " -> " in line]
    assert len(arrows) == 5
    assert sum(line.startswith('"activity') for line in arrows) == 2
    assert all(line.isprintable() for line in lines)


@pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz is not installed")
@pytest.mark.parametrize("name", ["lineage-of-file", "impact-of-file"])
def test_graphviz_understands_the_graph(ask, root, name):
    result = ask(name, "-p", "file=mid.csv", "--svg")
    assert result.exit_code == 0, result.stderr
    titles = [e.text for e in ElementTree.fromstring(result.stdout).iter() if "title" in e.tag]
    assert {"activity execution:1", "activity execution:2"} & set(titles)
    assert any(str(root) in str(title) for title in titles)


def test_without_graphviz_svg_is_an_error_and_dot_is_not(ask, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    result = ask("lineage-of-file", "-p", "file=mid.csv", "--svg")
    assert result.exit_code == MachineError("").exit_code
    assert "install graphviz" in result.stderr
    assert ask("lineage-of-file", "-p", "file=mid.csv", "--dot").exit_code == 0


def test_rows_that_are_no_edges_are_not_drawn():
    with pytest.raises(QueryError, match="its rows are no edges to draw"):
        to_dot(Table(("run",), ()), "runs")


def test_each_mode_has_its_direction():
    columns = ("cell", "execution", "mode", "path", "sha256", "task")
    table = Table(
        columns,
        (
            (1, 1, "read", "/a", None, None),
            (1, 2, "write", '/b"\\', "f" * 64, None),
            (None, None, "remove", "/c", None, None),
            (1, 1, "read-write", "/d", None, "t1"),
        ),
    )
    lines = to_dot(table, "x").splitlines()
    assert [line.strip() for line in lines if " -> " in line] == [
        '"file /a " -> "activity execution:1"',
        '"activity execution:2" -> "file /b\\"\\\\ ' + "f" * 64 + '"',
        '"activity kernel" -> "file /c " [style=dashed, label="remove"]',
        '"file /d " -> "activity execution:1 task:t1"',
        '"activity execution:1 task:t1" -> "file /d "',
    ]
    assert '"activity execution:2" [shape=box, style=rounded, label="cell 1 (execution 2)"]' in dot(
        lines
    )
    assert 'label="/b\\"\\\\\\nffffffff"' in dot(lines)


def dot(lines):
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("line", "begun", "found"),
    [
        ("query", "first", ["first-divergence"]),
        ("query cells-that-read -p", "", ["run=", "file="]),
        ("query first-divergence -p", "o", ["other="]),
        ("query first-divergence -p", "other=20261121", [f"other={FIRST}"]),
        ("query tasks-of-cell -p", "cell=", ["cell=1", "cell=cell-1", "cell=2", "cell=cell-2",
                                            "cell=3", "cell=cell-3"]),
        ("query cells-that-read -p", "file=mi", ["file=mid.csv"]),
        ("query runs-that-used -p", "content=", []),
        ("query none -p", "", []),
        ("runs --store", "pro", ["project"]),
        ("store use", "", ["project"]),
    ],
)  # fmt: skip
def test_shells_complete_questions_parameters_and_stores(root, line, begun, found):
    words = ["nbrepro", *line.split(), begun]
    environment = os.environ | {
        "_NBREPRO_COMPLETE": "fish_complete", "COMP_CWORD": begun,
        "COMP_WORDS": " ".join(words),
    }  # fmt: skip
    finished = subprocess.run(
        [sys.executable, "-c", "from nbrepro.cli import main; main()"], cwd=root, env=environment,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    lines = filter(None, finished.stdout.splitlines())
    told = [text.partition(",")[2].partition("\t")[0] for text in lines]
    assert (told, finished.stderr) == (found, "")


ODD_VALUES = ['" } #', "'", "<http://a b>", "{}", "$x", "\u2028é\udcff", "UNDEF }", "-1", " "]


@pytest.mark.parametrize("value", ODD_VALUES, ids=range(len(ODD_VALUES)))
def test_odd_values_give_rows_or_one_sentence_in_every_parameter(ask, value):
    for question in load_questions().values():
        for parameter in question.parameters:
            given = {p.name: "1" for p in question.parameters if p.required}
            given |= {"run": LAST} if "run" in given else {}
            given[parameter.name] = value
            words = [word for key, text in given.items() for word in ("-p", f"{key}={text}")]
            result = ask(question.name, *words, "--json")
            assert result.exit_code in (0, 2, 3), (question.name, parameter.name, result.stderr)
            if result.exit_code:
                assert result.stderr.count("\n") == 1
            else:
                json.loads(result.stdout)
