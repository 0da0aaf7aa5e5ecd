"""Every notebook of the corpus, run plain and observed: what it declares is what is answered."""

from __future__ import annotations

import json
from pathlib import Path

import corpus
import nbformat
import pytest
import verdicts
from verdicts import Touch, Truth, Verdict


@pytest.mark.live
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", corpus.case_names())
def test_answers_are_what_the_notebook_declares(name: str, tmp_path: Path):
    case = corpus.load_case(name)
    lacking = corpus.missing(case)
    if lacking:
        pytest.skip(f"the case needs {', '.join(lacking)}")
    verdict = verdicts.judge_case(case, tmp_path)
    explained = "\n".join(verdict.problems)
    assert verdict.recall == 1.0, explained
    assert verdict.precision >= 0.99, explained
    assert verdict.digests_right == verdict.digests, explained
    assert verdict.packages_right == verdict.packages, explained
    assert verdict.packages_added == 0, explained
    assert verdict.outputs_equal, explained


def test_the_corpus_is_as_large_as_promised():
    assert len(corpus.case_names()) >= 36


def test_prelude_comes_first_and_repeats_are_numbered():
    case = corpus.load_case("two-hundred-cells")
    assert len(case.cells) == 201
    assert "def touched(" in case.cells[0][1]
    assert 'open("200.in")' in case.cells[-1][1]


@pytest.mark.parametrize("name", corpus.case_names())
def test_every_case_is_a_valid_notebook(name: str):
    case = corpus.load_case(name)
    notebook = corpus.to_notebook(case)
    nbformat.validate(notebook)
    wanted = 4 if "cells-without-ids" in case.settings else 5
    assert notebook.nbformat_minor == wanted


def test_a_declaration_speaks_for_its_own_execution_or_another():
    truth = verdicts.collect_truth(
        _notebook(
            [{"mode": "read", "path": "/a"}, {"mode": "read-write", "path": "/b", "execution": 7}]
        )
    )
    assert set(truth.touched) == {
        Touch(1, "read", "/a"), Touch(7, "read", "/b"), Touch(7, "write", "/b"),
    }  # fmt: skip


def test_a_row_of_another_cell_counts_against_recall_and_precision():
    verdict = _judged([{"mode": "read", "path": "/a"}], _row(2, "read", "/a"))
    assert (verdict.touched, verdict.found, verdict.reported, verdict.right) == (1, 0, 1, 0)


def test_an_inferred_row_is_not_taken_for_an_exact_one():
    row = _row(1, "read", "/a", certainty="inferred")
    assert _judged([{"mode": "read", "path": "/a"}], row).found == 0
    assert _judged([{"mode": "read", "path": "/a", "certainty": "inferred"}], row).found == 1


def test_a_row_of_another_role_is_not_found():
    declared = {"mode": "write", "path": "/a"}
    assert _judged([declared], _row(1, "write", "/a", role="system")).found == 0
    assert _judged([declared], _row(1, "write", "/a", role="config")).found == 1
    assert _judged([declared | {"role": "code"}], _row(1, "write", "/a")).found == 0


@pytest.mark.parametrize(("reported", "right"), [("11", 1), ("22", 0), (None, 0)])
def test_a_declared_digest_must_be_the_reported_one(reported: str | None, right: int):
    declared = {"mode": "write", "path": "/a", "sha256": "11"}
    verdict = _judged([declared], _row(1, "write", "/a", sha256=reported))
    assert (verdict.found, verdict.digests, verdict.digests_right) == (1, 1, right)


def test_only_a_file_that_comes_and_goes_may_be_temporary():
    write, remove = {"mode": "write", "path": "/a"}, {"mode": "remove", "path": "/a"}
    rows = _row(1, "write", "/a", role="temporary"), _row(1, "remove", "/a", role="temporary")
    assert _judged([write, remove], *rows).found == 2
    assert _judged([{"mode": "read", "path": "/a"}, write, remove], *rows).found == 0
    assert _judged([write], *rows).found == 0


def test_outputs_are_compared_without_addresses_and_names_of_passing_files():
    text = "<object at 0x7f{0}a> in /tmp/tmp{0}bcdefgh at 127.0.0.1:4{0}00"
    one, two, three = (_output(text.format(n)) for n in (1, 2, 3))
    verdict = Verdict("x")
    verdicts.judge_outputs(verdict, one, two)
    assert verdict.outputs_equal
    three.cells[0].outputs[0].text += "more"
    verdicts.judge_outputs(verdict, two, three)
    assert not verdict.outputs_equal


def _notebook(declared: list[dict[str, object]]) -> nbformat.NotebookNode:
    lines = "".join(f"@touched {json.dumps(value)}\n" for value in declared)
    return _output(lines)


def _output(text: str) -> nbformat.NotebookNode:
    output = nbformat.v4.new_output("stream", name="stdout", text=text)
    cell = nbformat.v4.new_code_cell("", execution_count=1, outputs=[output])
    return nbformat.v4.new_notebook(cells=[cell])


def _row(execution: int, mode: str, path: str, **more: str | None) -> Touch:
    row = {"cell": 1, "execution_count": execution, "mode": mode, "path": path, "role": "data",
           "certainty": "exact", "sha256": None, "named": path, "target": None}  # fmt: skip
    (touch,) = verdicts.reported(row | more)
    return touch


def _judged(declared: list[dict[str, object]], *rows: Touch) -> Verdict:
    verdict = Verdict("x")
    truth: Truth = verdicts.collect_truth(_notebook(declared))
    verdicts.judge_data(verdict, truth, list(rows))
    verdicts.judge_digests(verdict, truth, list(rows))
    return verdict
