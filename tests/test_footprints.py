"""Software folds to sets of files an owner: less to hold, and the same graph."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import test_graph
from hypothesis import given, settings
from hypothesis import strategies as st

from nbrepro import graph
from nbrepro.classifier import judge_of
from nbrepro.footprints import FootprintFold
from nbrepro.model import (
    Access,
    Certainty,
    Evidence,
    Mode,
    OwnedAccess,
    Owner,
    Process,
    Tid,
)
from nbrepro.provenance import RunFacts
from nbrepro.touches import TouchFold
from nbrepro.walk import Source, observe

LIBRARY, OTHER, FOLDER = "/v/lib/numpy/a.py", "/usr/lib/libc.so.6", "/v/lib/numpy"
DATA, UNOWNED = "/study/in.csv", "/v/lib/python3.11/site-packages/x/data/set.csv"
PROCESS = Process(7, 1, 1, "/usr/bin/python3")


def judge(apart=()):
    return judge_of(test_graph.MANIFEST, test_graph.SOFTWARE[0], apart)


def owned(owner, mode, at, path, kind=""):
    target = "/study/moved.csv" if mode is Mode.RENAME else ""
    access = Access(at, at, Tid(7), PROCESS, mode, path, path, target, kind)
    return OwnedAccess(access, owner, Evidence.MARK, Certainty.EXACT)


def fold(accesses, footprints=None):
    touches = TouchFold(footprints=footprints)
    for access in accesses:
        touches.add(access, "h")
    return touches.touches(), footprints.taken("h") if footprints else []


def describe(accesses):
    """Describe as an ingest does: once more where something was taken for software too early."""
    facts = RunFacts(test_graph.MANIFEST, test_graph.CELLS, [], {})
    apart = set()
    for _ in range(2):
        touches, taken = fold(accesses, FootprintFold(judge(apart)))
        made = graph.Graph(facts, touches, test_graph.HOSTS, test_graph.SOFTWARE, taken)
        apart = made.misjudged()
        if not apart:
            break
    return list(made.statements())


def describe_by_touches(accesses):
    facts = RunFacts(test_graph.MANIFEST, test_graph.CELLS, [], {})
    touches, _ = fold(accesses)
    return list(graph.statements(facts, touches, test_graph.HOSTS, test_graph.SOFTWARE))


def test_later_owners_with_equal_software_share_one_set():
    accesses = [owned(Owner(n), Mode.READ, 10 * n + m, path)
                for n in (1, 2, 3) for m, path in enumerate((LIBRARY, OTHER))]  # fmt: skip
    touches, taken = fold(accesses, FootprintFold(judge()))
    assert [(t.path, t.owner.execution) for t in touches] == [(LIBRARY, 1), (OTHER, 1)]
    assert [(t.owner.execution, t.at_ns, t.last_ns) for t in taken] == [(2, 20, 21), (3, 30, 31)]
    assert taken[0].paths == {LIBRARY, OTHER}
    assert taken[1].paths is taken[0].paths


def test_an_owner_that_comes_back_has_all_it_took():
    many = [owned(Owner(n), Mode.READ, n, path) for n in range(2000) for path in (LIBRARY, FOLDER)]
    again = [owned(Owner(n), Mode.READ, 5000, OTHER) for n in (0, 1)]
    _, taken = fold([*many, *again], FootprintFold(judge()))
    paths = {t.owner.execution: t.paths for t in taken}
    assert paths[1] == {LIBRARY, FOLDER, OTHER}
    assert paths[2] == {LIBRARY, FOLDER}
    assert len({id(one) for one in paths.values()}) == 2


def test_data_and_what_changes_files_are_touches():
    first = [owned(Owner(1), Mode.READ, 1, path) for path in (DATA, UNOWNED, OTHER, LIBRARY)]
    accesses = [
        owned(Owner(2), Mode.READ, 2, DATA),
        owned(Owner(2), Mode.READ, 3, UNOWNED),
        owned(Owner(2), Mode.WRITE, 4, OTHER),
        owned(Owner(2), Mode.READ, 5, OTHER),
        owned(Owner(2), Mode.READ, 6, LIBRARY, kind="deleted"),
        owned(Owner(2), Mode.READ, 7, LIBRARY),
    ]
    touches, taken = fold([*first, *accesses], FootprintFold(judge()))
    assert [t.at_ns for t in touches] == [1, 1, 1, 1, 2, 3, 4, 5, 6]
    assert [one.paths for one in taken] == [{LIBRARY}]


def test_software_that_turns_out_to_be_none_is_told_and_left_apart():
    accesses = [
        owned(Owner(1), Mode.READ, 5, LIBRARY, kind="deleted"),
        owned(Owner(1), Mode.READ, 6, LIBRARY),
        owned(Owner(2), Mode.READ, 7, LIBRARY),
    ]
    facts = RunFacts(test_graph.MANIFEST, test_graph.CELLS, [], {})
    touches, taken = fold(accesses, FootprintFold(judge()))
    made = graph.Graph(facts, touches, [], test_graph.SOFTWARE, taken)
    assert made.misjudged() == {("h", LIBRARY)}
    assert fold(accesses, FootprintFold(judge({("h", LIBRARY)})))[1] == []
    assert fold(accesses, FootprintFold(judge({("g", LIBRARY)})))[1] != []


ACCESSES = st.lists(
    st.tuples(
        st.sampled_from([Owner(), Owner(1), Owner(2), Owner(1, "t", "w"), Owner(2, "u", "w")]),
        st.sampled_from([Mode.READ] * 6 + [*Mode]),
        st.sampled_from([LIBRARY, OTHER, FOLDER, DATA, UNOWNED, "/study/own.py", "/usr/bin/x"]),
        st.sampled_from(["", "", "", "file", "directory", "deleted"]),
    ),
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(ACCESSES)
def test_the_graph_is_the_same_as_from_single_touches(drawn):
    accesses = [owned(who, mode, at, path, kind) for at, (who, mode, path, kind)
                in enumerate(drawn, 1)]  # fmt: skip
    assert describe(accesses) == describe_by_touches(accesses)


# Memory


def trace_of(folder: Path, tasks: int, files: int) -> Path:
    """Write a worker's trace: each task opens the same library files and one of data."""

    def opened(number, path, result):
        return f'9 1795380580.{number:09} openat(AT_FDCWD</st>, "{path}", O_RDONLY) = {result}\n'

    def mark(edge, task):
        missing = "-1 ENOENT (No such file or directory)"
        return opened(task, f"/nbrepro-marker/t/task/{edge}/1/key-{task}/address", missing)

    path = folder / f"{tasks}-{files}.strace"
    with path.open("w") as sink:
        for task in range(tasks):
            sink.write(mark("start", task))
            sink.writelines(opened(task, name, f"3<{name}>")
                            for name in (f"/usr/lib/{n}.so" for n in range(files)))  # fmt: skip
            sink.write(opened(task, f"/data/{task}", f"3</data/{task}>") + mark("end", task))
    return path


def held_bytes(folder: Path, tasks: int, files: int) -> int:
    """Give the peak of what walking such a trace holds."""
    source = Source(trace_of(folder, tasks, files), "t", "/st", "h", 9, worker="w", judge=judge())
    tracemalloc.start()
    try:
        observed = observe(source)
        assert len(observed.taken) == tasks - 1
        assert len(observed.touches) == tasks + files
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_of_the_walk_hardly_grows_with_what_tasks_open_of_software(tmp_path):
    held_bytes(tmp_path, 10, 10)  # whatever is made once
    few, many = held_bytes(tmp_path, 600, 4), held_bytes(tmp_path, 600, 40)
    assert many < 1.7 * few
    # And with tasks it grows as their own data does: no more for each when there are more.
    assert held_bytes(tmp_path, 1800, 4) < 3.5 * few
