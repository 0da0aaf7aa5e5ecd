"""One run of a notebook on separate TaskVine hosts, plain or observed, and what it cost."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "live/taskvine"))

import corpus
import hosts
import layers
import make_root
import nbformat
import scenarios
import use_cases
from accounts import Bill, account, read_bill
from hosts import Hosts

FOLDER = "/work/notebooks"
ENVIRONMENT = {
    "VINE_PORT": str(scenarios.PORT), "LOCAL_WORKERS": "0", "MPLBACKEND": "agg",
    "OPENBLAS_NUM_THREADS": "1",
}  # fmt: skip
LIMIT_S = 1800


def lack() -> str:
    """Say why there can be no hosts here; empty where there can."""
    return hosts.lack_of_hosts(Path("/tmp")) or make_root.lack_of_tools()


class Stage:
    """The root, with nbrepro in it, and a place for the hosts of each run."""

    def __init__(self, base: Path) -> None:
        self.root = make_root.cached_root(make_root.USE_CASE_PACKAGES, make_root.USE_CASE_DATA)
        self.base = base
        self.layer = layers.make_nbrepro_layer(self.root, base)
        self.runs = 0

    def run(
        self,
        put: Callable[[hosts.Host], str],
        observed: bool,
        workers: int,
        environment: dict[str, str],
        ask: Callable[[Hosts], None],
    ) -> Bill:
        """Run the notebook that `put` writes on the manager, and `ask` the hosts afterwards."""
        self.runs += 1
        place = self.base / f"run-{self.runs}"
        place.mkdir()
        command = scenarios.OBSERVED_WORKER if observed else scenarios.WORKER
        with (
            account() as seconds,
            hosts.open_hosts(self.root, place, workers, [self.layer]) as opened,
        ):
            path = put(opened.manager)
            before = seconds()
            programs = scenarios.start_workers(opened, command)
            began = time.monotonic()
            words = [*(scenarios.OBSERVED if observed else scenarios.PLAIN), path]
            program = opened.manager.start(words, env=environment, cwd=str(Path(path).parent))
            code, ended_ns = program.wait(LIMIT_S), time.time_ns()
            wall = time.monotonic() - began
            if code:
                raise SystemExit(f"{words} ended with {code}: {program.output[-3000:]}")
            for worker in programs:
                worker.end()
            bill = Bill(wall, seconds() - before)
            if observed:
                bill = read_bill(bill, ended_ns, opened.manager.path_inside("/work"))
                ask(opened)
        shutil.rmtree(place, ignore_errors=True)
        return bill


def put_use_case(case: str) -> Callable[[hosts.Host], str]:
    """Give what copies the use cases to a host."""

    def put(manager: hosts.Host) -> str:
        ignored = shutil.ignore_patterns("results", ".nbrepro", ".ipynb_checkpoints")
        target = manager.path_inside(FOLDER)
        shutil.copytree(use_cases.NOTEBOOKS, target, ignore=ignored)
        return f"{FOLDER}/{case}-taskvine.ipynb"

    return put


def put_scenario(name: str) -> Callable[[hosts.Host], str]:
    """Give what writes a scenario's notebook to a host."""

    def put(manager: hosts.Host) -> str:
        path = f"{scenarios.FOLDER}/{name}.ipynb"
        notebook = corpus.to_notebook(scenarios.load_scenario(name))
        manager.put(path, nbformat.writes(notebook))
        return path

    return put


def place_on(opened: Hosts) -> use_cases.Place:
    """Give the place of the use cases on the manager's host."""

    def ask(*words: str) -> list[use_cases.Row]:
        done = opened.manager.run(["nbrepro", *words, "--json"], cwd=FOLDER, timeout_s=300)
        rows: list[use_cases.Row] = json.loads(done.stdout)
        return rows

    samples = Path("/") / make_root.SITE / "esmvaltool_sample_data"
    return use_cases.Place(Path(FOLDER), samples, ask, opened.manager.path_inside("/"))
