"""TaskVine's sandboxes tell the task of a process, and their files are the manager's."""

from __future__ import annotations

from nbrepro.model import (
    Access,
    Birth,
    Certainty,
    Entered,
    Evidence,
    Mark,
    Mode,
    Owner,
    Process,
    Tid,
    Touch,
)
from nbrepro.owners import Attribution, owned
from nbrepro.sandboxes import Declarations, Sandboxes, split_sandbox
from nbrepro.tasks import TaskFile, TaskRecord
from nbrepro.versions import Versions

WORKER = Process(1, 1, 0, "/usr/bin/vine_worker")
SPACE = "/tmp/worker-0-1"


def task(name, sandbox, execution=3, worker="w1", inputs=(), outputs=()):
    return TaskRecord(
        name, "taskvine", "f", execution, 1, worker, "h1", 0, 0, "ok",
        tuple(TaskFile(*i) for i in inputs), tuple(TaskFile(*o) for o in outputs), True, sandbox,
    )  # fmt: skip


def attribute(steps, tasks):
    attribution = Attribution(worker="w1", sandboxes=Sandboxes("w1", tasks))
    return [(o.owner, o.evidence) for o in owned(steps, attribution) if hasattr(o, "access")]


def enter(tid, path):
    return Entered(1, 1, Tid(tid), WORKER, path)


def read(tid, path="/x"):
    return Access(1, 1, Tid(tid), WORKER, Mode.READ, path, path)


def touch(owner, mode, path, at=10, **known):
    return Touch(owner, mode, path, path, known.pop("target", ""), "file", "9 sh", "h1",
                 Evidence.SANDBOX, Certainty.EXACT, 1, at, at, 1, False, **known)  # fmt: skip


def test_process_belongs_to_the_task_whose_sandbox_it_enters_and_its_children_too():
    steps = [
        read(1),
        Birth(1, 1, Tid(1), Tid(9), False, WORKER),
        enter(9, f"{SPACE}/task.4"),
        read(9),
        Birth(1, 1, Tid(9), Tid(10), False, WORKER),
        read(10),
    ]
    mine = Owner(3, "9123.4", "w1")
    assert attribute(steps, [task("9123.4", "task.4")]) == [
        (Owner(worker="w1"), Evidence.INHERITED),
        (mine, Evidence.SANDBOX),
        (mine, Evidence.INHERITED),
    ]


def test_library_that_moves_between_calls_changes_owner_with_the_directory():
    steps = [
        enter(5, f"{SPACE}/libr.2"), read(5), enter(5, f"{SPACE}/func.7"), read(5),
        enter(5, f"{SPACE}/libr.2"), read(5),
    ]  # fmt: skip
    tasks = [task("9.2", "libr.2", 1), task("9.7", "func.7", 4)]
    assert [owner.task for owner, _ in attribute(steps, tasks)] == ["9.2", "9.7", "9.2"]


def test_sandbox_of_an_unknown_task_is_still_a_task_of_no_known_cell():
    ((owner, _),) = attribute([enter(5, f"{SPACE}/mini.1"), read(5)], [])
    assert owner == Owner(0, "mini.1", "w1")


def test_task_of_another_worker_is_not_taken_for_this_workers():
    ((owner, _),) = attribute(
        [enter(5, f"{SPACE}/task.4"), read(5)], [task("9.4", "task.4", worker="w2")]
    )
    assert owner.task == "task.4"


def test_marks_of_tasks_carry_cell_key_and_worker():
    steps = [
        Mark(1, 1, Tid(5), WORKER, ("worker", "tcp://10.0.0.2:4000", "id")),
        Mark(1, 1, Tid(5), WORKER, ("task", "start", "3", "inc-1")),
        read(5),
        Mark(1, 1, Tid(5), WORKER, ("task", "end", "3", "inc-1")),
        read(5),
    ]
    owners = [o.owner for o in owned(steps, Attribution()) if hasattr(o, "access")]
    assert owners == [Owner(3, "inc-1", "tcp://10.0.0.2:4000"), Owner()]


def test_transfers_of_the_engines_client_belong_to_no_cell():
    steps = [
        Mark(1, 1, Tid(5), WORKER, ("cell", "start", "2", "b")),
        Mark(1, 1, Tid(5), WORKER, ("transfer", "start")),
        read(5),
        Mark(1, 1, Tid(5), WORKER, ("transfer", "end")),
        read(5),
    ]
    owners = [o.owner.execution for o in owned(steps, Attribution()) if hasattr(o, "access")]
    assert owners == [0, 2]


def test_files_of_a_sandbox_are_the_managers():
    mine = task("9.4", "task.4", inputs=[("in.csv", "/study/data/in.csv"), ("d", "/study/dir")],
                outputs=[("out.csv", "/study/out.csv")])  # fmt: skip
    declarations = Declarations([mine], "manager")
    owner = Owner(3, "9.4", "w1")
    mapped = list(
        declarations.map(
            [
                touch(owner, Mode.READ, f"{SPACE}/task.4/in.csv"),
                touch(owner, Mode.READ, f"{SPACE}/task.4/d/x/y.csv"),
                touch(owner, Mode.WRITE, f"{SPACE}/task.4/out.csv"),
                touch(owner, Mode.WRITE, f"{SPACE}/task.4/scratch"),
                touch(owner, Mode.READ, "/etc/hosts"),
            ]
        )
    )
    assert [(t.path, t.place) for t in mapped] == [
        ("/study/data/in.csv", "manager"),
        ("/study/dir/x/y.csv", "manager"),
        ("/study/out.csv", "manager"),
        (f"{SPACE}/task.4/scratch", ""),
        ("/etc/hosts", ""),
    ]
    assert [declarations.is_undeclared(t) for t in mapped] == [False, False, False, False, True]


def test_scratch_renamed_to_an_output_is_an_output_written():
    mine = task("9.4", "task.4", outputs=[("out.csv", "/study/out.csv")])
    inside = f"{SPACE}/task.4"
    renamed = touch(
        Owner(3, "9.4", "w1"), Mode.RENAME, inside + "/part", target=inside + "/out.csv"
    )
    mapped = list(Declarations([mine], "manager").map([renamed]))
    assert [(t.mode, t.path, t.place) for t in mapped] == [
        (Mode.REMOVE, inside + "/part", ""),
        (Mode.WRITE, "/study/out.csv", "manager"),
    ]


def test_declared_inputs_that_nobody_touched_are_listed():
    mine = task("9.4", "task.4", inputs=[("a", "/study/a"), ("b", "/study/b"), ("buffer", "")])
    declarations = Declarations([mine], "manager")
    list(declarations.map([touch(Owner(3, "9.4", "w1"), Mode.READ, f"{SPACE}/task.4/a")]))
    assert declarations.unused(mine) == ["/study/b"]


def test_bringing_an_output_home_is_no_new_version():
    made, used = Versions([]).assign(
        [
            touch(Owner(3, "9.4", "w1"), Mode.WRITE, "/study/out.csv", 10),
            touch(Owner(), Mode.WRITE, "/study/out.csv", 20),
            touch(Owner(5), Mode.READ, "/study/out.csv", 30),
        ]
    )
    assert made.touch.owner == Owner(3, "9.4", "w1")
    assert made.generated == used.used


def test_paths_outside_sandboxes_have_none():
    assert split_sandbox("/study/task.csv") is None
    assert split_sandbox(f"{SPACE}/task.4/a/b") == (SPACE, "task.4", "a/b")
