"""The probe's number of what a name reaches: it changes with the object, and runs nobody's code."""

from __future__ import annotations

import collections
import functools
import io
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

PROBE = Path(__file__).parents[1] / "nbrepro" / "capture" / "probes" / "reaching.py"
SPACE: dict[str, object] = {"__name__": "reaching"}
exec(compile(PROBE.read_text(), str(PROBE), "exec"), SPACE)


def look(value: object, seconds: float = 5.0):
    walk = SPACE["Reach"](SPACE, time.thread_time_ns() + int(seconds * 1e9))
    return walk.walk(value), walk


def number(value: object) -> int:
    found, walk = look(value)
    assert not walk.reason, walk.reason
    return found


class Plain:
    def __init__(self) -> None:
        self.items: list[object] = []


class Hostile:
    """Whoever runs any of this fails."""

    def fail(self, *_: object):
        raise AssertionError("the user's code was run")

    __eq__ = __hash__ = __repr__ = __str__ = __len__ = __iter__ = __bool__ = fail
    __getattr__ = __reduce_ex__ = __contains__ = __index__ = __buffer__ = fail

    def __getattribute__(self, name: str):
        raise AssertionError(f"the user's code was asked for {name}")


class HostileMeta(type):
    def __getattribute__(cls, name: str):
        raise AssertionError("the user's class was asked")


class HostileDict(dict):
    def __iter__(self):
        raise AssertionError("iterated")

    keys = values = items = __len__ = __getitem__ = __iter__


def change_frame(frame: pd.DataFrame) -> None:
    frame.loc[0, "x"] = 9


CHANGES = [
    (lambda: [1, 2], lambda v: v.append(3)),
    (lambda: list(range(100)), lambda v: v.__setitem__(50, -1)),
    (lambda: [-1] * 20, lambda v: v.__setitem__(3, -2)),
    (lambda: {"a": [1]}, lambda v: v["a"].append(2)),
    (lambda: {"a": 1, "b": 2}, lambda v: v.update(a=2, b=1)),
    (lambda: {1, 2}, lambda v: v.add(3)),
    (Plain, lambda v: v.items.append(1)),
    (Plain, lambda v: setattr(v, "n", 1)),
    (lambda: np.arange(5), lambda v: v.__setitem__(0, 7)),
    (lambda: np.arange(10)[::2], lambda v: v.__setitem__(0, 7)),
    (lambda: np.array(["2020-01-01"], "M8[D]"), lambda v: v.__setitem__(0, "2021-01-01")),
    (lambda: np.array([[1], None], object), lambda v: v[0].append(1)),
    (lambda: pd.DataFrame({"x": [1, 2], "s": list("ab")}), change_frame),
    (lambda: pd.DataFrame({"x": [1]}), lambda v: v.__setitem__("y", 2)),
    (lambda: pd.DataFrame({"x": [1]}), lambda v: setattr(v, "columns", ["z"])),
    (lambda: pd.Series(list("ab")), lambda v: v.__setitem__(0, "z")),
    (lambda: pd.Series(["a", "b"], dtype="category"), lambda v: v.__setitem__(0, "b")),
    (lambda: bytearray(b"ab"), lambda v: v.extend(b"c")),
    (lambda: collections.deque([1, 2]), lambda v: v.rotate(1)),
    (lambda: collections.OrderedDict(a=1, b=1), lambda v: v.move_to_end("a")),
    (lambda: collections.Counter("ab"), lambda v: v.update("b")),
    (lambda: iter([1, 2, 3]), next),
    (lambda: (n for n in range(3)), next),
    (lambda: zip([1, 2], iter([3, 4]), strict=False), next),
    (lambda: random.Random(1), lambda v: v.random()),
    (lambda: np.random.default_rng(1), lambda v: v.normal()),
    (lambda: np.random.RandomState(1), lambda v: v.rand()),
    (lambda: io.StringIO("abc"), lambda v: v.read(1)),
    (lambda: functools.lru_cache(lambda x: x), lambda v: v(1)),
    (lambda: functools.partial(list, [1]), lambda v: v.args[0].append(2)),
]  # fmt: skip


@pytest.mark.parametrize(("make", "change"), CHANGES)
def test_a_change_changes_the_number(make, change):
    value = make()
    before = number(value)
    assert number(value) == before
    change(value)
    assert number(value) != before


@pytest.mark.parametrize(
    "read",
    [
        lambda f: f.describe(), lambda f: f.groupby("s").sum(), lambda f: repr(f),
        lambda f: f.values, lambda f: f["x"], lambda f: f.sort_values("x"),
        lambda f: f.index.is_unique,
    ],
)  # fmt: skip
def test_reading_a_frame_leaves_its_number(read):
    frame = pd.DataFrame({"x": [3, 1], "s": list("ab")})
    frame["late"] = 1.5
    before = number(frame)
    read(frame)
    assert number(frame) == before


def test_closures_and_defaults_belong_to_a_function():
    held: list[int] = []

    def function(x, acc=[]):  # noqa: B006
        acc.append(x)
        return held

    before = number(function)
    function(1)
    after = number(function)
    held.append(1)
    assert len({before, after, number(function)}) == 3


def test_no_code_of_the_user_runs():
    with pytest.raises(AssertionError):
        len(Hostile())
    strange = HostileMeta("Strange", (), {})
    value = [Hostile(), {"k": Hostile()}, strange, HostileDict(a=1), (Hostile(),)]
    look(value)


def test_cycles_end():
    ring: list[object] = [1]
    ring.append(ring)
    before = number(ring)
    ring.append(2)
    assert number(ring) != before


def test_what_cannot_be_seen_into_is_named(tmp_path):
    with (tmp_path / "f").open("w") as stream:
        assert look([stream])[1].reason == "opaque _io.TextIOWrapper"


def test_a_memory_map_is_not_read(tmp_path):
    np.zeros(10).tofile(tmp_path / "f")
    mapped = np.memmap(tmp_path / "f")
    assert look(mapped[2:])[1].reason == "opaque array"


def test_the_time_is_bounded_and_what_is_left_is_said():
    deep = [[n, str(n)] for n in range(300_000)]
    began = time.thread_time()
    _, walk = look(deep, seconds=0.005)
    assert walk.reason in ("time", "size")
    assert time.thread_time() - began < 1
    assert look(np.zeros(200_000_000, np.int8), seconds=0.005)[1].reason == "size"


def test_names_that_share_an_object_say_so():
    shared: list[int] = []
    one, other = look({"s": shared})[1], look((shared,))[1]
    assert set(one.shared) & set(other.shared) == {id(shared)}


def test_the_probe_loads_nothing():
    program = (
        f"import sys; text = open({str(PROBE)!r}).read(); before = set(sys.modules); "
        "exec(text, {'__name__': 'r'}); print(sorted(set(sys.modules) - before - {'types'}))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
