"""Reading notebooks: cells in order, ids that stay, digests that ignore what is not code."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat import v4

from nbrepro.errors import NotebookError, NotFoundError
from nbrepro.notebook import digest_source, parse_notebook, read_notebook


def write(path, node):
    path.write_text(json.dumps(node), encoding="utf-8")
    return path


def sample():
    return v4.new_notebook(
        cells=[
            v4.new_markdown_cell("# title", id="m"),
            v4.new_code_cell("a = 1\nb = 2", id="first", metadata={"tags": ["parameters"]}),
            v4.new_code_cell("", id="second"),
            v4.new_raw_cell("raw", id="r"),
            v4.new_code_cell("print(a)", id="third"),
        ],
        metadata={"kernelspec": {"name": "python3", "language": "python", "display_name": "P"}},
    )


def test_code_cells_count_from_one_and_keep_their_ids(tmp_path):
    path = write(tmp_path / "n.ipynb", sample())
    notebook = read_notebook(path)
    assert [(c.position, c.index, c.cell_id) for c in notebook.cells] == [
        (1, 1, "first"),
        (2, 2, "second"),
        (3, 4, "third"),
    ]
    assert [c.blank for c in notebook.cells] == [False, True, False]
    assert notebook.cells[0].tags == ("parameters",)
    assert (notebook.kernel_name, notebook.language) == ("python3", "python")
    assert notebook.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_source_kept_as_lines_is_joined(tmp_path):
    node = sample()
    node["cells"][1]["source"] = ["a = 1\n", "b = 2"]
    assert read_notebook(write(tmp_path / "n.ipynb", node)).cells[0].source == "a = 1\nb = 2"


@pytest.mark.parametrize("minor", [0, 4])
def test_format_without_cell_ids_gets_positions(tmp_path, minor):
    node = sample() | {"nbformat_minor": minor}
    for cell in node["cells"]:
        del cell["id"]
    notebook = read_notebook(write(tmp_path / "n.ipynb", node))
    assert [c.cell_id for c in notebook.cells] == ["position-1", "position-2", "position-3"]
    assert all("id" not in cell for cell in notebook.to_node().cells)


def test_missing_id_in_a_format_that_has_them_is_not_invented(tmp_path):
    node = sample()
    del node["cells"][1]["id"]
    path = write(tmp_path / "n.ipynb", node)
    ids = [[c.cell_id for c in read_notebook(path).cells] for _ in range(2)]
    assert ids == [["position-1", "second", "third"]] * 2


def test_format_three_is_understood(tmp_path):
    node = {
        "nbformat": 3,
        "nbformat_minor": 0,
        "metadata": {"name": ""},
        "worksheets": [
            {
                "metadata": {},
                "cells": [
                    {"cell_type": "markdown", "metadata": {}, "source": ["# t"]},
                    {
                        "cell_type": "code",
                        "collapsed": False,
                        "input": ["1 +\n", "1"],
                        "language": "python",
                        "metadata": {},
                        "outputs": [],
                    },
                ],
            }
        ],
    }
    [cell] = read_notebook(write(tmp_path / "n.ipynb", node)).cells
    assert (cell.source, cell.cell_id, cell.index) == ("1 +\n1", "position-1", 1)


def test_source_digest_ignores_outputs_text_and_metadata(tmp_path):
    node = sample()
    first = read_notebook(write(tmp_path / "a.ipynb", node))
    node["cells"][4]["outputs"] = [v4.new_output("stream", text="1\n")]
    node["cells"][0]["source"] = "# another title"
    node["metadata"]["kernelspec"]["display_name"] = "Q"
    second = read_notebook(write(tmp_path / "b.ipynb", node))
    node["cells"][4]["source"] = "print(b)"
    third = read_notebook(write(tmp_path / "c.ipynb", node))
    assert first.sha256 != second.sha256
    assert first.source_digest == second.source_digest != third.source_digest


def test_source_digest_sees_the_border_between_cells():
    def digest(*sources):
        node = v4.new_notebook(cells=[v4.new_code_cell(source) for source in sources])
        return parse_notebook(json.dumps(node).encode(), "n").source_digest

    assert digest("a", "b") != digest("ab", "") != digest("", "ab")


@given(st.text())
def test_line_ends_do_not_change_a_sources_digest(text):
    text = text.replace("\r", "")
    assert digest_source(text) == digest_source(text.replace("\n", "\r\n"))


def test_copy_to_execute_is_independent(tmp_path):
    notebook = read_notebook(write(tmp_path / "n.ipynb", sample()))
    notebook.to_node().cells[1].source = "changed"
    assert notebook.to_node().cells[1].source == "a = 1\nb = 2"


def test_byte_order_mark_and_lone_surrogates_are_read(tmp_path):
    path = tmp_path / "n.ipynb"
    node = v4.new_notebook(cells=[v4.new_code_cell("'\udc80'")])
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(node).encode())
    notebook = read_notebook(path)
    assert notebook.cells[0].source == "'\udc80'"
    assert len(notebook.source_digest) == 64


def test_metadata_of_odd_shape_is_ignored(tmp_path):
    node = sample()
    node["metadata"] = {"kernelspec": "python3"}
    node["cells"][1]["metadata"] = {"tags": "parameters"}
    notebook = read_notebook(write(tmp_path / "n.ipynb", node))
    assert (notebook.kernel_name, notebook.cells[0].tags) == ("", ())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not a notebook"),
        ("\xff", "is not a notebook"),
        ("[1]", "'nbformat' is missing"),
        ('{"nbformat": "4"}', "'nbformat' is missing"),
        ('{"nbformat": 2, "cells": []}', "notebook format 2"),
        ('{"nbformat": 4}', "'cells' is not a list"),
        ('{"nbformat": 4, "cells": [1]}', "cell 1 has no 'cell_type'"),
        ('{"nbformat": 4, "cells": [{"cell_type": "code", "source": 3}]}', "cell 1 has a 'source'"),
        ('{"nbformat": 3, "worksheets": 7}', "is not a valid notebook"),
    ],
)
def test_what_is_no_notebook_is_refused_with_the_reason(tmp_path, text, reason):
    path = tmp_path / "n.ipynb"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(NotebookError, match=reason) as raised:
        read_notebook(path)
    assert str(path) in str(raised.value)


def test_missing_notebook_and_directory_are_not_found(tmp_path):
    for path in (tmp_path / "no.ipynb", tmp_path):
        with pytest.raises(NotFoundError, match=str(path)):
            read_notebook(path)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda c: (
            st.lists(c)
            | st.dictionaries(
                st.sampled_from(
                    ["cells", "nbformat", "metadata", "source", "cell_type", "worksheets"]
                ),
                c,
            )
        ),
    )
)
def test_no_json_whatever_raises_anything_else(record):
    for candidate in (record, {"nbformat": 4, "cells": record}, {"nbformat": 3, "cells": record}):
        try:
            notebook = parse_notebook(json.dumps(candidate).encode(), "n")
        except NotebookError:
            continue
        assert all(cell.cell_id for cell in notebook.cells)
