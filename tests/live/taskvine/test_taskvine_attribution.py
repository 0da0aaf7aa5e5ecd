"""What nbrepro says of each TaskVine task is what the task says of itself.

The truth is the tasks' own (see `scenarios`); the answers come from the public command, asked on
the manager's host, where the workers' traces came home through TaskVine itself.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import hosts as simulated
import pytest
import scenarios
from hosts import Hosts, OpenHosts

pytestmark = [pytest.mark.live(*simulated.PROGRAMS), pytest.mark.timeout(900)]
OBSERVED_WORKER = ("nbrepro", "worker", "--", "vine_worker")
Touched = set[tuple[str, str]]


def ask(opened: Hosts, *words: str) -> list[dict[str, Any]]:
    done = opened.manager.run(["nbrepro", *words, "--json"])
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def number_of(task: str) -> int:
    return int(task.rpartition(".")[2].partition("#")[0])


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
    """Compare what each task touched, its cell and its host with its own words.

    TaskVine 7.14.5 now and then does not send a collecting task to one of its workers; that
    worker is then said to be unobserved, and what it ran is not compared.
    """
    found = answered(ask(opened, "data"))
    known = {number_of(task["task"]): task for task in ask(opened, "tasks") if task["attempt"] == 1}
    unobserved = {w["host"] for w in ask(opened, "workers") if w["status"] == "unobserved"}
    assert len(unobserved) <= 1
    for task in play.tasks:
        assert known[task["number"]]["cell"] == task["cell"]
        if task["host"] not in unobserved:
            assert found[task["number"]] == truth_of(task)
            assert known[task["number"]]["host"] == task["host"]
    reported = {number for number, touched in found.items() if touched}
    assert reported <= {task["number"] for task in play.tasks if truth_of(task)}


def observe(opened: Hosts, name: str) -> scenarios.Play:
    scenarios.start_workers(opened, OBSERVED_WORKER)
    return scenarios.play(opened, name, scenarios.OBSERVED)


@pytest.mark.parametrize("name", ["plain-tasks", "two-cells-submit", "function-calls"])
def test_each_task_touched_what_it_says(open_hosts: OpenHosts, name: str):
    opened = open_hosts()
    check_attribution(opened, observe(opened, name))


def test_undeclared_and_unused_inputs_and_drift_are_reported(open_hosts: OpenHosts):
    opened = open_hosts()
    for host in opened.workers:
        host.put("/data/calibration.txt", f"calibration of {host.name}\n")
    play = observe(opened, "undeclared-reads")
    check_attribution(opened, play)
    rows = ask(opened, "tasks", "--undeclared")
    undeclared = {(number_of(r["task"]), r["path"]) for r in rows if r["finding"] == "undeclared"}
    unused = {(number_of(r["task"]), r["path"]) for r in rows if r["finding"] == "unused"}
    states = {w["host"]: w["status"] for w in ask(opened, "workers")}
    seen = [task for task in play.tasks if states[task["host"]] != "unobserved"]
    numbers = {task["number"] for task in seen}
    assert undeclared == {(number, "/data/calibration.txt") for number in numbers}
    assert unused == {(number, "/work/data/unused.txt") for number in numbers}


def test_a_worker_that_may_not_trace_runs_and_is_unobserved(open_hosts: OpenHosts):
    opened = open_hosts(tracing={"w2": "forbidden", "w3": "no strace"})
    play = observe(opened, "plain-tasks")
    assert set(play.task_hosts()) == {"w1", "w2", "w3"}
    workers = {row["host"]: row for row in ask(opened, "workers")}
    for name in ("w2", "w3"):
        assert workers[name]["status"] == "unobserved"
        assert workers[name]["error"]
    found = answered(ask(opened, "data"))
    for task in play.tasks:
        if task["host"] == "w1" and workers["w1"]["status"] != "unobserved":
            assert found[task["number"]] == truth_of(task)


def test_the_attempt_of_a_killed_worker_stands_apart(open_hosts: OpenHosts):
    opened = open_hosts()
    victim = opened["w2"]
    victim.put("/data/hang", "")
    scenarios.start_workers(opened, OBSERVED_WORKER)
    case = scenarios.load_scenario("killed-worker")
    program = scenarios.start_notebook(opened.manager, case, scenarios.OBSERVED)
    hanging, deadline = victim.path_inside("/data/hanging"), time.monotonic() + 60
    while not hanging.exists():
        assert time.monotonic() < deadline, "no task began on the victim"
        time.sleep(0.05)
    victim.kill()
    play = scenarios.finish(opened, program, 240)
    attempts = ask(opened, "tasks")
    repeated = {number_of(row["task"]) for row in attempts if row["attempt"] > 1}
    assert repeated
    lost = [row for row in attempts if number_of(row["task"]) in repeated and row["attempt"] == 1]
    assert {row["observed"] for row in lost} == {False}
    states = {w["host"]: w["status"] for w in ask(opened, "workers")}
    found = answered(ask(opened, "data"))
    for task in play.tasks:
        if states[task["host"]] != "unobserved":
            assert found[task["number"]] == truth_of(task)
