"""Two runs of a notebook with Dask workers on one machine differ in nothing but time."""

from __future__ import annotations

import pytest
from observing import observe_cells

from nbrepro.compare import compare
from nbrepro.compare.sources import Sources

pytestmark = pytest.mark.live("strace", "kernel", "distributed")

CELLS = (
    "from dask.distributed import Client, LocalCluster\n"
    "cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=':0')\n"
    "client = Client(cluster)\nclient",
    "def length(number):\n    return len(open('in.txt').read()) + number\n"
    "found = client.gather(client.map(length, range(6)))\nfound",
    "def keep(number):\n    open('out%d.txt' % number, 'w').write(str(number))\n    return number\n"
    "client.gather(client.map(keep, found))",
    "client.close()\ncluster.close()",
)


def test_runs_with_workers_do_not_differ_whoever_executed_which_task(tmp_path):
    runs = []
    for name in ("first", "second"):
        project = tmp_path / name
        project.mkdir()
        (project / "in.txt").write_text("abc")
        observed = observe_cells(project, *CELLS)
        assert observed.outcome.status == "ok", observed.outcome.error
        runs.append(Sources().read(str(observed.outcome.directory)))
    assert [len(activity.tasks) for activity in runs[0].executions] == [0, 6, 6, 0]
    comparison = compare(*runs)
    assert comparison.differences == ()
    assert comparison.unused == ()
