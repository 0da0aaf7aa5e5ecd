"""What nbrepro says of each TaskVine task is what the task says of itself.

The truth is the tasks' own (see `scenarios`); the answers come from the public command, asked on
the manager's host, where the workers' traces came home through TaskVine itself.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import hosts as simulated
import pytest
import scenarios
from hosts import Hosts, OpenHosts

pytestmark = [pytest.mark.live(*simulated.PROGRAMS), pytest.mark.timeout(900)]
CALIBRATION = "/data/calibration.txt"
FORMS = ("plain-tasks", "two-cells-submit", "undeclared-reads", "mini-tasks", "maps")
of_forms = pytest.mark.xdist_group("taskvine-forms")  # the notebook runs once
Touched = set[tuple[str, str]]


def ask(opened: Hosts, *words: str) -> list[dict[str, Any]]:
    done = opened.manager.run(["nbrepro", *words, "--json"], timeout_s=120)
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def number_of(task: str) -> int:
    """Give the manager's number of a task; 0 for mini tasks, which workers number themselves."""
    found = re.fullmatch(r"\d+\.(\d+)(#\d+)?", task)
    return int(found[1]) if found else 0


def truth_of(task: dict[str, Any]) -> Touched:
    """Give what a task read and wrote, by the manager's paths where those are declared."""
    touched: Touched = set()
    for mode, pairs in (("read", task["reads"]), ("write", task["writes"])):
        for inside, outside in pairs:
            path = str(Path(scenarios.FOLDER) / outside) if outside else inside
            if outside or not inside.startswith(task["sandbox"]):
                touched.add((mode, path))
    return touched


def answered(rows: list[dict[str, Any]]) -> dict[int, Touched]:
    """Group the rows of tasks by the task's number."""
    found: dict[int, Touched] = defaultdict(set)
    for row in rows:
        if row["task"]:
            modes = {"read-write": ("read", "write")}.get(row["mode"], (row["mode"],))
            found[number_of(row["task"])] |= {(mode, row["path"]) for mode in modes}
    return found


def check_attribution(opened: Hosts, play: scenarios.Play) -> None:
    """Compare what each task touched, its cell and its host with its own words."""
    assert play.tasks
    found = answered(ask(opened, "data"))
    known = {number_of(task["task"]): task for task in ask(opened, "tasks") if task["attempt"] == 1}
    for task in play.tasks:
        assert known[task["number"]]["cell"] == task["cell"]
        assert found[task["number"]] == truth_of(task)
        assert known[task["number"]]["host"] == task["host"]
        assert known[task["number"]]["function"] == task.get("function")
    reported = {number for number, touched in found.items() if touched and number}
    assert reported <= {task["number"] for task in play.tasks if truth_of(task)}
    check_undeclared(opened, play)


def check_undeclared(opened: Hosts, play: scenarios.Play) -> None:
    """Compare which inputs are said to be undeclared or unused with the tasks' own words."""
    rows = ask(opened, "tasks", "--undeclared")
    for finding in ("undeclared", "unused"):
        said = {(number_of(r["task"]), Path(r["path"]).name) for r in rows
                if r["finding"] == finding}  # fmt: skip
        assert said == {
            (task["number"], Path(path).name) for task in play.tasks
            for path in task.get(finding, ())
        }  # fmt: skip


def check_workers(opened: Hosts) -> None:
    """Check that each worker's trace came home, with its address and how far its clock may be off.

    The hosts share one clock.
    """
    workers = ask(opened, "workers")
    assert [row["status"] for row in workers] == ["ok"] * len(workers)
    assert sorted(row["host"] for row in workers) == [host.name for host in opened.workers]
    for row in workers:
        assert row["address"].startswith(f"{opened[row['host']].address}:")
        assert 0 < row["clock_error_ns"] < 5_000_000_000
        assert row["clock_offset_ns"] == 0


def observe(opened: Hosts, names: str | Sequence[str], timeout_s: float = 240) -> scenarios.Play:
    scenarios.start_workers(opened, scenarios.OBSERVED_WORKER)
    return scenarios.play(opened, names, scenarios.OBSERVED, timeout_s)


@pytest.fixture(scope="module")
def forms(
    taskvine_root: Path, nbrepro_layer: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Hosts, scenarios.Play]]:
    """Run the forms of tasks that need no library in one notebook, each task told by itself."""
    base = tmp_path_factory.mktemp("forms")
    with simulated.open_hosts(taskvine_root, base, 3, [nbrepro_layer]) as opened:
        for host in opened.workers:
            host.put(CALIBRATION, f"calibration of {host.name}\n")
        yield opened, observe(opened, FORMS, 400)


@of_forms
def test_each_task_touched_what_it_says(forms: tuple[Hosts, scenarios.Play]):
    opened, play = forms
    scenarios.check_truths(play, {"Task": 8 + 12 + 6 + 7, "PythonTask": 3 + 2 + 1})
    scenarios.check_outputs(play, opened)
    check_attribution(opened, play)
    check_workers(opened)


@of_forms
def test_two_cells_that_submit_at_once_are_told_apart(forms: tuple[Hosts, scenarios.Play]):
    _, play = forms
    (said,) = [cell for cell in scenarios.told(play.notebook, "@cell") if "changes" in cell]
    cells = Counter(task["cell"] for task in play.tasks)
    assert (cells[said["execution"] - 2], cells[said["execution"] - 1]) == (6, 6)
    assert said["changes"] >= 2


@of_forms
def test_what_a_map_runs_on_the_manager_is_the_cells_own(forms: tuple[Hosts, scenarios.Play]):
    opened, play = forms
    (told,) = [cell for cell in scenarios.told(play.notebook, "@cell") if "reads" in cell]
    rows = [row for row in ask(opened, "data") if row["execution"] == told["execution"]]
    assert {row["task"] for row in rows} == {None}
    assert {row["path"] for row in rows if row["mode"] == "read"} == set(told["reads"])
    functions = {
        row["function"] for row in ask(opened, "tasks") if row["cell"] == told["execution"]
    }
    assert functions == {"map(read)"}


@of_forms
def test_a_mini_task_is_of_the_cell_that_declares_it(forms: tuple[Hosts, scenarios.Play]):
    opened, play = forms
    (told,) = scenarios.told(play.notebook, "@mini")
    minis = {r["task"]: r for r in ask(opened, "tasks") if r["function"] == "cooked.txt"}
    assert {row["host"] for row in minis.values()} == {"w1", "w2", "w3"}
    assert {row["cell"] for row in minis.values()} == {told["cell"]}
    assert {row["status"] for row in minis.values()} == {"ok"}
    assert all(0 < row["seconds"] < 30 for row in minis.values())
    rows = [row for row in ask(opened, "data") if row["task"] in minis]
    assert {(row["mode"], row["path"]) for row in rows} == {("read", told["path"])}
    assert {row["task"] for row in rows} == set(minis)


@of_forms
def test_what_differs_between_workers_is_reported(forms: tuple[Hosts, scenarios.Play]):
    opened, play = forms
    drift = [row for row in ask(opened, "drift") if row["subject"] == CALIBRATION]
    readers = {task["host"] for task in play.tasks if CALIBRATION in task.get("undeclared", ())}
    assert len(readers) > 1
    assert {row["host"] for row in drift} == readers


@pytest.mark.parametrize(
    ("name", "kinds"),
    [("function-calls", {"FunctionCall": 9}), ("library-stays", None), ("futures-executor", None),
     ("dask-vine", None)],
)  # fmt: skip
def test_each_call_of_a_library_or_executor_touched_what_it_says(
    open_hosts: OpenHosts, name: str, kinds: dict[str, int] | None
):
    opened = open_hosts()
    for host in opened.workers:
        host.put(CALIBRATION, "calibration\n")
    play = observe(opened, name)
    if kinds:
        scenarios.check_truths(play, kinds)
        scenarios.check_outputs(play, opened)
    check_attribution(opened, play)
    check_workers(opened)


def test_a_worker_that_may_not_trace_runs_and_is_unobserved(open_hosts: OpenHosts):
    opened = open_hosts(tracing={"w2": "forbidden", "w3": "no strace"})
    play = observe(opened, "plain-tasks")
    assert set(play.task_hosts()) == {"w1", "w2", "w3"}
    workers = {row["host"]: row for row in ask(opened, "workers")}
    assert workers["w1"]["status"] == "ok"
    for name in ("w2", "w3"):
        assert workers[name]["status"] == "unobserved"
        assert workers[name]["error"]
    found = answered(ask(opened, "data"))
    for task in play.tasks:
        if task["host"] == "w1":
            assert found[task["number"]] == truth_of(task)


def test_the_attempt_of_a_killed_worker_stands_apart(open_hosts: OpenHosts):
    opened = open_hosts()
    victim = opened["w2"]
    victim.put("/data/hang", "")
    scenarios.start_workers(opened, scenarios.OBSERVED_WORKER)
    case = scenarios.load_scenario("killed-worker")
    program = scenarios.start_notebook(opened.manager, case, scenarios.OBSERVED)
    hanging, deadline = victim.path_inside("/data/hanging"), time.monotonic() + 60
    while not hanging.exists():
        assert time.monotonic() < deadline, "no task began on the victim"
        time.sleep(0.05)
    victim.kill()
    play = scenarios.finish(opened, program, 240)
    scenarios.check_truths(play, {"Task": 6})
    scenarios.check_outputs(play, opened)
    assert set(play.task_hosts()) <= {"w1", "w3"}
    (left,) = [path for path in victim.written() if path.endswith("/partial.txt")]
    number = int(left.split("/task.")[1].split("/")[0])
    assert number in {task["number"] for task in play.tasks}
    attempts = ask(opened, "tasks")
    repeated = {number_of(row["task"]) for row in attempts if row["attempt"] > 1}
    assert number in repeated
    lost = [row for row in attempts if number_of(row["task"]) in repeated and row["attempt"] == 1]
    assert {row["observed"] for row in lost} == {False}
    assert {w["host"] for w in ask(opened, "workers") if w["status"] != "ok"} == {"w2"}
    found = answered(ask(opened, "data"))
    for task in play.tasks:
        assert found[task["number"]] == truth_of(task)


def test_workers_of_a_factory_in_the_notebook_are_in_the_kernels_trace(open_hosts: OpenHosts):
    opened = open_hosts(workers=0)
    shim = ["nbrepro", "worker", "--shim", "/work/observed_worker", "--", "vine_worker"]
    assert opened.manager.run(shim).returncode == 0
    play = scenarios.play(opened, "factory", scenarios.OBSERVED)
    check_attribution(opened, play)
    workers = ask(opened, "workers")
    assert [(row["status"], row["tracer"]) for row in workers] == [("ok", "strace")] * 3


def test_workers_of_a_factory_elsewhere_bring_their_own_traces(open_hosts: OpenHosts):
    opened = open_hosts(workers=1)
    (host,) = opened.workers
    shim = ["nbrepro", "worker", "--shim", "/work/vine_worker", "--", "vine_worker"]
    assert host.run(shim).returncode == 0
    host.start([
        "vine_factory", "-T", "local", "--min-workers=3", "--max-workers=3", "--cores=1",
        "--memory=1000", "--disk=2000", "--worker-binary=/work/vine_worker",
        opened.manager.name, str(scenarios.PORT),
    ])  # fmt: skip
    play = scenarios.play(opened, "plain-tasks", scenarios.OBSERVED)
    check_attribution(opened, play)
    workers = ask(opened, "workers")
    assert [row["status"] for row in workers] == ["ok"] * 3
    assert len({row["pid"] for row in workers}) == 3


def test_a_thousand_short_tasks_are_told_apart(open_hosts: OpenHosts):
    opened = open_hosts()
    play = observe(opened, "thousand-tasks", 500)
    scenarios.check_truths(play, {"Task": 1000})
    assert set(play.task_hosts()) == {"w1", "w2", "w3"}
    check_attribution(opened, play)
    (told,) = scenarios.told(play.notebook, "@cell")
    print(f"1,000 tasks on 3 observed workers took {told['seconds']:.1f} s")
    check_workers(opened)
