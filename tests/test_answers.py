"""The Python API over a real store: what people mean, what rows hold, what is left out."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from recorded import FIRST, LAST, ODD, make_project

import nbrepro
from nbrepro.answers import find_recorded
from nbrepro.errors import MachineError, NbreproError, NotFoundError, UsageError
from nbrepro.model import Role
from nbrepro.rows import DataRow, PackageRow, Rows, RunRow


@pytest.fixture
def provenance(root):
    with nbrepro.open(root) as provenance:
        yield provenance


@pytest.fixture
def run(provenance):
    return provenance.run()


def names(rows):
    return [Path(row.path).name for row in rows]


def test_the_package_exports_what_it_says():
    assert all(hasattr(nbrepro, name) for name in nbrepro.__all__)
    assert dir(nbrepro) == sorted(nbrepro.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        nbrepro.nothing  # noqa: B018


def test_runs_come_newest_first(provenance):
    assert [row.run for row in provenance.runs()] == [LAST, FIRST]
    assert provenance.runs().columns[:7] == (
        "run", "notebook", "status", "started", "seconds", "host", "tracer"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("reference", "found"),
    [("last", LAST), (LAST, LAST), ("20261121", FIRST), ("~1", FIRST), ("RUN~1", FIRST),
     (f"{LAST}~1", FIRST), ("last~0", LAST), ("20261122~", FIRST)],
)  # fmt: skip
def test_runs_are_found_as_people_write_them(provenance, reference, found):
    assert provenance.run(reference).id == found


@pytest.mark.parametrize(
    ("reference", "error", "sentence"),
    [
        ("nope", NotFoundError, f"run 'nope' does not exist; there are {LAST}, {FIRST}"),
        ("2026112", UsageError, "run '2026112' may mean"),
        ("~2", NotFoundError, "only 2 runs are recorded"),
        ("last~x", UsageError, "write a number behind '~'"),
    ],
)
def test_runs_that_cannot_be_meant_are_said(provenance, reference, error, sentence):
    with pytest.raises(error, match=sentence):
        provenance.run(reference)


def test_cells_are_found_by_number_and_by_id(run):
    assert [run.cell(r).position for r in (2, "2", "cell-2")] == [2, 2, 2]
    assert [row.execution for row in run.cell(2).executions()] == [2, 4]
    with pytest.raises(NotFoundError, match=r"cell '9' did not run; cells that did: 1-3 "):
        run.cell(9)


def test_cells_carry_their_counts(run):
    cells = {row.execution: row for row in run.cells()}
    assert [cells[n].data for n in (1, 2, 3, 4)] == [3, 2, 2, 2]
    assert [cells[n].packages for n in (1, 2)] == [0, 1]


def test_data_of_a_cell_is_what_a_person_calls_data(run):
    rows = run.cell(1).data()
    assert sorted((row.mode, Path(row.path).name, row.role) for row in rows) == [
        ("read", "conf.toml", "config"), ("read", "in.csv", "data"), ("write", "mid.csv", "data"),
    ]  # fmt: skip
    assert {row.certainty for row in rows} == {"exact"}
    assert rows.notes == ()


def test_data_says_what_it_leaves_out_and_what_is_inferred(run):
    notes = run.cell(2).data().notes
    assert notes[0] == "2 paths of other roles (code 1, network 1): --role all"
    assert notes[1] == "1 row inferred, not proven: see evidence"


def test_roles_are_one_several_or_all(run):
    assert names(run.data(role="code")) == ["own.py"]
    assert names(run.data(role=["code", "config"])) == ["conf.toml", "own.py"]
    everything = run.data(role="all")
    assert {row.role for row in everything} == {
        Role.DATA, Role.CONFIG, Role.CODE, Role.NETWORK, Role.PACKAGE, Role.UNRESOLVED,
    }  # fmt: skip
    assert not any("other roles" in note for note in everything.notes)


def test_software_files_are_rows_of_their_cell(run):
    rows = run.data(2, role="package")
    assert [(r.cell, r.cell_id, r.execution_count, r.mode, r.path) for r in rows] == [
        (2, "cell-2", 2, "read", "/lib/np/a.py"), (2, "cell-2", 2, "read", "/lib/np/b.py"),
    ]  # fmt: skip
    assert run.data(2, execution=4, role="package") == []


def test_modes_read_and_write_include_read_write(tmp_path):
    from graphs import GraphMaker

    from nbrepro.stores import open_store

    maker = GraphMaker()
    maker.start()
    cell = maker.cell(1)
    old, new = maker.file("/p/log", "1"), maker.file("/p/log", "2")
    maker.reads(cell, old, 1.0, mode="read-write")
    maker.writes(cell, new, 1.0, mode="read-write")
    with open_store(tmp_path / "store") as store:
        store.load(maker.run, maker.uuid, maker.statements)
    with nbrepro.open(tmp_path, tmp_path / "store") as provenance:
        run = provenance.run()
        for mode, rows in (("read", 1), ("write", 1), ("read-write", 1), ("remove", 0)):
            assert len(run.data(mode=mode)) == rows, mode
        assert run.data()[0].sha256 is not None


def test_an_execution_is_one_of_the_run(run):
    assert names(run.data(execution=4)) == [ODD, "mid.csv"]
    assert [row.execution for row in run.cell(2).data(execution=2)] == [2, 2]
    with pytest.raises(NotFoundError, match=r"execution 4 of cell 1 does not exist; there are 1 "):
        run.cell(1).data(execution=4)
    with pytest.raises(NotFoundError, match="there are 1-4"):
        run.data(execution=9)


def test_wrong_roles_and_modes_list_the_right_ones(run):
    with pytest.raises(UsageError, match="'fun' is not a mode; one of: read, write"):
        run.data(mode="fun")
    with pytest.raises(UsageError, match="'fun' is not a valid Role; one of: data, code"):
        run.data(role="fun")


def test_undigested_files_say_why(run):
    row = next(row for row in run.data() if row.path == "/big/x.nc")
    assert (row.sha256, row.size, row.undigested) == (None, None, "not looked at")


def test_packages_count_their_files_and_say_what_nobody_owns(run):
    rows = run.packages()
    assert [(r.name, r.version, r.manager, r.purl, r.files) for r in rows] == [
        ("numpy", "1.26.4", "pip", "pkg:pypi/numpy@1.26.4", 2)
    ]
    assert rows.notes == ("1 file of no known package: nbrepro data --role unresolved",)
    assert run.cell(1).packages() == []
    assert run.cell(1).packages().notes == ()


@pytest.mark.parametrize("written", ["mid.csv", "./mid.csv", "{root}/mid.csv"])
def test_files_are_found_relative_to_the_project_or_absolute(run, root, written):
    assert run.find_path(written.format(root=root)) == f"{root}/mid.csv"


def test_files_are_found_by_a_unique_end(run, root):
    assert run.find_path("in.csv") == f"{root}/data/in.csv"
    assert run.find_path("np/a.py") == "/lib/np/a.py"
    with pytest.raises(NotFoundError, match=r"touched for example .*mid\.csv"):
        run.find_path("midd.csv")


def test_an_end_of_several_paths_is_refused(tmp_path):
    from nbrepro.references import choose_path

    with pytest.raises(UsageError, match="may mean /a/x, /b/x; write more"):
        choose_path(["/a/x", "/b/x"], "x", [tmp_path])


def test_why_gives_rule_accesses_and_owner(run, root):
    why = run.why("mid.csv")
    assert [(r.cell, r.mode, r.evidence) for r in why.accesses] == [
        (1, "write", "mark"), (2, "read", "handle"), (3, "read", "mark"), (2, "remove", "mark"),
    ]  # fmt: skip
    assert {row.rule for row in why.accesses} == {"project-data"}
    owned = run.why("/lib/np/a.py")
    assert [row.purl for row in owned.owners] == ["pkg:pypi/numpy@1.26.4"]
    assert [row.cell for row in owned.software] == [2]


def test_lineage_and_impact_follow_the_cells(run, root):
    odd = next(row.path for row in run.data() if "odd" in row.path)
    assert odd == str(root / ODD)
    assert [Path(row.path).name for row in run.lineage(odd).rows()] == [
        ODD, "mid.csv", "conf.toml", "in.csv",
    ]  # fmt: skip
    assert [row.cell for row in run.impact("data/in.csv").rows()] == [None, 1, 3]
    assert run.impact("data/in.csv").nested()["used_by"][0]["generated"][0]["removed_by"] == 2


def test_questions_take_what_people_write(provenance):
    rows = provenance.ask("cells-that-read", run="~0", file="mid.csv")
    assert [(row.cell, row.execution) for row in rows] == [(2, 2), (3, 3)]
    assert {row.cell for row in provenance.ask("data-of-cell", cell="cell-3")} == {3}
    with pytest.raises(NotFoundError, match=r"no question is called 'cell-that-read'; perhaps ce"):
        provenance.ask("cell-that-read")
    with pytest.raises(UsageError, match="does not know the parameter 'colour'"):
        provenance.ask("runs", colour="red")


def test_a_project_may_have_questions_of_its_own(tmp_path):
    make_project(tmp_path)
    folder = tmp_path / ".nbrepro/queries"
    folder.mkdir()
    (folder / "hosts.rq").write_text(
        "#+ summary: Hosts\n#+ parameters: []\n#+ columns: [host]\n"
        "PREFIX nbr: <https://w3id.org/nbrepro/terms#>\n"
        "SELECT DISTINCT ?host WHERE { ?run a nbr:Run ; nbr:host ?host }\n"
    )
    with nbrepro.open(tmp_path) as provenance:
        assert [row.host for row in provenance.ask("hosts")] == ["h1"]


def test_select_is_limited(provenance):
    table = provenance.select("SELECT ?s { ?s ?p ?o }", limit=3)
    assert (len(table), table.truncated) == (3, True)


def test_rows_become_a_frame(run):
    pandas = pytest.importorskip("pandas")
    frame = run.cell(1).data().frame()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == list(Rows(DataRow).columns)
    assert list(Rows(PackageRow).frame().columns) == list(Rows(PackageRow).columns)


def test_a_frame_without_pandas_says_what_to_install(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MachineError, match=r"pip install 'nbrepro\[frames\]'"):
        run.data().frame()


def test_rows_cannot_be_changed(provenance):
    row: RunRow = provenance.runs()[0]
    with pytest.raises(AttributeError):
        row.run = "other"


def test_the_project_is_found_upwards_and_one_step_down(root, tmp_path):
    (root / "deep/er").mkdir(parents=True, exist_ok=True)
    assert find_recorded(root / "deep/er").root == root
    assert find_recorded(tmp_path) is None
    (tmp_path / "one/.nbrepro").mkdir(parents=True)
    assert find_recorded(tmp_path).root == tmp_path / "one"
    (tmp_path / "two/.nbrepro").mkdir(parents=True)
    with pytest.raises(UsageError, match="several projects lie below"):
        find_recorded(tmp_path)


def test_nothing_recorded_says_what_to_run(tmp_path):
    for store in (None, tmp_path / "nowhere"):
        with pytest.raises(NotFoundError, match="run: nbrepro run NOTEBOOK"):
            nbrepro.open(tmp_path, store)
    (tmp_path / ".nbrepro/store").mkdir(parents=True)
    with nbrepro.open(tmp_path) as provenance, pytest.raises(NotFoundError, match="no run is"):
        provenance.run()


def test_a_store_of_another_kind_is_refused(tmp_path):
    with pytest.raises(NbreproError):
        nbrepro.open(tmp_path, "gopher://nowhere")


def test_the_audit_tracer_is_said_to_be_blind(tmp_path):
    from dataclasses import replace

    make_project(tmp_path)
    with nbrepro.open(tmp_path) as provenance:
        run = provenance.run()
        run.row = replace(run.row, tracer="audit")
        assert run.data().notes[-1].startswith("tracer audit: ")
        assert run.packages().notes[-1].startswith("tracer audit: ")
