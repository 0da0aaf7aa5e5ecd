"""JSON, CSV and text for people, with names that try to break them."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nbrepro.formats import (
    shorten,
    to_duration,
    to_first_line,
    to_json_lines,
    to_json_nested,
    to_moment,
    to_size,
    visible,
    write_csv,
)

# A loaded machine is slow; that says nothing about the code.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

NAMES = st.binary(max_size=30).map(
    lambda b: b.replace(b"\0", b"").decode("utf-8", "surrogateescape")
)
VALUES = NAMES | st.none() | st.integers() | st.booleans()
NESTED = st.recursive(
    VALUES, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=20
)


@patient
@given(st.lists(st.dictionaries(NAMES, VALUES, min_size=1), max_size=5))
def test_json_lines_are_one_ascii_array_that_reads_back(records):
    text = "".join(to_json_lines(records))
    assert text.isascii()
    assert json.loads(text) == records


def test_json_has_one_object_a_line():
    assert "".join(to_json_lines([{"a": 1}, {"a": 2}])) == '[\n {"a": 1},\n {"a": 2}\n]\n'
    assert "".join(to_json_lines([])) == "[]\n"


@patient
@given(NESTED)
def test_nested_json_reads_back(value):
    text = "".join(to_json_nested(value))
    assert text.isascii()
    assert json.loads(text) == value


@patient
@given(st.lists(st.lists(NAMES, min_size=2, max_size=2), max_size=5))
def test_csv_reads_back_with_every_byte(rows):
    out = io.BytesIO()
    write_csv(["one", "two"], rows, out)
    text = out.getvalue().decode("utf-8", "surrogateescape")
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["one", "two"], *rows]


def test_csv_ends_lines_with_newlines_and_leaves_none_empty():
    out = io.BytesIO()
    write_csv(["a", "b"], [[None, "x\ry"], [1, "\n"]], out)
    assert out.getvalue() == b'a,b\n,"x\ry"\n1,"\n"\n'


@patient
@given(st.text())
def test_visible_text_stays_on_its_line_and_moves_no_cursor(text):
    assert visible(text).isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain.csv", "plain.csv"),
        ("Zürich 東京.csv", "Zürich 東京.csv"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\udcff.csv", "\\xff.csv"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("\U000e0041", "\\U000e0041"),
        (None, ""),
        (7, "7"),
    ],
)
def test_odd_characters_are_escaped_and_others_kept(text, shown):
    assert visible(text) == shown


def test_paths_are_shortened_only_below_the_root():
    assert shorten("/p/data/x", "/p") == "data/x"
    assert shorten("/pp/data/x", "/p") == "/pp/data/x"
    assert shorten("/p/\udcff", "/p") == "\\xff"
    assert shorten("/q/x", None) == "/q/x"


@pytest.mark.parametrize(
    ("size", "shown"),
    [(None, ""), (0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 30, "5.0 GiB"),
     (3 << 40, "3.0 TiB")],
)  # fmt: skip
def test_sizes_are_powers_of_1024(size, shown):
    assert to_size(size) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, ""), (0.0121, "12 ms"), (3.44, "3.4 s"), (125, "2 min 05 s"), (3725, "1 h 02 min")],
)
def test_durations_have_the_unit_people_use(seconds, shown):
    assert to_duration(seconds) == shown


def test_moments_are_to_the_second():
    assert to_moment("2026-11-22T20:45:01.123456789Z") == "2026-11-22 20:45:01Z"
    assert to_moment(None) == ""


def test_the_first_line_of_code_is_cut_and_visible():
    assert to_first_line("\n\n  x = '\x1b'\ny") == "  x = '\\x1b'"
    assert to_first_line("a" * 99, 10) == "a" * 9 + "…"
    assert to_first_line(None) == ""
