"""The same rows from Neo4j as from Oxigraph: every question, on recorded runs and made-up ones."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

from nbrepro.ingest import ingest
from nbrepro.queries import load_questions
from nbrepro.stores import open_store
from tests.graphs import NEWLINE, NOT_UTF8, demo, plausible_run
from tests.observing import observe, observe_cells
from tests.test_tasks import RUN as WITH_TASKS
from tests.test_tasks import manifest, statements

pytestmark = [
    pytest.mark.live("strace", "kernel", "java"),
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("neo4j"),  # one server, whose database is one test's at a time
]
NOTEBOOKS = Path(__file__).parents[3] / "notebooks"
DEMO, LAST = "20261122-204501-demo", "20261122-204501-00002"
DASK = """
from distributed import Client, LocalCluster
cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
client = Client(cluster)
def double(number):
    with open(f"in{number}.txt") as source, open(f"out{number}.txt", "w") as made:
        made.write(str(2 * int(source.read())))
    return number
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Record two notebooks: one with files and software, one with tasks on two workers."""
    folder = tmp_path_factory.mktemp("recorded").resolve()
    ignored = ignore_patterns("results", ".nbrepro", ".ipynb_checkpoints")
    copytree(NOTEBOOKS, folder / "notebooks", ignore=ignored)
    for number in range(4):
        (folder / f"in{number}.txt").write_text(str(number))
    submit = "print(client.gather(client.map(double, range(4))))"
    return [
        observe(folder / "notebooks" / "quickstart.ipynb").directory,
        observe_cells(folder, DASK, submit, "client.close(); cluster.close()").directory,
    ]


@pytest.fixture(scope="module")
def stores(url, recorded, tmp_path_factory):
    """Give the two stores, with the same runs in each, and the recorded runs' names."""
    folder = tmp_path_factory.mktemp("stores")
    with open_store(folder / "oxigraph") as one, open_store(url) as two:
        for store in (one, two):
            for maker in (demo(), plausible_run(2, 4, 4, 100), plausible_run(3, 4, 4, 100)):
                store.load(maker.run, maker.uuid, maker.statements)
            store.load(WITH_TASKS, manifest(folder).uuid, statements(folder))
            runs = [ingest(directory, store).run for directory in recorded]
        yield one, two, runs
        for row in two.runs().rows:
            two.remove(row[0])
        two.compact()


@cache
def values_of(store, run):
    """Give what the parameters of questions may be in a run, from the store's own rows."""
    questions = load_questions()
    edges = list(store.ask(questions["edges-of-run"], {"run": run}).records())
    tasks = list(store.ask(questions["tasks-of-run"], {"run": run}).records())
    workers = list(store.ask(questions["workers-of-run"], {"run": run}).records())
    packages = list(store.ask(questions["packages-of-cell"], {"run": run}).records())
    return {
        "run": [run],
        "other": [row[0] for row in store.runs().rows][:3],
        "cell": sorted({row["cell"] for row in edges if row["cell"]})[:3] or [1],
        "execution": sorted({row["execution"] for row in edges if row["execution"]})[:2] or [1],
        "file": [*dict.fromkeys(row["path"] for row in edges)][:6],
        "task": [row["task"] for row in tasks][:3] or ["none"],
        "worker": [row["worker"] for row in workers][:3] or ["none"],
        "host": sorted({row["host"] for row in workers if row["host"]})[:2] or ["none"],
        "package": [row["name"] for row in packages][:3] or ["none"],
        "content": [row["sha256"] for row in edges if row["sha256"]][:2] or ["none"],
    }


def sensible_values(question, known):
    """Yield values for a question: the required ones, then each optional one besides."""
    required = [p.name for p in question.parameters if p.required]
    optional = [p.name for p in question.parameters if not p.required]
    for place in range(max((len(known[name]) for name in required), default=1)):
        values = {name: known[name][place % len(known[name])] for name in required}
        yield values
        if place == 0:
            yield from (values | {name: value} for name in optional for value in known[name])


def compare(stores, run, name):
    """Ask both stores in every sensible way; give how many rows there were."""
    one, two, _ = stores
    question, known = load_questions()[name], values_of(one, run)
    rows = 0
    for values in sensible_values(question, known):
        expected, found = one.ask(question, values), two.ask(question, values)
        assert found.columns == expected.columns
        assert found.rows == expected.rows, values
        assert repr(found.rows) == repr(expected.rows), "the types differ"
        rows += len(found)
    return rows


@pytest.mark.parametrize("name", load_questions())
def test_every_question_has_equal_rows(stores, name):
    runs = [*stores[2], WITH_TASKS, DEMO, LAST]
    rows = [compare(stores, run, name) for run in runs]
    assert sum(rows) or name in NOTHING_TO_TELL, "no run had anything to say"


NOTHING_TO_TELL: set[str] = set()


@pytest.mark.parametrize("path", [NEWLINE, NOT_UTF8])
def test_an_oddly_named_file_has_equal_rows(stores, path):
    one, two, _ = stores
    for name in ("cells-that-read", "lineage-of-file", "impact-of-file", "package-of-file"):
        values = {"run": DEMO, "file": path}
        question = load_questions()[name]
        assert one.ask(question, values) == two.ask(question, values)


def test_a_recorded_run_has_the_same_dump_and_statements(stores):
    one, two, runs = stores
    for run in (*runs, WITH_TASKS):
        assert list(one.dump(run)) == list(two.dump(run))
        assert list(one.statements(run)) == list(two.statements(run))
        assert one.kept(run) == two.kept(run)


def test_the_runs_with_tasks_have_tasks_on_two_workers(stores):
    """The comparison above would say little of tasks and workers if there were none."""
    _, two, runs = stores
    questions = load_questions()
    tasks = list(two.ask(questions["tasks-of-run"], {"run": runs[1]}).records())
    assert len([task for task in tasks if task["function"] == "double"]) == 4
    assert len(two.ask(questions["workers-of-run"], {"run": runs[1]})) == 2
    files = two.ask(questions["data-of-cell"], {"run": runs[1], "cell": 2})
    names = {Path(row["path"]).name for row in files.records() if row["task"]}
    assert names == {f"{side}{n}.txt" for side in ("in", "out") for n in range(4)}
