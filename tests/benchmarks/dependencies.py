"""What a closure costs in a long run, and use cases in roots that hold their workers' sets.

python -m tests.benchmarks.dependencies [--cells 200] [--tasks 1000]
python -m tests.benchmarks.dependencies --roots FOLDER    (observes the Dask use cases below FOLDER)

The first prints CPU seconds of one process: with nothing read before, with modules' imports kept,
and by part. What lies behind a cell through files is found three ways, with equal answers.
The second starts a worker of each use case in a root that holds its exact set alone, has it run a
task, and does so again without each of the packages.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx

import nbrepro
from nbrepro.config import Project
from nbrepro.dependencies.facts import Facts
from nbrepro.runs import Run
from nbrepro.stores import open_store
from tests.graphs import GraphMaker, time_text

ENVIRONMENT = ("numpy", "pandas", "distributed", "matplotlib.pyplot", "ipykernel.kernelapp")
WORKERS = 10


def loaded_files() -> list[str]:
    """List the files of the modules that a process has which imported all of the environment."""
    code = f"""
import importlib, sys
for name in {ENVIRONMENT!r}: importlib.import_module(name)
print(*sorted(filter(None, (getattr(m, '__file__', None) for m in list(sys.modules.values())))),
      sep='\\n')
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split("\n")[:-1]


def long_run(root: Path, cells: int, tasks: int) -> GraphMaker:
    """Say a run in which each cell uses the one before, in memory and through a file, and sends
    tasks that read what it wrote."""
    maker = GraphMaker(run="20261122-204501-long", number=9)
    maker.start(notebook=str(root / "n.ipynb"))
    members = [maker.software(path, owner_of(maker, path)) for path in loaded_files()]
    maker.footprint(maker.session, members)
    agents = [make_worker(maker, number, members) for number in range(WORKERS)]
    before = maker.file("/p/0.csv", "0")
    for number in range(1, cells + 1):
        activity = maker.cell(number, source=source_of(number))
        if number == 1:
            maker.footprint(activity, members)
        maker.reads(activity, before, 10.0 * number)
        before = maker.file(f"/p/{number}.csv", f"{number}")
        maker.writes(activity, before, 10.0 * number + 0.1)
        for _ in range(tasks // cells):
            make_task(maker, number, agents, before)
    return maker


def source_of(number: int) -> str:
    if number == 1:
        return "import numpy as np\nimport pandas as pd\nimport matplotlib.pyplot as plt\nx0 = 1"
    return f"x{number} = np.add(x{number - 1}, 1)\ndef f{number}(p):\n    return np.load(p)\n"


def owner_of(maker: GraphMaker, path: str) -> str:
    rest = path.partition("/site-packages/")[2]
    if not rest:
        return maker.package("python", "3.11", "python")
    return maker.package(rest.partition("/")[0].partition(".")[0])


def make_worker(maker: GraphMaker, number: int, members: list[str]) -> tuple[str, str]:
    name = f"w{number}"
    agent = maker.scoped(f"worker/{name}", "Worker", worker=name, engine="dask", host="h1",
                         status="ok", tracer="strace")  # fmt: skip
    session = maker.scoped(f"session/{name}", "Session", label=name)
    maker.edge("wasAssociatedWith", session, agent)
    maker.edge("atLocation", agent, f"{maker.base}host/h1")
    maker.footprint(session, members)
    return name, agent


def make_task(maker: GraphMaker, cell: int, agents: list[tuple[str, str]], given: str) -> None:
    number = len(maker.statements)
    worker, agent = agents[number % len(agents)]
    name = f"t{number}"
    task = maker.scoped(
        f"task/{name}", "Task", task=name, engine="dask", function=f"f{max(cell, 2)}", attempt=1,
        worker=worker, host="h1", status="ok", observed=True, unused_inputs="[]", execution=cell,
        cell=cell, started=time_text(10.0),
    )  # fmt: skip
    maker.edge("wasInformedBy", task, f"{maker.base}execution/{cell}")
    maker.edge("wasAssociatedWith", task, agent)
    maker.reads(task, given, 10.0 * cell + 0.2, task=name, worker=worker)


def timed(what: str, act: Callable[[], Any]) -> Any:
    start = time.process_time()
    given = act()
    print(f"{what:<58}{time.process_time() - start:>8.2f}")
    return given


def behind_in_networkx(run: Run, cell: int) -> set[int]:
    """Find the executions behind a cell through files, in the graph as networkx has it."""
    graph, flow = run.graph(), networkx.DiGraph()
    for source, target, data in graph.edges(data=True):
        if data["relation"] in ("used", "wasGeneratedBy"):
            flow.add_edge(source, target)
    own = [n for n, d in graph.nodes(data=True)
           if d.get("cell") == cell and d["kind"] in ("CellExecution", "Task")]  # fmt: skip
    found = {node for one in own for node in networkx.descendants(flow, one)}
    return {d["execution"] for n, d in graph.nodes(data=True) if n in found and "execution" in d}


def behind_in_store(run: Run, cell: int) -> set[int]:
    """Ask the store the same."""
    table = run.provenance.answer("activities-behind-cell", {"run": run.id, "cell": cell})
    return {row["execution"] for row in table.records()}  # type: ignore[misc]


def behind_by_rows(run: Run, cell: int) -> set[int]:
    """Follow the rows of `edges-of-run`, as closures do."""
    facts = Facts(run._ask, run.row.host, run.row.notebook)
    found: set[int] = set()
    steps = [step for step in facts.steps if step.execution == cell]
    while steps:
        taken = [e.version for s in steps for e in facts.edges.get(s, ()) if e.mode == "used"]
        makers = {facts.makers[version] for version in taken if version in facts.makers}
        steps = [maker for maker in makers if maker.execution not in found]
        found |= {maker.execution for maker in makers}
    return found


def measure(cells: int, tasks: int) -> None:
    """Print what closures cost."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory).resolve()
        os.environ["XDG_CACHE_HOME"] = str(root / "cache")
        project, maker = Project(root), long_run(root, cells, tasks)
        project.home.mkdir()
        with open_store(project.store) as store:
            store.load(maker.run, maker.uuid, maker.statements)
        print(f"{cells} cells, {tasks} tasks, {len(maker.statements)} statements: CPU seconds")
        with nbrepro.open(root) as provenance:
            run = provenance.run()
            for words in ("modules read for the first time", "as a user meets it"):
                timed(f"closure of the last cell, {words}",
                      lambda: run.dependencies(cell=cells, closure=True))  # fmt: skip
            timed("closure of one worker", lambda: run.dependencies(worker="w1", closure=True))
            timed("closure of the whole run", lambda: run.dependencies(closure=True))
            timed("direct, of the last cell", lambda: run.dependencies(cell=cells))
            ways = {"the store": behind_in_store, "networkx": behind_in_networkx,
                    "rows of edges": behind_by_rows}  # fmt: skip
            found = [
                timed(f"files behind the last cell, by {name}", lambda act=act: act(run, cells))
                for name, act in ways.items()
            ]
            assert found[0] == found[1] == found[2], "the ways disagree"


def prove_all(folder: Path) -> None:
    """Print what becomes of a task of each use case in the root of its worker's set."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    import use_cases
    from worker_roots import prove

    print(f"{'use case':<14}{'packages':>9}{'MiB':>6}  {'runs in the root':<18}without one of them")
    for case in use_cases.CASES:
        place = use_cases.copy_notebooks(folder / case)
        command = [sys.executable, "-m", "nbrepro", "run", f"{case}-dask.ipynb", "--no-progress"]
        subprocess.run(command, cwd=place, capture_output=True, check=True)
        proof = prove(place, case, folder / case / "root")
        runs = "as recorded" if proof.whole == proof.expected else proof.whole[:60]
        fails = len(proof.without) - len(proof.idle)
        idle = ", ".join(proof.idle) or "none"
        print(f"{case:<14}{len(proof.without):>9}{proof.bytes >> 20:>6}  {runs:<18}"
              f"{fails} of {len(proof.without)} fail; idle: {idle}")  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=200)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--roots", type=Path)
    arguments = parser.parse_args()
    if arguments.roots:
        prove_all(arguments.roots)
    else:
        measure(arguments.cells, arguments.tasks)
