"""A small recorded project for tests of the faces: three cells, odd names, software, a rename."""

from __future__ import annotations

from pathlib import Path

from graphs import GraphMaker

from nbrepro.config import Project
from nbrepro.model import RunId
from nbrepro.stores import open_store

FIRST, LAST = "20261121-080000-first-aa01", "20261122-204501-demo-bb02"
ODD = 'odd \n\udcff\x1b[31m,".csv'


def make_project(root: Path) -> Project:
    """Record two runs of a made-up notebook into a project at `root`."""
    project = Project(root)
    project.home.mkdir()
    with open_store(project.store) as store:
        for maker in (first_run(root), last_run(root)):
            store.load(RunId(maker.run), maker.uuid, maker.statements)
    return project


def first_run(root: Path) -> GraphMaker:
    """A failed run of one cell, seen by the audit tracer's eyes only."""
    maker = GraphMaker(run=FIRST, number=1)
    maker.start(str(root / "a.ipynb"), status="failed", error="cell 1 failed: ValueError: no")
    cell = maker.cell(1, status="failed")
    maker.reads(cell, maker.file(str(root / "data/in.csv"), "in"), 1.0)
    return maker


def last_run(root: Path) -> GraphMaker:
    """Cell 1 makes mid.csv from in.csv; cells 2 and 3 use it; cell 2 runs twice."""
    maker = GraphMaker(run=LAST, number=2)
    maker.start(str(root / "a.ipynb"))
    one, two, three = maker.cell(1), maker.cell(2, source="\nimport numpy"), maker.cell(3)
    again = maker.cell(4, position=2, source="\nimport numpy")
    source = maker.file(str(root / "data/in.csv"), "in")
    settings = maker.file(str(root / "conf.toml"), "c", role="config", rule="config-suffix")
    middle = maker.file(str(root / "mid.csv"), "mid")
    odd = maker.file(str(root / ODD), "odd")
    maker.reads(one, source, 1.0)
    maker.reads(one, settings, 1.1, role="config")
    maker.writes(one, middle, 1.2)
    maker.reads(two, middle, 2.0, evidence="handle", certainty="inferred")
    maker.reads(two, maker.file("/big/x.nc", None), 2.1)
    maker.reads(two, maker.file(str(root / "own.py"), "code", role="code"), 2.2, role="code")
    maker.connects(two, "10.0.0.1", 443, 2.5)
    maker.reads(three, middle, 3.0)
    maker.writes(three, odd, 3.1)
    maker.reads(again, odd, 4.0)
    maker.removes(again, middle, 4.1)
    numpy = maker.package("numpy", "1.26.4")
    maker.footprint(
        two,
        [
            maker.software("/lib/np/a.py", numpy),
            maker.software("/lib/np/b.py", numpy),
            maker.software("/lib/mystery.so", "", "unresolved", "unowned"),
        ],
    )
    return maker
