"""What is planted on a second machine is found, named as the first cause, and nothing else is."""

from __future__ import annotations

import functools
from itertools import combinations
from pathlib import Path

import machines
import pytest
from machines import CELLS, Machine, Planted
from observing import observe_cells

from nbrepro.compare import KINDS, Comparison, Portrait, compare
from nbrepro.compare.sources import Sources

pytestmark = [pytest.mark.live("strace", "kernel", "unshare"), pytest.mark.xdist_group("machines")]

OTHER_PYTHON = "another minor version of Python"
PLANTS = {
    "version": Planted(version="1.1"),
    "wheel": Planted(wheel="def total(values):\n    return 0 + sum(values)\n"),
    "patch": Planted(patch="def total(values):\n    return sum(values) + 1\n"),
    "data": Planted(data="1 2 4\n"),
    "code": Planted(code="def shape(value, level):\n    return (value,) * level\n"),
    "source": Planted(count="print(len(rows), 'lines')"),
    "level": Planted(level=2),
    "order": Planted(options=("--order", "1,2,3,5,4,6,7")),
    "setting": Planted(settings={"FACTOR": "2"}),
    "python": Planted(python=OTHER_PYTHON),
}
EXPECTED = {
    "version": ("package", CELLS["imports"], "tinystats"),
    "wheel": ("package", CELLS["imports"], "tinystats"),
    "patch": ("package", CELLS["imports"], "tinystats"),
    "data": ("data", CELLS["load"], "{project}/data/in.csv"),
    "code": ("code", CELLS["imports"], "{project}/model.py"),
    "source": ("source", CELLS["count"], f"cell {CELLS['count']}"),
    "level": ("parameters", 0, "level"),
    "order": ("order", CELLS["total"], f"cell {CELLS['total']}"),
    "setting": ("environment", CELLS["total"], "FACTOR"),
    "python": ("interpreter", None, "python"),
}
FOLLOWED = {
    "patch": ("total", "write", "end"), "data": ("total", "write", "end"),
    "code": ("write", "end"), "source": ("count",), "level": ("write", "end"),
    "setting": ("total", "write", "end"),
}  # fmt: skip
PAIRS = [pair for pair in combinations(sorted(PLANTS.keys() - {"patch"}), 2)
         if pair != ("version", "wheel")]  # fmt: skip


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    reason = machines.lack_of_machines()
    if reason:
        pytest.skip(reason)
    return tmp_path_factory.mktemp("machines")


@pytest.fixture(scope="module")
def other_python(places):
    python = machines.find_other_python()
    if not python:
        pytest.skip("no interpreter of another minor version")
    return machines.make_kernel_environment(python, places / "other")


@pytest.fixture(scope="module")
def first(places):
    """Give what the first machine's run says."""
    return read(Machine(places / "a", "alice", "lab-a", "study").run(Planted()))


@pytest.fixture(scope="module")
def second(places, request):
    """Give a function that runs the notebook on the second machine with something planted."""
    machine = Machine(places / "b", "bob", "node17", "work/here")

    @functools.cache
    def run(*names: str) -> Portrait:
        planted = Planted()
        for name in names:
            planted |= PLANTS[name]
        if planted.python == OTHER_PYTHON:
            planted |= Planted(python=request.getfixturevalue("other_python"))
        return read(machine.run(planted))

    return run


def read(run: Path) -> Portrait:
    return Sources().read(str(run))


def causes(comparison: Comparison) -> list[tuple[str, int | None, str]]:
    return [(d.kind, d.cell, d.subject) for d in comparison.differences]


def in_order(names: tuple[str, ...]) -> list[tuple[str, int | None, str]]:
    """Give what is expected of several plants: by the place where each acts, then by kind."""

    def rank(cause: tuple[str, int | None, str]) -> tuple[float, int]:
        kind, cell, _ = cause
        # The parameters follow the cell that is tagged for them.
        place = -1 if cell is None else CELLS["level"] + 0.5 if cell == 0 else cell
        return place, KINDS.index(kind)

    return sorted((EXPECTED[name] for name in names), key=rank)


def test_two_machines_with_nothing_planted_do_not_differ(first, second):
    comparison = compare(first, second())
    assert (first.host, comparison.b.host) == ("lab-a", "node17")
    assert first.notebook != comparison.b.notebook
    assert causes(comparison) == []
    assert [(d.kind, d.subject) for d in comparison.unused] == [("environment", "USER")]
    assert comparison.unknown == ()
    assert all(pair.how == "id and source" for pair in comparison.cells)


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_difference_is_named_and_nothing_else_is_blamed(first, second, name):
    comparison = compare(first, second(name))
    assert causes(comparison) == [EXPECTED[name]]
    [cause] = comparison.differences
    assert cause.a != cause.b
    followed = {effect.cell for effect in cause.effects}
    assert followed == {CELLS[cell] for cell in FOLLOWED.get(name, ())}


@pytest.mark.parametrize("names", PAIRS, ids="-".join)
def test_two_planted_differences_are_both_named_in_causal_order(first, second, names):
    comparison = compare(first, second(*names))
    assert causes(comparison) == in_order(names)
    # The other way round, what runs first there may be another cell; what differs is the same.
    back = compare(comparison.b, comparison.a)
    assert sorted(d.kind for d in back.differences) == sorted(EXPECTED[name][0] for name in names)


def test_code_is_compared_where_only_its_byte_code_was_read(first, places):
    machine = Machine(places / "c", "carol", "lab-c", "study")
    machine.run(PLANTS["code"])
    again = read(machine.run_again(PLANTS["code"]))
    assert causes(compare(first, again)) == [EXPECTED["code"]]


def test_the_number_of_threads_is_a_cause_for_cells_that_compute_with_libraries(
    tmp_path, monkeypatch
):
    cells = ("n = 1", "import numpy", "float(numpy.ones((64, 64)).dot(numpy.ones(64)).sum())")
    runs = []
    for count in ("1", "2"):
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", count)
        observed = observe_cells(tmp_path / count, *cells)
        runs.append(read(observed.outcome.directory))
    comparison = compare(*runs)
    assert causes(comparison) == [("environment", 2, "OPENBLAS_NUM_THREADS")]
    [cause] = comparison.differences
    assert (cause.a, cause.b, cause.effects) == ("1", "2", [])
    assert {pair.cell for pair in comparison.cells if pair.causes} == {2, 3}
