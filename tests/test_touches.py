"""Accesses fold into one touch for each owner, path and mode."""

from __future__ import annotations

from nbrepro.model import Access, Certainty, Evidence, Mode, OwnedAccess, Owner, Process, Tid
from nbrepro.rundir import CellRecord, HandleUse
from nbrepro.touches import TouchFold, fold_handles

PROCESS = Process(7, 1, 1, "/usr/bin/python3")
CELL = CellRecord(2, 2, "b", 2, "f.read()", "ok", 100, 200)


def owned(execution, mode, at, path="/p", evidence=Evidence.MARK, target="", kind=""):
    access = Access(at, at, Tid(7), PROCESS, mode, path, "p", target, kind)
    return OwnedAccess(access, Owner(execution), evidence, Certainty.EXACT)


def fold(*accesses, names=None):
    folded = TouchFold(names)
    for access in accesses:
        folded.add(access, "h")
    return folded


def test_repeated_accesses_are_one_touch_with_a_count_and_the_first_moment():
    (touch,) = fold(owned(1, Mode.READ, 5), owned(1, Mode.READ, 9)).touches()
    assert (touch.accesses, touch.at_ns, touch.last_ns, touch.named) == (2, 5, 9, "p")


def test_modes_and_owners_stay_apart():
    touches = fold(
        owned(1, Mode.READ, 1), owned(1, Mode.WRITE, 2), owned(2, Mode.READ, 3)
    ).touches()
    assert [(t.owner.execution, t.mode) for t in touches] == [
        (1, Mode.READ),
        (1, Mode.WRITE),
        (2, Mode.READ),
    ]


def test_the_best_evidence_is_kept():
    (touch,) = fold(
        owned(1, Mode.READ, 1, evidence=Evidence.INHERITED), owned(1, Mode.READ, 2)
    ).touches()
    assert touch.evidence is Evidence.MARK


def test_resolved_names_replace_paths_and_the_target_of_a_rename():
    names = {"/link/a": "/real/a", "/link/b": "/real/b"}
    (touch,) = fold(owned(1, Mode.RENAME, 1, "/link/a", target="/link/b"), names=names).touches()
    assert (touch.path, touch.target, touch.named) == ("/real/a", "/real/b", "p")


def test_text_of_a_symbolic_link_is_not_a_path_to_resolve():
    link = owned(1, Mode.WRITE, 1, "/l", target="/link/a", kind="symlink")
    (touch,) = fold(link, names={"/link/a": "/real/a"}).touches()
    assert touch.target == "/link/a"


def test_use_of_an_earlier_handle_is_an_inferred_touch_of_the_later_cell():
    folded = fold(owned(1, Mode.READ, 5))
    fold_handles(folded, [HandleUse(2, "/p", "read", "handle")], {2: CELL}, "h")
    later = folded.touches()[1]
    assert (later.owner.execution, later.evidence, later.certainty, later.accesses) == (
        2,
        Evidence.HANDLE,
        Certainty.INFERRED,
        0,
    )


def test_handle_adds_nothing_where_the_cell_opened_the_file_itself():
    folded = fold(owned(2, Mode.READ_WRITE, 150))
    fold_handles(folded, [HandleUse(2, "/p", "read", "handle")], {2: CELL}, "h")
    assert len(folded.touches()) == 1


def test_use_in_an_unrecorded_cell_is_left_out():
    folded = fold()
    fold_handles(folded, [HandleUse(9, "/p", "read", "map")], {2: CELL}, "h")
    assert folded.touches() == []
