"""Def-use between executions, on small code: what the code alone tells."""

from __future__ import annotations

import pytest

from nbrepro.rundir import CellRecord
from nbrepro.variables import close_needs, find_needs


def records(*sources: str, status: str = "ok") -> list[CellRecord]:
    return [
        CellRecord(n, n, f"c{n}", n, source, status, 0, 0)
        for n, source in enumerate(sources, 1)
    ]  # fmt: skip


def slice_of(*sources: str, goal: int | None = None) -> tuple[set[int], set[int]]:
    """Give the executions that the last one needs: surely, and perhaps."""
    found = close_needs(find_needs(records(*sources)), [goal or len(sources)])
    exact = {one.execution for one in found if one.certainty == "exact"}
    return exact, {one.execution for one in found} - exact


@pytest.mark.parametrize(
    ("sources", "exact", "possible"),
    [
        pytest.param(["a = 1", "b = 2", "print(a)"], {1, 3}, set(), id="only-what-is-used"),
        pytest.param(["a = 1", "a = 2", "print(a)"], {2, 3}, set(), id="rebinding-kills"),
        pytest.param(["a = []", "a.append(1)", "a"], {1, 2, 3}, set(), id="method-changes"),
        pytest.param(["a = []", "b = a", "b.append(2)", "a"], {1, 2, 3, 4}, set(), id="alias"),
        pytest.param(["a = {}", "a['x'] = 1", "a"], {1, 2, 3}, set(), id="item-assignment"),
        pytest.param(["a = [1]", "a += [2]", "a"], {1, 2, 3}, set(), id="augmented"),
        pytest.param(["s = 2", "def f(): return s", "f()"], {1, 2, 3}, set(), id="function"),
        pytest.param(
            ["s = 2", "def g(): return s", "def f(): return g()", "x = 1", "f()"],
            {1, 2, 3, 5}, set(), id="functions-are-followed",
        ),
        pytest.param(["s = 1", "f = lambda: s", "s = 5", "f()"], {2, 3, 4}, set(), id="late"),
        pytest.param(["x = 1", "del x", "x = 3", "x"], {3, 4}, set(), id="deleted"),
        pytest.param(["n = 3", "!echo {n}"], {1, 2}, set(), id="shell-expression"),
        pytest.param(["n = 3", "!echo $n"], {1, 2}, set(), id="shell-name"),
        pytest.param(["x = !ls", "x"], {1, 2}, set(), id="shell-output"),
        pytest.param(["%%capture out\nprint(1)", "out"], {1, 2}, set(), id="capture"),
        pytest.param(["%%time\nx = 1", "x"], {1, 2}, set(), id="cell-magic-runs-its-body"),
        pytest.param(["a = 1", "exec(f'b = {a}')", "c = 1", "b"], {4}, {1, 2}, id="exec"),
        pytest.param(["a = 1", "exec('b = a')", "b"], {1, 2, 3}, set(), id="exec-of-constant"),
        pytest.param(["from math import *", "a = 1", "sqrt(4)"], {3}, {1}, id="star-import"),
        pytest.param(["a = 1", "globals()['a']"], {2}, {1}, id="globals"),
        pytest.param(["[i for i in range(3)]", "i = 7", "x = [i for i in 'ab']", "i"],
                     {2, 4}, set(), id="comprehension-scope"),
        pytest.param(["x = 1", "if x:\n    y = 2", "y"], {1, 2, 3}, set(), id="conditional"),
        pytest.param(["y = 0", "x = 1", "if x:\n    y = 2", "y"], {4}, {1, 2, 3}, id="either"),
        pytest.param(["def f():\n    global g\n    g = 1", "f()", "g"], {1, 2, 3}, set(),
                     id="global-statement"),
        pytest.param(["import numpy as np", "np.random.seed(1)", "x = 5", "np.random.rand()"],
                     {1, 2, 4}, set(), id="seed"),
        pytest.param(["import numpy as np", "np.random.seed(1)", "np.random.rand()",
                      "np.random.rand()"], {1, 2, 4}, {3}, id="draws-move-the-state"),
        pytest.param(["1 + 1", "a = 5", "_"], {1, 3}, set(), id="last-shown"),
        pytest.param(["class A:\n    k = 1", "class B(A):\n    pass", "B().k"], {1, 2, 3}, set(),
                     id="inheritance"),
        pytest.param(["import json", "json.dumps = str", "json.dumps(1)"], {1, 3}, {2},
                     id="monkey-patch"),
        pytest.param(["x = ["], {1}, set(), id="broken"),
    ],
)  # fmt: skip
def test_an_execution_needs(sources: list[str], exact: set[int], possible: set[int]):
    assert slice_of(*sources) == (exact, possible)
