"""The page of a run: it needs nothing else, shows all of it, and no text becomes markup."""

from __future__ import annotations

import html.parser
import re
import subprocess

import pytest

from nbrepro.export.layered import Box, draw
from nbrepro.model import Node
from tests.graphs import demo, plausible_run
from tests.test_conformance import described
from tests.test_export_formats import written

EVIL = "</pre><script>alert(1)</script>\"'&{{ 7*7 }}"


class Reader(html.parser.HTMLParser):
    """Collects elements, attributes and text; and says where a tag is closed that was not open."""

    VOID = frozenset({"meta", "br", "img", "link"})

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text, self.open = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def page(statements) -> Reader:
    reader = Reader(written("html", statements).decode())
    assert reader.open == []
    return reader


def evil():
    maker = demo()
    maker.start(notebook=f"/p/{EVIL}.ipynb", error=EVIL)
    cell = maker.cell(7, source=f"x = 1\n{EVIL}\n\x1b[31m")
    maker.reads(cell, maker.file(f"/p/{EVIL}", EVIL), 70.0, named=EVIL)
    maker.footprint(cell, [maker.software("/l", maker.package(EVIL, EVIL))])
    return maker.statements


@pytest.mark.parametrize("graph", [lambda: demo().statements, described, evil],
                         ids=["demo", "tasks", "evil"])  # fmt: skip
def test_a_page_needs_nothing_but_itself(graph):
    reader = page(graph())
    assert not {"script", "link", "iframe", "object", "img"} & set(reader.tags)
    for tag, name, value in reader.attributes:
        assert not name.startswith("on")
        if name in ("href", "src", "action"):
            assert value.startswith("#"), (tag, name, value)
        assert name != "style"
    content = written("html", graph()).decode()
    assert "url(" not in content
    assert "@import" not in content
    assert "default-src 'none'" in content


def test_no_text_becomes_markup():
    reader = page(evil())
    text = "".join(reader.text)
    assert "<script>alert(1)</script>" in text
    assert "{{ 7*7 }}" in text
    assert "\x1b" not in text


def test_a_page_shows_every_cell_file_and_package():
    statements = demo().statements
    text = "".join(page(statements).text)
    for node in statements:
        if isinstance(node, Node) and node.kind == "Package":
            assert node.properties["purl"] in text
        elif isinstance(node, Node) and node.kind == "CellExecution":
            assert f"execution {node.properties['execution']}," in text
    for path in ("/p/in.csv", "/p/out.csv", "/p/final.csv", "/p/a\\nb"):
        assert path in text
    assert "numpy 2.1.0" in text


def test_long_tables_and_large_drawings_are_cut_and_it_is_said(monkeypatch):
    monkeypatch.setattr("nbrepro.export.page.ROWS", 5)
    monkeypatch.setattr("nbrepro.export.page.DRAWN_BOXES", 3)
    text = "".join(page(plausible_run(1, 4, 6, 20).statements).text)
    assert re.search(r"and \d+ more", text)
    assert "too many to draw" in text


def test_boxes_stand_right_of_what_they_come_from_and_circles_end():
    boxes = {name: Box(name, name, "file") for name in "abcd"}
    drawn = draw(boxes, [("a", "b"), ("b", "c"), ("a", "c"), ("c", "d"), ("d", "c")])
    places = {m[2]: int(m[1]) for m in re.finditer(r'<text x="(\d+)" y="\d+">(\w)</text>', drawn)}
    assert places["a"] < places["b"]
    assert set(places) == set("abcd")


@pytest.mark.live("chromium")
def test_a_browser_draws_the_page(tmp_path):
    file, picture = tmp_path / "page.html", tmp_path / "page.png"
    file.write_bytes(written("html", demo().statements))
    subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--window-size=900,900",
         f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={picture}", file.as_uri()],
        check=True, timeout=120, capture_output=True,
    )  # fmt: skip
    from PIL import Image

    with Image.open(picture) as image:
        assert image.size == (900, 900)
        assert len(image.convert("L").getcolors()) > 10
