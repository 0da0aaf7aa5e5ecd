"""A made-up run for tests of dependency sets: cells, tasks, files, and packages on disk."""

from __future__ import annotations

from pathlib import Path

from graphs import GraphMaker, time_text

from nbrepro.config import Project
from nbrepro.model import RunId
from nbrepro.stores import open_store

RUN = "20261122-204501-needs"

SOURCES = [
    "import calc as c\nimport plots\nfrom pathlib import Path\nDATA = Path('data')",
    "rows = load(DATA / 'in.csv')\nsave(rows, 'mid.csv')",
    "table = read('mid.csv')\nc.total(table)",
    "plots.show()",
    "def work(path):\n    return c.total(path)",
    "submit(work, 'a.csv', 'b.csv')",
]

PACKAGES = {
    "calc": {"calc/__init__.py": "import base\nfrom calc import _fast",
             "calc/_fast.cpython-311-x86_64-linux-gnu.so": ""},
    "base": {"base.py": "try:\n    import speedups\nexcept ImportError:\n    pass"},
    "speedups": {"speedups.py": ""},
    "plots": {"plots/__init__.py": "import base, colours"},
    "colours": {"colours.py": ""},
    "kernel": {"ipykernel_launcher.py": "import tornado_like"},
    "tornado-like": {"tornado_like.py": ""},
    "distributed": {"distributed/__init__.py": "", "distributed/nanny.py": "import tornado_like",
                    "distributed/worker.py": "import msgs"},
    "msgs": {"msgs.py": ""},
}  # fmt: skip


class Maker(GraphMaker):
    """Says runs with software that lies below a directory of packages."""

    site: Path

    def opened(self, activity, *names):
        members = [self.python(), *(m for name in names for m in self._members(name))]
        self.footprint(activity, members)

    def python(self):
        uid = self.package("python", "3.11.7", "python")
        return self.software("/opt/python/bin/python3.11", uid)

    def _members(self, name):
        owner = self.package(name)
        for file, text in PACKAGES[name].items():
            path = self.site / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            yield self.software(str(path), owner)

    def worker(self, name, engine="dask"):
        agent = self.scoped(f"worker/{name}", "Worker", worker=name, engine=engine, host="h2",
                            status="ok", tracer="strace")  # fmt: skip
        host = self.scoped("host/h2", "Host", name="h2", system="Linux")
        self.edge("atLocation", agent, host)
        session = self.scoped(f"session/{name}", "Session", label=f"worker {name} itself")
        self.edge("wasAssociatedWith", session, agent)
        return agent, session

    def task(self, name, execution, function, agent, worker):
        task = self.scoped(
            f"task/{name}", "Task", task=name, engine="dask", function=function, attempt=1,
            worker=worker, host="h2", status="ok", observed=True, unused_inputs="[]",
            execution=execution, cell=execution, started=time_text(60.0),
        )  # fmt: skip
        self.edge("wasInformedBy", task, f"{self.base}execution/{execution}")
        self.edge("wasAssociatedWith", task, agent)
        return task


def make_needs(root: Path) -> Maker:
    """Cell 1 imports; 2 makes mid.csv; 3 uses it with calc; 4 plots; 5 defines, 6 submits tasks."""
    maker = Maker(run=RUN, number=5)
    maker.site = root / "v/lib/python3.11/site-packages"
    maker.start(notebook=str(root / "n.ipynb"))
    maker.opened(maker.session, "kernel", "tornado-like")
    cells = [maker.cell(number, source=text) for number, text in enumerate(SOURCES, 1)]
    maker.opened(cells[0], "calc", "base", "speedups", "plots", "colours")
    given, middle = maker.file("/p/data/in.csv", "in"), maker.file("/p/mid.csv", "mid")
    maker.reads(cells[1], given, 20.0)
    maker.writes(cells[1], middle, 20.5)
    maker.connects(cells[1], "10.0.0.1", 443, 20.6)
    maker.reads(cells[2], middle, 30.0)
    maker.reads(cells[2], maker.file("/p/cache.bin", "c", "cache"), 30.1, role="cache")
    agent, session = maker.worker("w1")
    maker.opened(session, "distributed", "tornado-like", "msgs", "calc", "base", "speedups")
    for name, path in (("work-1", "/p/a.csv"), ("work-2", "/p/b.csv")):
        task = maker.task(name, 6, "work", agent, "w1")
        maker.reads(task, maker.file(path, path), 60.1, task=name, worker="w1", host="h2")
        made = maker.file(f"{path}.out", path + "out")
        maker.writes(task, made, 60.2, task=name, worker="w1", host="h2")
    return maker


def make_project(root: Path) -> Project:
    """Record the run into a project at `root`."""
    project, maker = Project(root), make_needs(root)
    project.home.mkdir()
    with open_store(project.store) as store:
        store.load(RunId(maker.run), maker.uuid, maker.statements)
    return project
