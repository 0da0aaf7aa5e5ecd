"""Dask in an observed notebook: each task's marks, each task's record, and nothing else changed."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from urllib.parse import unquote

import jsonschema
import pytest
from click.testing import CliRunner
from commands import ask
from observing import Observed, observe, run_plainly, write_notebook

from nbrepro.capture.kernel import BOOTSTRAP
from nbrepro.cli.program import program
from nbrepro.config import Project
from nbrepro.engines import read_engines
from nbrepro.ingest import ingest
from nbrepro.resources import find_resources
from nbrepro.rundir import SUBMITS
from nbrepro.stores import open_store

pytest.importorskip("distributed")

CELLS = [
    "import os, dask, traceback\nimport dask.array as da, dask.bag as db\n"
    "from distributed import Client, LocalCluster\n"
    "cluster = LocalCluster(n_workers=2, threads_per_worker=1, processes={processes},"
    " dashboard_address=':0', silence_logs=50)\nclient = Client(cluster)\n"
    "shared = os.path.abspath('shared')\nopen(shared, 'w').write('abc')\n"
    "def read(n): return len(open(shared).read()) * n\n"
    "def fail(n): raise ValueError(n)\n"
    "async def slowly(n): return n\n"
    "def nested(n):\n    from distributed import get_client\n"
    "    return get_client().submit(read, n, pure=False).result()",
    "futures = client.map(read, range(4))\n"
    "keyed = client.submit(abs, -5)\n"
    "client.gather(futures), keyed.key, keyed.result(), "
    "client.submit(read, 3, key='named').result()",
    "with dask.annotate(priority=3, mine='x'):\n    d = [dask.delayed(read)(n) for n in (10, 11)]\n"
    "dask.compute(*d), db.from_sequence([1, 2], npartitions=2).map(read).compute()",
    "x = da.ones((4,), chunks=2).map_blocks(lambda b: b * read(1))\n"
    "x.sum().compute(), da.ones((4,), chunks=2).name",
    "try: client.submit(fail, 3).result()\n"
    "except ValueError: print(traceback.format_exc().partition('in fail')[2])\n"
    "failed = client.submit(fail, 4)\n"
    "[f.name for f in traceback.extract_tb(failed.traceback())], failed.exception()",
    "client.submit(slowly, 5).result(), client.submit(nested, 7).result()",
    "client.close(); cluster.close()",
]


def observe_dask(folder, processes: bool) -> Observed:
    sources = [CELLS[0].replace("{processes}", str(processes)), *CELLS[1:]]
    observed = observe(write_notebook(folder, sources))
    assert observed.outcome.status == "ok", observed.outcome.error
    return observed


def events_of(observed: Observed):
    return [json.loads(line) for line in (observed.outcome.directory / SUBMITS).open()]


def task_marks(observed: Observed):
    """Give thread, edge, execution and key of each task's marks."""
    words = [(tid, text.split("/")) for tid, text in observed.marks if text.startswith("task/")]
    return [(tid, edge, int(number), unquote(key)) for tid, (_, edge, number, key, *_) in words]


@pytest.mark.live
@pytest.mark.parametrize("processes", [True, False], ids=["processes", "threads"])
def test_tasks_are_marked_in_their_threads_and_nothing_else_changes(tmp_path, processes):
    observed = observe_dask(tmp_path, processes)
    schema = json.loads((find_resources("schemas") / "submits.schema.json").read_text())
    events = events_of(observed)
    for event in events:
        jsonschema.validate(event, schema)
    assert not [e for e in events if e["event"] == "problem"]

    tasks = read_engines(observed.directory).tasks
    marks = task_marks(observed)
    starts = {(execution, key) for _, edge, execution, key in marks if edge == "start"}
    in_threads = {(t.execution, t.task) for t in tasks if t.observed}
    assert starts == in_threads
    for tid, key in {(tid, key) for tid, _, _, key in marks}:
        edges = [edge for t, edge, _, k in marks if (t, k) == (tid, key)]
        assert edges == ["start", "end"], key

    by_cell = {n: {t.function for t in tasks if t.execution == n} for n in range(1, 8)}
    assert by_cell[2] == {"read", "abs"}
    assert "read" in by_cell[3] and not any("from_sequence" in name for name in by_cell[3])
    assert any("sum" in function for function in by_cell[4])
    assert by_cell[5] == {"fail"}
    assert by_cell[6] == {"slowly", "nested", "read"}
    assert by_cell[1] == by_cell[7] == set()
    [hidden] = [t for t in tasks if not t.observed]
    assert (hidden.function, hidden.status) == ("slowly", "ok")
    assert {t.status for t in tasks if t.function == "fail"} == {"failed"}
    assert all(t.started_ns <= t.ended_ns for t in tasks)
    assert len({t.worker for t in tasks}) == 2

    opened = observed.owners(str(tmp_path / "shared"))
    assert opened.count("task 2") == 5  # four of them by map
    assert opened.count("task 3") == 4
    assert opened.count("task 6") == 1
    if processes:
        assert observed.outputs() == run_plainly(tmp_path / "small.ipynb")


@pytest.mark.live
def test_probes_of_engines_are_compiled_when_an_engine_is_imported(tmp_path):
    loaded = "'nbrepro.dask' in __import__('sys').__dict__"
    sources = [loaded, f"import dask\n{loaded}", f"from distributed import Client\n{loaded}"]
    observed = observe(write_notebook(tmp_path, sources))
    assert observed.outputs() == ["False", "False", "True"]
    # What the import costs the cell is not said to be the cell's own.
    probe = str(BOOTSTRAP.with_name("dask.py"))
    assert observed.owners(probe) == [""]


LATE = [
    "from distributed import Client, LocalCluster\n"
    "from distributed.worker import Worker\n"
    "told = Worker.log_event\n"
    "def later(self, *words): self.loop.call_later(2, told, self, *words)\n"
    "Worker.log_event = later\n"
    "cluster = LocalCluster(n_workers=2, threads_per_worker=1, processes=False,"
    " dashboard_address=None)\nclient = Client(cluster)",
    "from distributed import get_worker\n"
    "def double(n):\n    open(f'{n}.txt', 'w').write(get_worker().address)\n    return 2 * n\n"
    "import time\nclient.gather(client.map(double, range(4))), time.sleep(0.3)",
    "other = Client(cluster)\nother.gather(other.map(double, range(4, 8)))\nother.close()",
    "client.close(); cluster.close()",
]


@pytest.mark.live
def test_what_a_slow_worker_tells_is_asked_for_and_logged_once(tmp_path):
    """Workers' words overtake one another on a busy machine: here they are two seconds late."""
    observed = observe(write_notebook(tmp_path, LATE))
    assert observed.outcome.status == "ok", observed.outcome.error
    engines = read_engines(observed.directory)
    tasks = engines.tasks
    assert [(t.execution, t.function, t.status, t.attempt) for t in tasks] == [
        (number, "double", "ok", 1) for number in (2, 3) for _ in range(4)
    ]
    assert len(engines.workers) == 2
    assert all(task.observed and task.worker for task in tasks)
    assert not [e for e in events_of(observed) if e["event"] == "problem"]
    check_workers_that_share_a_process(tmp_path, observed)


def check_workers_that_share_a_process(folder, observed):
    """Compare the workers of the rows with those that the tasks wrote into their files."""
    with open_store(Project(folder).store) as store:
        ingest(observed.directory, store)
    rows = [row for row in ask(folder, "data") if row["mode"] == "write"]
    assert len(rows) == 8
    assert all(Path(row["path"]).read_text() == row["worker"] for row in rows)
    with contextlib.chdir(folder):
        said = CliRunner().invoke(program, ["tasks", "--undeclared"])
    assert "are Dask's, which declare no files" in said.output
