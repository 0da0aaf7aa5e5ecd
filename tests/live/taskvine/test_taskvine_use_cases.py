"""The use cases in their TaskVine form, on six hosts: each task touched what the sources say.

The notebooks are unchanged; workers on five hosts answer to the port in the environment. What
came home is judged by the notebooks' sources, and outputs by the overlays of the hosts.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import hosts as simulated
import make_root
import pytest
import scenarios
import use_cases
from hosts import Hosts, OpenHosts

pytestmark = [pytest.mark.live(*simulated.PROGRAMS), pytest.mark.timeout(900)]
FOLDER = "/work/notebooks"
WORKERS = 5
ENVIRONMENT = {
    "VINE_PORT": str(scenarios.PORT), "LOCAL_WORKERS": "0", "MPLBACKEND": "agg",
    "OPENBLAS_NUM_THREADS": "1",
}  # fmt: skip
OUTPUTS = {
    "convolution": ("convolved.png", "coffee.npy", "convolved/coffee-0360-0360.npy"),
    "trends": ("trends.csv.gz", "trends.png"),
    "dimuon": ("dimuon.root", "dimuon.png"),
}


def place_on(opened: Hosts) -> use_cases.Place:
    """Give the place of the use cases on the manager's host."""
    manager = opened.manager

    def ask(*words: str) -> list[use_cases.Row]:
        done = manager.run(["nbrepro", *words, "--json"], cwd=FOLDER)
        assert done.returncode == 0, done.stderr
        rows: list[use_cases.Row] = json.loads(done.stdout)
        return rows

    samples = Path("/") / make_root.SITE / "esmvaltool_sample_data"
    return use_cases.Place(Path(FOLDER), samples, ask, manager.path_inside("/"))


def observe(opened: Hosts, case: str) -> None:
    ignored = shutil.ignore_patterns("results", ".nbrepro", ".ipynb_checkpoints")
    target = opened.manager.path_inside(FOLDER)
    shutil.copytree(use_cases.NOTEBOOKS, target, ignore=ignored)
    scenarios.start_workers(opened, scenarios.OBSERVED_WORKER)
    words = [*scenarios.OBSERVED, f"{case}-taskvine.ipynb"]
    program = opened.manager.start(words, env=ENVIRONMENT, cwd=FOLDER)
    assert program.wait(use_cases.LIMIT_S) == 0, program.output[-3000:]


@pytest.mark.parametrize("case", use_cases.CASES)
def test_tasks_of_a_use_case_touch_what_its_source_says(open_hosts: OpenHosts, case: str):
    opened = open_hosts(WORKERS)
    observe(opened, case)
    place = place_on(opened)
    sight = use_cases.look(case, "taskvine", place)
    assert sight.recall == 1, sight.wrong
    assert sight.precision >= 0.99, sight.wrong
    assert sight.found == sight.truth
    workers = {row["host"]: row["status"] for row in place.ask("workers")}
    assert workers == {f"w{number}": "ok" for number in range(1, WORKERS + 1)}
    written = opened.manager.written()
    for name in OUTPUTS[case]:
        assert written[f"{FOLDER}/results/{case}-taskvine/{name}"] == "file"
    outside = {path.split("/")[1] for host in opened.workers for path in host.written()}
    assert outside <= {"tmp", "root"}
