"""RECORD: every path survives, no line raises, digests are equal where distributions are."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from nbrepro.packages.distributions import describe_source
from nbrepro.packages.reading import read, read_headers, read_json
from nbrepro.packages.records import record_digest, record_names, record_rows

NAMES = st.text(st.characters(exclude_characters="\r\n\0"), min_size=1).filter(
    lambda n: n.strip() == n
)


@given(st.lists(st.tuples(NAMES, st.just("sha256=abc"))))
def test_what_csv_writes_is_read_back(rows):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows((n, d, 1) for n, d in rows)
    assert record_rows(text.getvalue()) == (rows, 0)
    assert record_names(text.getvalue()) == ([n for n, _ in rows], 0)


@given(st.text())
def test_no_text_raises_and_no_line_is_lost(text):
    lines = [line for line in text.replace("\r", "").split("\n") if line.strip()]
    rows, broken = record_rows(text)
    names, broken_too = record_names(text)
    assert len(rows) + broken >= len(lines)
    assert broken == broken_too
    assert len(names) + broken_too >= len(lines)


def test_digest_ignores_what_differs_between_two_installations_of_one_wheel():
    wheel = [("a/__init__.py", "sha256=A"), ("a-1.dist-info/METADATA", "sha256=M")]
    here = [*wheel, ("../../../bin/a", "sha256=X"), ("a-1.dist-info/REQUESTED", "sha256=R")]
    there = [
        ("a-1.dist-info/RECORD", ""),
        ("a-1.dist-info/INSTALLER", "sha256=I"),
        ("a-1.dist-info/direct_url.json", "sha256=D"),
        ("a/__pycache__/__init__.cpython-311.pyc", ""),
        ("../../../bin/a", "sha256=Y"),
        *reversed(wheel),
    ]
    assert record_digest(here) == record_digest(there) == record_digest(wheel)
    assert record_digest(wheel) != record_digest([("a/__init__.py", "sha256=B"), wheel[1]])


@given(st.text())
def test_headers_of_any_text_are_read(text):
    assert all(key == key.lower() for key in read_headers(text))


def test_headers_end_at_the_description_and_the_first_value_counts():
    text = "Metadata-Version: 2.1\nName: A\nVersion: 1\nName: B\n continued: x\n\nVersion: 9\n"
    assert read_headers(text) == {"metadata-version": "2.1", "name": "A", "version": "1"}


def test_unreadable_files_are_reasons(tmp_path):
    (tmp_path / "torn.json").write_text('{"a": ')
    (tmp_path / "list.json").write_text("[]")
    assert read(str(tmp_path / "gone")).reason == "No such file or directory"
    assert read(str(tmp_path)).reason == "not a regular file"
    assert read("a\0b").data is None
    assert "not JSON" in read_json(str(tmp_path / "torn.json"))[1]
    assert read_json(str(tmp_path / "list.json")) == ({}, "not a JSON object")


def test_sources_are_one_url_without_a_password():
    git = {
        "url": "https://u:secret@example.org/x.git",
        "vcs_info": {"vcs": "git", "commit_id": "c"},
    }
    assert describe_source(git) == "git+https://example.org/x.git@c"
    archive = {"url": "file:///w/x-1.whl", "archive_info": {"hash": "sha256=ab"}}
    assert describe_source(archive) == "file:///w/x-1.whl#sha256=ab"
    assert describe_source({"url": "file:///p", "dir_info": {"editable": True}}) == "file:///p"
    assert describe_source({"url": 3}) == describe_source({}) == ""
