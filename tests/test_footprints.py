"""Software folds to sets of files an owner: less to hold, and the same graph."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import test_graph
from hypothesis import given, settings
from hypothesis import strategies as st

from nbrepro import graph
from nbrepro.classifier import judge_of
from nbrepro.footprints import FootprintFold, Software
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
    software = footprints.software("h") if footprints else Software()
    return touches.touches(), software


def describe(accesses):
    """Describe as an ingest does: once more where something was taken for software too early."""
    facts = RunFacts(test_graph.MANIFEST, test_graph.CELLS, [], {})
    apart = set()
    for _ in range(2):
        touches, software = fold(accesses, FootprintFold(judge(apart)))
        made = graph.Graph(facts, touches, test_graph.HOSTS, test_graph.SOFTWARE, software)
        apart = made.misjudged()
        if not apart:
            break
    return list(made.statements())


def describe_by_touches(accesses):
    facts = RunFacts(test_graph.MANIFEST, test_graph.CELLS, [], {})
    touches, _ = fold(accesses)
    return list(graph.statements(facts, touches, test_graph.HOSTS, test_graph.SOFTWARE))


def test_owners_with_equal_software_share_one_set():
    accesses = [owned(Owner(n), Mode.READ, 10 * n + m, path)
                for n in (1, 2) for m, path in enumerate((LIBRARY, OTHER))]  # fmt: skip
    touches, software = fold(accesses, FootprintFold(judge()))
    assert touches == []
    assert [(t.owner.execution, t.at_ns, t.last_ns) for t in software.taken] == [
        (1, 10, 11),
        (2, 20, 21),
    ]
    first, second = (taken.paths for taken in software.taken)
    assert first == {LIBRARY, OTHER}
    assert second is first
    assert [(t.path, t.owner.execution) for t in software.firsts] == [(LIBRARY, 1), (OTHER, 1)]


def test_an_owner_that_comes_back_has_all_it_took():
    many = [owned(Owner(n), Mode.READ, n, LIBRARY) for n in range(1, 2000)]
    _, software = fold([*many, owned(Owner(1), Mode.READ, 5000, OTHER)], FootprintFold(judge()))
    taken = {t.owner.execution: t.paths for t in software.taken}
    assert taken[1] == {LIBRARY, OTHER}
    assert taken[2] == {LIBRARY}
    assert len({id(paths) for paths in taken.values()}) == 2


def test_data_and_what_changes_files_are_touches():
    accesses = [
        owned(Owner(1), Mode.READ, 1, DATA),
        owned(Owner(1), Mode.READ, 2, UNOWNED),
        owned(Owner(1), Mode.WRITE, 3, OTHER),
        owned(Owner(1), Mode.READ, 4, OTHER),
        owned(Owner(1), Mode.READ, 5, LIBRARY, kind="deleted"),
        owned(Owner(1), Mode.READ, 6, FOLDER, kind="directory"),
    ]
    touches, software = fold(accesses, FootprintFold(judge()))
    assert [t.at_ns for t in touches] == [1, 2, 3, 4, 5]
    assert [taken.paths for taken in software.taken] == [{FOLDER}]


def test_software_that_turns_out_to_be_none_is_told_and_left_apart():
    accesses = [
        owned(Owner(1), Mode.READ, 5, LIBRARY, kind="deleted"),
        owned(Owner(2), Mode.READ, 6, LIBRARY),
    ]
    facts = RunFacts(test_graph.MANIFEST, test_graph.CELLS, [], {})
    touches, software = fold(accesses, FootprintFold(judge()))
    made = graph.Graph(facts, touches, [], test_graph.SOFTWARE, software)
    assert made.misjudged() == {("h", LIBRARY)}
    assert fold(accesses, FootprintFold(judge({("h", LIBRARY)})))[1].taken == []
    assert fold(accesses, FootprintFold(judge({("g", LIBRARY)})))[1].taken != []


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
        assert len(observed.software.taken) == len(observed.touches) == tasks
        assert len(observed.software.firsts) == files
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_of_the_walk_hardly_grows_with_what_tasks_open_of_software(tmp_path):
    held_bytes(tmp_path, 10, 10)  # whatever is made once
    few, many = held_bytes(tmp_path, 600, 4), held_bytes(tmp_path, 600, 40)
    assert many < 1.7 * few
    # And with tasks it grows as their own data does: no more for each when there are more.
    assert held_bytes(tmp_path, 1800, 4) < 3.5 * few
