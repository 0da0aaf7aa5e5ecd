"""Versions of a file are told apart by who made them, and keep the content seen in time."""

from __future__ import annotations

from nbrepro.model import Certainty, Evidence, Mode, Owner, Sighting, Touch
from nbrepro.versions import Versions

A, B, C = "a" * 64, "b" * 64, "c" * 64


def touch(execution, mode, at, path="/p", target="", kind="", created=False):
    return Touch(Owner(execution), mode, path, path, target, kind, "1 python", "h",
                 Evidence.MARK, Certainty.EXACT, 1, at, at, at, created)  # fmt: skip


def seen(at, sha256, execution=0, path="/p", kind="file", reason="", mtime=0):
    return Sighting(path, kind, 1, mtime, 1, 1, sha256, reason, execution, at)


def assign(touches, sightings=()):
    return Versions(sightings).assign(touches)


def test_two_readers_of_an_untouched_file_share_its_version():
    first, second = assign([touch(1, Mode.READ, 10), touch(2, Mode.READ, 30)], [seen(15, A)])
    assert first.used == second.used
    assert first.used.sha256 == A


def test_read_then_overwritten_in_one_cell_keeps_both_contents():
    read, wrote = assign(
        [touch(1, Mode.READ, 10), touch(1, Mode.WRITE, 20)], [seen(5, A), seen(30, B, 1)]
    )
    assert (read.used.sha256, wrote.generated.sha256) == (A, B)
    assert wrote.generated.revision_of == read.used.number


def test_overwriting_in_a_later_cell_does_not_lose_a_version():
    one, two = assign(
        [touch(1, Mode.WRITE, 10), touch(2, Mode.WRITE, 30)], [seen(20, A, 1), seen(40, B, 2)]
    )
    assert (one.generated.sha256, two.generated.sha256) == (A, B)


def test_content_is_as_the_cell_left_it_not_as_seen_half_written():
    (wrote,) = assign([touch(2, Mode.WRITE, 10)], [seen(12, A, 1), seen(20, B, 2)])
    assert wrote.generated.sha256 == B


def test_version_overwritten_before_anybody_looked_says_so():
    one, _ = assign([touch(1, Mode.WRITE, 10), touch(2, Mode.WRITE, 11)], [seen(40, B, 2)])
    assert one.generated.sha256 == ""
    assert one.generated.undigested == "overwritten before it could be read"


def test_removed_input_keeps_the_content_of_the_inventory():
    read, removed = assign([touch(1, Mode.READ, 10), touch(1, Mode.REMOVE, 11)], [seen(5, A)])
    assert read.used == removed.invalidated
    assert read.used.sha256 == A


def test_removed_and_rewritten_is_a_new_version():
    _, again = assign([touch(1, Mode.REMOVE, 10), touch(2, Mode.WRITE, 20)], [seen(30, B, 2)])
    assert again.generated.sha256 == B
    assert again.generated.number == 2


def test_rename_carries_content_to_the_new_name():
    wrote, renamed, read = assign(
        [
            touch(1, Mode.WRITE, 10, "/t"),
            touch(1, Mode.RENAME, 11, "/t", "/p"),
            touch(2, Mode.READ, 30),
        ],
        [seen(20, A, 1)],
    )
    assert renamed.invalidated == wrote.generated
    assert read.used == renamed.generated
    assert read.used.sha256 == wrote.generated.sha256 == A
    assert read.used.derived_from == wrote.generated.number


def test_rename_of_a_directory_carries_the_files_below_it():
    wrote, _, read = assign(
        [
            touch(1, Mode.WRITE, 10, "/d/x"),
            touch(1, Mode.RENAME, 11, "/d", "/e", kind="directory"),
            touch(2, Mode.READ, 30, "/e/x"),
        ]
    )
    assert read.used.derived_from == wrote.generated.number


def test_read_write_uses_the_version_before_only_if_the_file_was_there():
    (fresh,) = assign([touch(1, Mode.READ_WRITE, 10)], [seen(20, A, 1)])
    assert fresh.used is None
    (old,) = assign([touch(1, Mode.READ_WRITE, 10)], [seen(5, A), seen(20, B, 1)])
    assert (old.used.sha256, old.generated.sha256) == (A, B)


def test_read_write_after_a_removal_uses_nothing():
    removed, fresh = assign(
        [touch(1, Mode.REMOVE, 10), touch(1, Mode.READ_WRITE, 11)], [seen(5, A), seen(20, B, 1)]
    )
    assert removed.invalidated.sha256 == A
    assert fresh.used is None
    assert fresh.generated.sha256 == B
    _, made_by_others = assign(
        [touch(1, Mode.REMOVE, 10), touch(2, Mode.READ_WRITE, 30)], [seen(5, A), seen(20, B, 1)]
    )
    assert made_by_others.used.sha256 == B


def test_file_that_is_no_file_says_what_it_is():
    (pipe,) = assign([touch(1, Mode.READ, 10, kind="fifo")])
    assert pipe.used.undigested == "a named pipe"


def test_writing_the_same_content_is_a_new_version_of_equal_content():
    read, wrote = assign(
        [touch(1, Mode.READ, 10), touch(2, Mode.WRITE, 20)], [seen(5, A), seen(30, A, 2)]
    )
    assert read.used.number != wrote.generated.number
    assert read.used.sha256 == wrote.generated.sha256


def test_what_an_activity_makes_it_makes_once():
    wrote, again = assign([touch(1, Mode.WRITE, 10), touch(1, Mode.READ_WRITE, 20)], [seen(30, A)])
    assert wrote.generated.sha256 == A
    assert (again.touch.mode, again.used, again.generated) == (Mode.READ, wrote.generated, None)
    (both,) = assign([touch(1, Mode.READ_WRITE, 10), touch(1, Mode.WRITE, 20)])
    assert (both.touch.mode, both.touch.accesses) == (Mode.READ_WRITE, 2)


def test_bringing_the_output_of_a_task_home_makes_no_version():
    task = touch(1, Mode.WRITE, 10)._replace(owner=Owner(1, "task.3", "worker-1"))
    home = touch(0, Mode.WRITE, 20)._replace(owner=Owner())
    (made,) = assign([task, home], [seen(30, A)])
    assert made.touch == task
    assert made.generated.sha256 == A
