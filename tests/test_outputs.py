"""Outputs of two executions: what varies without meaning is equal, what means something is not."""

from __future__ import annotations

import base64
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_output
from PIL import Image, PngImagePlugin

from nbrepro.outputs import EXACT, Tolerance, compare_outputs, digest_outputs, normalise


def stdout(*texts):
    return [new_output("stream", name="stdout", text=text) for text in texts]


def shown(mime, data):
    return [new_output("display_data", data={mime: data})]


def png(colour=(10, 20, 30), size=(3, 2), note=""):
    buffer, info = io.BytesIO(), PngImagePlugin.PngInfo()
    info.add_text("Software", note)
    Image.new("RGB", size, colour).save(buffer, "png", pnginfo=info)
    return base64.b64encode(buffer.getvalue()).decode()


SAME = {
    "a stream in other pieces": (stdout("one\ntwo\n"), stdout("one\n", "two\n")),
    "addresses": (stdout("<object at 0x7f3a5c1e2b10>"), stdout("<object at 0x5581deadbeef>")),
    "temporary files": (stdout("/tmp/tmpab12cd_x/f"), stdout("/tmp/tmpzz99yy_q/f")),
    "addresses of workers": (
        stdout("<Client: 'tcp://127.0.0.1:44821' at http://127.0.0.1:1234/status>"),
        stdout("<Client: 'tcp://127.0.0.1:46855' at http://127.0.0.1:4321/status>"),
    ),
    "directories of workers": (
        stdout("/tmp/dask-scratch-space/worker-7923j954"),
        stdout("/tmp/dask-scratch-space/worker-2gwmc95t"),
    ),
    "timings": (stdout("Wall time: 3.2 ms\n"), stdout("Wall time: 11 s\n")),
    "a progress bar": (stdout("\r 10%\r100%\n"), stdout("\r 1%\r 2%\r100%\n")),
    "colours": (stdout("\x1b[31mred\x1b[0m"), stdout("red")),
    "last bits of a number": (stdout("x = 0.30000000000000004"), stdout("x = 0.3")),
    "text chunks of a PNG": (
        shown("image/png", png(note="a")), shown("image/png", png(note="b") + "\n"),
    ),
    "order of keys": (
        shown("application/json", {"a": 1, "b": 2}), shown("application/json", {"b": 2, "a": 1}),
    ),
    "the date of an SVG": (
        shown("image/svg+xml", "<svg><dc:date>2026-01-01</dc:date><use id='m0123456789'/></svg>"),
        shown("image/svg+xml", "<svg><dc:date>2027-02-03</dc:date><use id='mabcdef0123'/></svg>"),
    ),
    "execution counts": (
        [new_output("execute_result", data={"text/plain": "1"}, execution_count=1)],
        [new_output("execute_result", data={"text/plain": "1"}, execution_count=7)],
    ),
    "the traceback of one error": (
        [new_output("error", ename="E", evalue="m", traceback=["/home/a/x.py"])],
        [new_output("error", ename="E", evalue="m", traceback=["/home/b/x.py"])],
    ),
}  # fmt: skip

OTHER = {
    "text": (stdout("one"), stdout("two"), "stdout", "other text"),
    "a number": (stdout("n = 1.5"), stdout("n = 1.6"), "stdout", "another number"),
    "an integer": (stdout("n = 1000000000001"), stdout("n = 1000000000002"), "stdout", "another"),
    "a port of a server": (
        stdout("http://a.example:8080"), stdout("http://a.example:9090"), "stdout", "another",
    ),
    "a version": (stdout("1.2.3"), stdout("1.2.4"), "stdout", "other text"),
    "one less": (stdout("a") + shown("text/plain", "x"), stdout("a"), "outputs", "one output less"),
    "one more": ([], shown("text/plain", "x"), "outputs", "one more output"),
    "a form": (shown("text/plain", "x"), shown("text/html", "x"), "outputs", "another form"),
    "a stream": (stdout("a"), [new_output("stream", name="stderr", text="a")], "std", "other"),
    "pixels": (
        shown("image/png", png()), shown("image/png", png((10, 20, 33))), "image/png", "by up to 3",
    ),
    "a size": (
        shown("image/png", png()), shown("image/png", png(size=(2, 2))), "image/png", "size",
    ),
    "bytes that are no image": (
        shown("image/png", "AAAA"), shown("image/png", "AAAB"), "image/png", "other bytes",
    ),
    "an error": (
        [new_output("error", ename="E", evalue="a")],
        [new_output("error", ename="E", evalue="b")], "error", "other text",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SAME)
def test_what_varies_without_meaning_is_equal(case):
    one, other = SAME[case]
    assert compare_outputs(one, other) == []
    if case != "last bits of a number":
        assert digest_outputs(one) == digest_outputs(other)


@pytest.mark.parametrize("case", OTHER)
def test_what_means_something_differs(case):
    one, other, part, reason = OTHER[case]
    found = compare_outputs(one, other)
    assert found
    assert part in found[0].part
    assert reason in found[0].reason
    assert digest_outputs(one) != digest_outputs(other)


def test_a_tolerance_of_zero_wants_the_same_digits():
    one, other = SAME["last bits of a number"]
    assert [d.reason for d in compare_outputs(one, other, EXACT)] == ["another number"]


def test_pixels_have_a_tolerance_of_their_own():
    one, other = shown("image/png", png()), shown("image/png", png((10, 20, 33)))
    assert compare_outputs(one, other, Tolerance(pixel=3)) == []
    assert len(compare_outputs(one, other, Tolerance(pixel=2))) == 1


def test_a_long_text_is_cut_around_its_first_difference():
    (found,) = compare_outputs(stdout("x" * 5000 + "a"), stdout("x" * 5000 + "b"))
    assert found.recorded.endswith("a")
    assert found.again.endswith("b")
    assert len(found.recorded) < 200


OUTPUTS = st.lists(
    st.one_of(
        st.builds(
            lambda name, text: new_output("stream", name=name, text=text),
            st.sampled_from(["stdout", "stderr"]), st.text(),
        ),
        st.builds(
            lambda mime, text: new_output("display_data", data={mime: text}),
            st.sampled_from(["text/plain", "text/html", "image/png", "image/svg+xml"]), st.text(),
        ),
    ),
    max_size=4,
)  # fmt: skip


@given(OUTPUTS)
def test_outputs_equal_themselves(outputs):
    assert compare_outputs(outputs, outputs, EXACT) == []
    assert digest_outputs(outputs) == digest_outputs([dict(output) for output in outputs])


@given(OUTPUTS, OUTPUTS)
def test_equal_digests_mean_that_nothing_differs(one, other):
    assert digest_outputs(one) != digest_outputs(other) or compare_outputs(one, other) == []


@given(st.text())
def test_normalising_twice_changes_nothing_more(text):
    assert normalise(normalise(text)) == normalise(text)
