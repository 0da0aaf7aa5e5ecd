"""Lineage and impact trees, from hand-made edges."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nbrepro.formats import to_json_nested
from nbrepro.lineage import Flow, Tree, to_nested, to_rows, walk
from nbrepro.rows import EdgeRow

# A loaded machine is slow; that says nothing about the code.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def edge(execution, mode, path, version=None, sha256="s", role="data"):
    return EdgeRow(execution, execution, mode, path, version or f"v:{path}", sha256, role, None)


def shape(node):
    """A tree as nested tuples: (path, ((cell, files), ...))."""
    return node.path, tuple((s.cell, tuple(shape(f) for f in s.files)) for s in node.steps)


CHAIN = [
    edge(1, "used", "/in", sha256="a"),
    edge(1, "generated", "/mid", sha256="b"),
    edge(2, "used", "/mid", sha256="b"),
    edge(2, "generated", "/out", sha256="c"),
]


def test_lineage_reaches_the_inputs_through_earlier_cells():
    assert shape(Flow(CHAIN).behind("/out")) == (
        "/out", ((2, (("/mid", ((1, (("/in", ()),)),)),)),)
    )  # fmt: skip


def test_impact_reaches_the_outputs_through_later_cells():
    assert shape(Flow(CHAIN).after("/in")) == (
        "/in", ((1, (("/mid", ((2, (("/out", ()),)),)),)),)
    )  # fmt: skip


def test_lineage_of_an_input_has_no_steps():
    assert shape(Flow(CHAIN).behind("/in")) == ("/in", ())


def test_lineage_is_that_of_the_last_version_written():
    edges = [
        edge(1, "used", "/a"), edge(1, "generated", "/out", "out-1", "x"),
        edge(2, "used", "/b"), edge(2, "generated", "/out", "out-2", "y"),
    ]  # fmt: skip
    root = Flow(edges).behind("/out")
    assert (root.version, shape(root)) == ("out-2", ("/out", ((2, (("/b", ()),)),)))


def test_impact_is_that_of_all_versions():
    edges = [
        edge(1, "generated", "/x", "x-1"), edge(2, "used", "/x", "x-1"),
        edge(2, "generated", "/a"), edge(3, "generated", "/x", "x-2"),
        edge(4, "used", "/x", "x-2"), edge(4, "generated", "/b"),
    ]  # fmt: skip
    assert shape(Flow(edges).after("/x")) == ("/x", ((2, (("/a", ()),)), (4, (("/b", ()),))))


def test_updating_a_file_in_place_keeps_what_was_before():
    edges = [
        edge(1, "generated", "/log", "log-1", "x"),
        edge(2, "used", "/log", "log-1", "x"),
        edge(2, "generated", "/log", "log-2", "y"),
    ]
    root = Flow(edges).behind("/log")
    assert shape(root) == ("/log", ((2, (("/log", ((1, ()),)),)),))


def test_a_file_that_a_cell_makes_and_reads_back_is_not_its_input():
    edges = [edge(1, "used", "/in"), edge(1, "generated", "/out"), edge(1, "used", "/out")]
    assert shape(Flow(edges).behind("/out")) == ("/out", ((1, (("/in", ()),)),))
    assert shape(Flow(edges).after("/out")) == ("/out", ())


def test_a_rename_leads_to_the_cell_that_wrote_the_old_name():
    edges = [
        edge(1, "used", "/in", sha256="a"), edge(1, "generated", "/part", sha256="p"),
        edge(2, "invalidated", "/part", sha256="p"), edge(2, "generated", "/final", sha256="p"),
    ]  # fmt: skip
    assert shape(Flow(edges).behind("/final")) == (
        "/final", ((2, (("/part", ((1, (("/in", ()),)),)),)),)
    )  # fmt: skip


def test_a_removed_file_says_who_removed_it():
    edges = [*CHAIN, edge(3, "invalidated", "/mid", sha256="b")]
    assert Flow(edges).behind("/mid").removed_by == 3


def test_a_cycle_of_updates_ends_and_says_where_it_was_shown():
    edges = [
        edge(1, "used", "/a", "a-1"), edge(1, "generated", "/b", "b-1"),
        edge(2, "used", "/b", "b-1"), edge(2, "generated", "/c", "c-1"),
        edge(2, "used", "/a", "a-1"), edge(3, "used", "/b", "b-1"),
        edge(3, "used", "/c", "c-1"), edge(3, "generated", "/d", "d-1"),
    ]  # fmt: skip
    nodes = [node for _, _, node in walk(Flow(edges).behind("/d"))]
    shown = [node for node in nodes if node.path == "/b"]
    assert [bool(node.steps) for node in shown] == [True, False]
    assert [node.repeated for node in shown] == [False, True]


def test_software_and_caches_carry_no_results():
    edges = [*CHAIN, edge(2, "used", "/lib.pyc", role="cache")]
    assert "/lib.pyc" not in {node.path for _, _, node in walk(Flow(edges).behind("/out"))}


def test_the_kernel_itself_is_a_step():
    edges = [edge(None, "used", "/rc", sha256="r"), edge(None, "generated", "/made")]
    assert shape(Flow(edges).behind("/made")) == ("/made", ((None, (("/rc", ()),)),))


def test_unknown_paths_are_key_errors():
    with pytest.raises(KeyError):
        Flow(CHAIN).behind("/nowhere")
    with pytest.raises(KeyError):
        Flow(CHAIN).after("/nowhere")


def test_a_chain_longer_than_pythons_stack_is_built_and_printed():
    edges = []
    for number in range(3000):
        edges += [edge(number, "used", f"/{number}"), edge(number, "generated", f"/{number + 1}")]
    tree = Tree(Flow(edges).behind("/3000"), "generated_by", "used")
    assert len(tree.rows()) == 3001
    assert tree.rows()[-1].depth == 3000
    assert "".join(to_json_nested(tree.nested())).count('"generated_by"') == 3001


def test_nested_json_names_the_levels():
    nested = to_nested(Flow(CHAIN).behind("/mid"), "generated_by", "used")
    assert json.loads("".join(to_json_nested(nested))) == {
        "path": "/mid", "role": "data", "sha256": "b", "removed_by": None, "repeated": False,
        "generated_by": [
            {"cell": 1, "execution": 1, "task": None, "worker": None, "used": [
                {"path": "/in", "role": "data", "sha256": "a", "removed_by": None,
                 "repeated": False, "generated_by": []},
            ]},
        ],
    }  # fmt: skip


@patient
@given(
    st.lists(
        st.tuples(
            st.integers(1, 6),
            st.sampled_from(["used", "generated", "invalidated"]),
            st.sampled_from("abcdef"),
            st.integers(1, 3),
        ),
        min_size=1,
    )
)
def test_any_edges_give_trees_that_end_and_expand_each_version_once(facts):
    edges = [edge(e, mode, f"/{name}", f"{name}-{v}") for e, mode, name, v in facts]
    flow = Flow(edges)
    for path in flow.paths:
        for root in (flow.behind(path), flow.after(path)):
            expanded = [n.version for _, _, n in walk(root) if n.steps]
            assert len(expanded) == len(set(expanded))
            assert len(to_rows(root)) == sum(1 for _ in walk(root))
