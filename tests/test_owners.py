"""Accesses belong to the cell whose mark is open on their thread, or on their creator's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nbrepro.model import (
    Access,
    Birth,
    Certainty,
    Evidence,
    Exit,
    Mark,
    Mode,
    OwnedAccess,
    OwnedExit,
    Process,
    Tid,
)
from nbrepro.owners import Attribution, Window, owned

KERNEL = Process(100, 1, 1, "/usr/bin/python3")


def read(tid: int, path: str = "/data", at_ns: int = 0) -> Access:
    return Access(0, at_ns, Tid(tid), KERNEL, Mode.READ, path, path)


def mark(tid: int, *words: str) -> Mark:
    return Mark(0, 0, Tid(tid), KERNEL, words)


def birth(tid: int, child: int, thread: bool = False) -> Birth:
    return Birth(0, 0, Tid(tid), Tid(child), thread, KERNEL)


def executions(*steps):
    return [o.owner.execution for o in owned(steps, Attribution()) if isinstance(o, OwnedAccess)]


def test_accesses_between_marks_belong_to_the_cell():
    assert executions(
        read(100), mark(100, "cell", "start", "1", "a"), read(100),
        mark(100, "cell", "end", "1", "a"), read(100),
    ) == [0, 1, 0]  # fmt: skip


def test_child_keeps_its_creators_cell_after_the_cell_ended():
    assert executions(
        mark(100, "cell", "start", "1", "a"), birth(100, 200),
        mark(100, "cell", "end", "1", "a"), mark(100, "cell", "start", "2", "b"),
        read(200), read(100),
    ) == [1, 2]  # fmt: skip


def test_thread_of_the_kernel_stays_the_kernels_during_a_cell():
    assert executions(
        birth(100, 101, thread=True), mark(100, "cell", "start", "1", "a"), read(101), read(100)
    ) == [0, 1]  # fmt: skip


def test_work_item_belongs_to_the_cell_that_submitted_it():
    assert executions(
        mark(100, "cell", "start", "1", "a"), birth(100, 200), mark(100, "cell", "end", "1", "a"),
        mark(100, "cell", "start", "2", "b"), mark(200, "item", "start", "2", "b"), read(200),
        mark(200, "item", "end", "2", "b"), read(200),
    ) == [2, 1]  # fmt: skip


def test_items_nest_and_a_surplus_end_is_harmless():
    assert executions(
        mark(100, "cell", "start", "1", "a"), mark(100, "item", "start", "7", "x"),
        mark(100, "item", "start", "8", "y"), read(100), mark(100, "item", "end", "8", "y"),
        read(100), mark(100, "item", "end", "7", "x"), mark(100, "item", "end", "7", "x"),
        read(100),
    ) == [8, 7, 1]  # fmt: skip


def test_a_thread_that_outlives_its_task_is_only_supposed_to_work_for_it():
    steps = [
        mark(100, "task", "start", "1", "key-1"), birth(100, 101, thread=True), read(101),
        mark(100, "task", "end", "1", "key-1"), mark(100, "task", "start", "1", "key-2"),
        read(101), read(100),
    ]  # fmt: skip
    found = [o for o in owned(steps, Attribution()) if isinstance(o, OwnedAccess)]
    assert [(o.owner.task, o.certainty) for o in found] == [
        ("key-1", Certainty.EXACT), ("key-1", Certainty.INFERRED), ("key-2", Certainty.EXACT)
    ]  # fmt: skip


def test_reused_thread_number_starts_from_its_new_creator():
    end = Exit(0, 0, Tid(200), KERNEL, "0")
    assert executions(
        mark(100, "cell", "start", "1", "a"), birth(100, 200), read(200), end,
        mark(100, "cell", "end", "1", "a"), mark(100, "cell", "start", "2", "b"),
        birth(100, 200), read(200),
    ) == [1, 2]  # fmt: skip


def test_exit_carries_the_owner_of_the_thread():
    steps = [mark(100, "cell", "start", "3", "c"), birth(100, 200)]
    steps.append(Exit(0, 0, Tid(200), KERNEL, "SIGKILL"))
    (ended,) = owned(steps, Attribution())
    assert isinstance(ended, OwnedExit)
    assert ended.owner.execution == 3


def test_evidence_tells_marks_from_inheritance():
    steps = [mark(100, "cell", "start", "1", "a"), birth(100, 200), read(100), read(200)]
    assert [o.evidence for o in owned(steps, Attribution())] == [
        Evidence.MARK,
        Evidence.INHERITED,
    ]


def test_thread_of_unknown_creator_is_counted_and_given_to_the_open_cell_as_inferred():
    attribution = Attribution()
    steps = [read(100), mark(100, "cell", "start", "4", "d"), read(999)]
    *_, stray = owned(steps, attribution)
    assert (stray.owner.execution, stray.evidence, stray.certainty) == (
        4,
        Evidence.TIME,
        Certainty.INFERRED,
    )
    assert attribution.unattributed == 1


def test_without_marks_cells_are_told_apart_by_time_and_say_so():
    attribution = Attribution([Window(1, 10, 20), Window(2, 30, 40)], marked=False)
    found = list(owned([read(1, at_ns=t) for t in (5, 10, 20, 25, 35, 50)], attribution))
    assert [o.owner.execution for o in found] == [0, 1, 1, 0, 2, 0]
    assert {o.certainty for o in found} == {Certainty.INFERRED}


@given(st.data())
def test_any_interleaving_gives_each_thread_what_its_own_history_says(data):
    """Threads act in any order; each access's truth is computed by the generator as it goes."""
    truth: list[int] = []
    steps: list[object] = [read(1)]
    truth.append(0)
    stacks: dict[int, list[int]] = {1: [0]}
    for number in range(data.draw(st.integers(1, 40))):
        tid = data.draw(st.sampled_from(sorted(stacks)))
        match data.draw(st.sampled_from(["read", "fork", "cell", "end", "item", "item-end"])):
            case "read":
                steps.append(read(tid))
                truth.append(stacks[tid][-1])
            case "fork":
                child = 2 + number
                steps.append(birth(tid, child))
                stacks[child] = [stacks[tid][-1]]
            case "cell":
                steps.append(mark(tid, "cell", "start", str(number + 1), "c"))
                stacks[tid] = [number + 1]
            case "end":
                steps.append(mark(tid, "cell", "end", "0", "c"))
                stacks[tid] = [0]
            case "item":
                steps.append(mark(tid, "item", "start", str(number + 1), "c"))
                stacks[tid].append(number + 1)
            case "item-end":
                steps.append(mark(tid, "item", "end", "0", "c"))
                if len(stacks[tid]) > 1:
                    stacks[tid].pop()
    assert executions(*steps) == truth
