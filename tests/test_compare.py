"""Comparing runs: which executions are pairs, which differences are causes, what is said."""

from __future__ import annotations

import json
import random
from html.parser import HTMLParser

import pytest
from click.testing import CliRunner
from graphs import GraphMaker, demo, sha256
from hypothesis import example, given
from hypothesis import strategies as st
from recorded import FIRST, LAST, make_project

import nbrepro
from nbrepro.cli.diff_page import make_page
from nbrepro.cli.program import program
from nbrepro.compare import KINDS, as_record, compare, read_portrait
from nbrepro.compare.alignment import align
from nbrepro.compare.values import Activity
from nbrepro.errors import ExitCode
from nbrepro.stores import open_store

WORDS = ["load", "scale", "fit", "plot", "sum", "write", "read", "merge", "sort", "mean"]


def cells(*ids, source="{0}_result = {0}(data, {1})"):
    """Make executions of cells, each with a source of its own."""
    return [
        Activity(n, n, one, text := source.format(WORDS[hash_of(one) % 10], one * 3), sha256(text))
        for n, one in enumerate(ids, 1)
    ]  # fmt: skip


def hash_of(text):
    return int(sha256(text)[:6], 16)


def edited(activity, more="\nand_more()"):
    text = activity.source + more
    return Activity(activity.execution, activity.position, activity.cell_id, text, sha256(text))


def paired(first, second):
    return {
        (first[p.a].cell_id if p.a is not None else None,
         second[p.b].cell_id if p.b is not None else None)
        for p in align(first, second)
    }  # fmt: skip


# Alignment

IDS = st.lists(st.sampled_from([f"cell{n}" for n in range(30)]), unique=True, max_size=12)


@given(IDS, st.randoms(use_true_random=False), st.sets(st.integers(0, 30)), st.booleans())
def test_cells_are_paired_however_they_are_moved_edited_inserted_and_removed(
    ids, chance, changed, anew
):
    first = cells(*ids)
    kept = [n for n in range(len(ids)) if n % 3 or n not in changed]
    chance.shuffle(kept)
    second = [edited(first[n]) if n in changed else first[n] for n in kept]
    new = cells("new1", "new2") if anew else []
    for one in new:
        second.insert(chance.randint(0, len(second)), one)
    expected = {(first[n].cell_id, first[n].cell_id) for n in kept}
    expected |= {(first[n].cell_id, None) for n in range(len(ids)) if n not in kept}
    expected |= {(None, one.cell_id) for one in new}
    assert paired(first, second) == expected


@given(IDS, st.integers(0, 11), st.integers(0, 11))
def test_a_cell_that_moved_is_the_only_one_that_moved(ids, start, end):
    first = cells(*ids)
    if not first:
        return
    second = list(first)
    one = second.pop(start % len(first))
    second.insert(end % len(first), one)
    pairs = align(first, second)
    assert sorted(p.a for p in pairs) == list(range(len(first)))
    assert all(first[p.a] is second[p.b] for p in pairs)
    moved = [p for p in pairs if p.moved]
    assert len(moved) <= 1
    assert bool(moved) == (first != second)


@given(st.lists(st.sampled_from("ab"), max_size=8), st.lists(st.sampled_from("ab"), max_size=8))
def test_every_execution_is_in_one_pair_also_where_cells_run_again(one, other):
    first, second = cells(*one), cells(*other)
    pairs = align(first, second)
    assert sorted(p.a for p in pairs if p.a is not None) == list(range(len(first)))
    assert sorted(p.b for p in pairs if p.b is not None) == list(range(len(second)))
    both = [p for p in pairs if p.a is not None and p.b is not None]
    assert all(first[p.a].cell_id == second[p.b].cell_id for p in both)
    assert len(both) == sum(min(one.count(x), other.count(x)) for x in "ab")
    assert [p.a for p in both] == sorted(p.a for p in both)


@given(st.integers(1, 10), st.integers(0, 10), st.randoms(use_true_random=False))
@example(3, 1, random.Random(1))
def test_without_ids_cells_are_paired_by_source_and_place(count, inserted, chance):
    def numbered(sources):
        return [Activity(n, n, f"position-{n}", s, sha256(s)) for n, s in enumerate(sources, 1)]

    sources = [f"{chance.choice(WORDS)}_{n} = {n * 7919}  # {sha256(str(n))}" for n in range(count)]
    at = min(inserted, count)
    changed = chance.randrange(count)
    later = [s + "[:9]" if n == changed else s for n, s in enumerate(sources)]
    later.insert(at, "import entirely.different as this_one")
    pairs = align(numbered(sources), numbered(later))
    expected = {(n, n + (n >= at)) for n in range(count)} | {(None, at)}
    assert {(p.a, p.b) for p in pairs} == expected


def test_the_same_source_elsewhere_is_the_same_cell_rather_than_another_with_its_id():
    first, second = cells("a", "b"), cells("b", "a")
    swapped = [Activity(n, n, i, s.source, s.digest)
               for n, (i, s) in enumerate(zip("ab", second, strict=True), 1)]  # fmt: skip
    assert {(p.a, p.b) for p in align(first, swapped)} == {(0, 1), (1, 0)}


# Causes: graphs of runs that differ in what is planted

SOURCES = {1: "import numpy\nimport other", 2: "x = load()", 3: "y = numpy.sum(x)", 4: "z = 1",
           5: "print(y)", 6: "print(z)"}  # fmt: skip


class Plant:
    """A run of six cells: cell 5 depends on 3, 3 on 1 and 2; cells 4 and 6 on each other only."""

    def __init__(self, number, **planted):
        self.planted = planted
        self.maker = GraphMaker(run=f"run-{number}", number=number, host=f"h{number}")

    def get(self, name, otherwise):
        return self.planted.get(name, otherwise)

    def statements(self):
        m = self.maker
        m.start(f"/home/u{m.number}/a.ipynb", parameters=json.dumps(self.get("parameters", {})))
        self.software()
        order = self.get("order", list(SOURCES))
        where = {}
        for execution, position in enumerate(order, 1):
            where[position] = self.cell(execution, position)
        self.data(where)
        return m.statements

    def cell(self, execution, position):
        maker, sources = self.maker, SOURCES | self.get("sources", {})
        source = sources[position]
        outputs = self.get("outputs", {}).get(position, f"of {position}")
        before = len(maker.statements)
        activity = maker.cell(execution, position, source, status=self.get("status", {}).get(
            position, "ok"))  # fmt: skip
        for at in range(before, len(maker.statements)):
            node = maker.statements[at]
            if getattr(node, "uid", "") == activity:
                maker.statements[at] = type(node)(
                    node.uid, node.kind, {**node.properties, "outputs_digest": sha256(outputs)}
                )
        for name, value in self.get("settings", {}).get(position, {}).items():
            maker.setting(activity, name, value)
        if position == 1:
            maker.footprint(activity, self.members)
        return activity

    def software(self):
        m = self.maker
        versions = {"numpy": "1.0", "other": "1.0", "libc6": "2.36"} | self.get("packages", {})
        numpy = m.package("numpy", versions["numpy"])
        other = m.package("other", versions["other"])
        libc = m.package("libc6", versions["libc6"], "dpkg")
        at = f"/home/u{m.number}/env/lib/python3.11/site-packages/"
        self.members = [
            m.software(at + "numpy/__init__.py", numpy),
            m.software(at + "numpy.libs/libopenblas64.so", numpy),
            m.software(at + "other.py", other),
        ]
        m.footprint(m.session, [m.software("/lib/libc.so.6", libc, "system", "owned-by-dpkg")])
        for name, value in self.get("kernel", {}).items():
            m.setting(m.session, name, value)

    def data(self, where):
        m = self.maker
        contents = {"in.csv": "in", "unread.csv": "u"} | self.get("files", {})
        m.reads(where[2], m.file("/p/in.csv", contents["in.csv"]), 2.0)
        if "extra" in self.planted:
            m.reads(where[self.planted["extra"]], m.file("/p/extra.csv", "extra"), 2.1)
        made = m.file("/p/out.csv", self.get("made", "made"))
        m.writes(where[3], made, 3.0)
        m.reads(where[5], made, 5.0)


def portrait(number, **planted):
    return read_portrait(Plant(number, **planted).statements())


def found(first=None, /, **planted):
    return compare(portrait(1, **(first or {})), portrait(2, **planted))


def causes(comparison):
    return [(d.kind, d.cell, d.subject) for d in comparison.differences]


def affected(difference):
    return sorted({effect.cell for effect in difference.effects})


def test_equal_runs_on_two_hosts_do_not_differ():
    comparison = found()
    assert comparison.equal
    assert comparison.first_divergence is None
    assert comparison.unused == ()
    assert len(comparison.cells) == 6


ALL = {2: "x", 3: "x", 5: "x"}
PLANTS = {
    "data": ({"files": {"in.csv": "IN"}, "outputs": {3: "x", 5: "x"}, "made": "x"},
             [("data", 2, "{project}/in.csv")], [3, 5]),
    "package": ({"packages": {"numpy": "1.1"}, "outputs": {3: "x"}},
                [("package", 1, "numpy")], [3]),
    "library": ({"packages": {"libc6": "2.40"}, "outputs": {6: "x"}},
                [("system-library", None, "dpkg libc6")], [6]),
    "source": ({"sources": {4: "z = 2"}, "outputs": {6: "x"}}, [("source", 4, "cell 4")], [6]),
    "setting": ({"settings": {4: {"FACTOR": "2"}}, "outputs": {6: "x"}},
                [("environment", 4, "FACTOR")], [6]),
    "chance": ({"outputs": {4: "x", 6: "x"}}, [("nondeterminism", 4, "outputs of cell 4")], [4, 6]),
    "made": ({"made": "x", "outputs": {5: "x"}},
             [("nondeterminism", 3, "{project}/out.csv")], [3, 5]),
    "status": ({"status": {6: "failed"}}, [("nondeterminism", 6, "status of cell 6")], [6]),
    "order": ({"order": [1, 2, 4, 3, 5, 6], "outputs": {}}, [("order", 3, "cell 3")], []),
    "threads": ({"kernel": {"OMP_NUM_THREADS": "4"}, "outputs": {3: "x"}},
                [("environment", 1, "OMP_NUM_THREADS")], [3]),
    "hash": ({"kernel": {"PYTHONHASHSEED": "4"}, "outputs": {6: "x"}},
             [("environment", None, "PYTHONHASHSEED")], [6]),
    "extra": ({"extra": 6, "outputs": {6: "x"}}, [("data", 6, "{project}/extra.csv")], [6]),
}  # fmt: skip
FIRST_SETTINGS = {"settings": {4: {"FACTOR": "1"}}}


@pytest.mark.parametrize(("planted", "expected", "cells"), PLANTS.values(), ids=PLANTS)
def test_a_planted_difference_is_the_only_cause_and_has_its_consequences(planted, expected, cells):
    comparison = found(FIRST_SETTINGS if "settings" in planted else None, **planted)
    assert causes(comparison) == expected
    assert affected(comparison.differences[0]) == cells
    assert comparison.differences[0].because
    kinds = [pair for pair in comparison.cells if pair.effects]
    assert all(pair.causes for pair in kinds)


UNUSED = {
    "user": {"settings": {4: {"USER": "u2"}}},
    "hash": {"kernel": {"PYTHONHASHSEED": "4"}},
    "extra": {"extra": 6},
}


@pytest.mark.parametrize("planted", UNUSED.values(), ids=UNUSED)
def test_a_difference_that_nothing_followed_from_is_listed_and_not_blamed(planted):
    comparison = found(
        {"settings": {4: {"USER": "u1"}}} if "settings" in planted else {}, **planted
    )
    assert comparison.equal
    [unused] = comparison.unused
    assert unused.certainty == "possible"


def test_only_what_a_cell_used_is_blamed_for_its_outputs():
    comparison = found(files={"in.csv": "IN"}, outputs={6: "x"})
    assert causes(comparison) == [
        ("data", 2, "{project}/in.csv"), ("nondeterminism", 6, "outputs of cell 6"),
    ]  # fmt: skip
    assert [affected(d) for d in comparison.differences] == [[], [6]]


def test_a_package_is_blamed_only_where_its_names_go():
    comparison = found(packages={"other": "2.0"}, outputs={3: "x", 5: "x"})
    assert causes(comparison) == [
        ("package", 1, "other"), ("nondeterminism", 3, "outputs of cell 3"),
    ]  # fmt: skip
    assert [affected(d) for d in comparison.differences] == [[], [3, 5]]


def test_causes_come_in_causal_order():
    comparison = found(
        FIRST_SETTINGS, packages={"libc6": "3", "numpy": "2"}, files={"in.csv": "IN"},
        sources={6: "print(-z)"}, settings={4: {"FACTOR": "2"}},
    )  # fmt: skip
    assert causes(comparison) == [
        ("system-library", None, "dpkg libc6"), ("package", 1, "numpy"),
        ("data", 2, "{project}/in.csv"), ("environment", 4, "FACTOR"), ("source", 6, "cell 6"),
    ]  # fmt: skip


def test_parameters_are_their_own_cause():
    comparison = found({"parameters": {"n": 1, "m": 2}}, parameters={"n": 3, "m": 2})
    [cause] = comparison.differences
    assert (cause.kind, cause.subject, cause.a, cause.b) == ("parameters", "n", "1", "3")


def test_the_same_version_with_other_files_is_a_difference():
    def with_record(number, record):
        plant = Plant(number)
        statements = [
            type(s)(s.uid, s.kind, {**s.properties, "record_digest": sha256(record)})
            if getattr(s, "kind", "") == "Package" and s.properties["name"] == "numpy" else s
            for s in plant.statements()
        ]  # fmt: skip
        return read_portrait(statements)

    [cause] = compare(with_record(1, "one"), with_record(2, "other")).differences
    assert (cause.kind, cause.subject, cause.cell) == ("package", "numpy", 1)
    assert "same" in cause.because
    assert cause.a != cause.b
    assert compare(with_record(1, "one"), with_record(2, "one")).equal


def test_a_comparison_is_the_mirror_of_its_opposite():
    for planted, _, _ in PLANTS.values():
        one, other = portrait(1), portrait(2, **planted)
        there, back = compare(one, other), compare(other, one)
        assert sorted((d.kind, d.a, d.b) for d in there.differences) == sorted(
            (d.kind, d.b, d.a) for d in back.differences
        )


@given(st.data())
def test_a_run_never_differs_from_itself(data):
    planted = {}
    for name in data.draw(st.sets(st.sampled_from(sorted(PLANTS)))):
        planted |= PLANTS[name][0]
    assert compare(portrait(1, **planted), portrait(2, **planted)).equal


# Faces


def run(*words):
    return CliRunner().invoke(program, [str(word) for word in words])


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    made = make_project(tmp_path_factory.mktemp("p"))
    with open_store(made.store) as store:
        for number, planted in enumerate(({}, {"files": {"in.csv": "<b>&IN"}}, {}), 11):
            plant = Plant(number, **planted)
            store.load(plant.maker.run, plant.maker.uuid, plant.statements())
    return made


def test_runs_are_compared_by_reference_across_stores(project, tmp_path, monkeypatch):
    monkeypatch.chdir(project.root)
    said = run("diff", "run-11", f"{project.store}:run-12", "--json")
    assert said.exit_code == ExitCode.DIFFERENT
    record = json.loads(said.stdout)
    assert set(record) == {"equal", "a", "b", "first_divergence", "differences", "unused", "cells",
                           "unknown"}  # fmt: skip
    first = record["first_divergence"]
    assert (first["kind"], first["cell"], first["subject"]) == ("data", 2, "{project}/in.csv")
    assert first == record["differences"][0]
    assert first["because"]
    assert first["a"].split()[1] == sha256("in")[:12]
    assert first["kind"] in KINDS
    same = run("diff", "run-11", "run-13", "--json")
    assert (same.exit_code, json.loads(same.stdout)["first_divergence"]) == (ExitCode.OK, None)
    assert "No difference" in run("diff", "run-11", "run-13").stdout
    assert (
        "First divergence in cell 2: data {project}/in.csv"
        in run("diff", "run-11", "run-12").stdout
    )


def test_several_runs_give_a_matrix(project, monkeypatch):
    monkeypatch.chdir(project.root)
    said = run("diff", "run-11", "run-12", "run-13", "--json")
    pairs = {(p["a"], p["b"]): p["equal"] for p in json.loads(said.stdout)["pairs"]}
    assert pairs == {(0, 1): False, (0, 2): True, (1, 2): False}
    table = run("diff", "run-11", "run-12", "run-13").stdout
    assert table.count("data {project}/in.csv") == 4
    assert said.exit_code == ExitCode.DIFFERENT


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("run-11",), ExitCode.USAGE),
        (("run-11", "nothing"), ExitCode.NOT_FOUND),
        (("run-11", "/nowhere/store:last"), ExitCode.NOT_FOUND),
        (("run-11", __file__), ExitCode.BAD_INPUT),
        (("run-11", "run-12", "--html", "/nowhere/at/all.html"), ExitCode.MACHINE),
    ],
)
def test_what_cannot_be_compared_is_refused_in_a_sentence(project, monkeypatch, words, code):
    monkeypatch.chdir(project.root)
    said = run("diff", *words)
    assert said.exit_code == code
    assert "Traceback" not in said.output
    assert len(said.stderr.splitlines()) == 1


def test_the_page_holds_everything_and_nothing_runs_in_it(project, monkeypatch, tmp_path):
    monkeypatch.chdir(project.root)
    page = tmp_path / "page.html"
    assert run("diff", "run-11", "run-12", "run-13", "--html", page).exit_code == 8
    tags, texts, links = [], [], []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attributes):
            tags.append(tag)
            links.extend(v for k, v in attributes if k in ("href", "src"))

        def handle_data(self, data):
            texts.append(data)

    Reader().feed(page.read_text())
    assert not {"script", "link", "img", "iframe", "b i"} & set(tags)
    assert all(link.startswith("#") for link in links)
    text = "".join(texts)
    assert "First divergence: data" in text
    for word in ("run-11", "run-12", "run-13", "{project}/in.csv", "numpy.sum"):
        assert word in text


def test_hostile_text_is_escaped_in_the_page():
    evil = "<script>alert('x')</script>\x1b[31m"
    one, other = portrait(1, sources={4: "z = 1"}), portrait(2, sources={4: evil})
    page = make_page([one, other], [compare(one, other)])
    assert "<script" not in page
    assert "\x1b" not in page
    assert "&lt;script&gt;" in page


def test_the_python_api_compares_runs(project, monkeypatch):
    monkeypatch.chdir(project.root)
    with nbrepro.open() as provenance:
        one, other = provenance.run("run-11"), provenance.run("run-12")
        record = as_record(one.diff(other))
        assert record["first_divergence"]["kind"] == "data"
        assert as_record(nbrepro.diff(one, "run-12")) == record
        assert nbrepro.diff("run-11", "run-13").equal
        assert not nbrepro.diff(FIRST, LAST).equal


def test_runs_in_archives_are_compared_where_they_are(project, tmp_path, monkeypatch):
    monkeypatch.chdir(project.root)
    for number in ("run-11", "run-12"):
        assert run("archive", number, "-o", tmp_path / f"{number}.nbrepro").exit_code == 0
    monkeypatch.chdir(tmp_path)
    said = run("diff", "run-11.nbrepro", "run-12.nbrepro", "--json")
    assert said.exit_code == ExitCode.DIFFERENT, said.output
    first = json.loads(said.stdout)["first_divergence"]
    assert (first["kind"], first["cell"], first["subject"]) == ("data", 2, "{project}/in.csv")
    assert run("diff", "run-11.nbrepro", f"{project.store}:run-13").exit_code == ExitCode.OK


def test_the_named_question_tells_the_same_first_cell(project, monkeypatch):
    monkeypatch.chdir(project.root)
    with nbrepro.open() as provenance:
        rows = provenance.ask("first-divergence", run="run-11", other="run-12")
    first = nbrepro.diff("run-11", "run-12", project.store).first_divergence
    assert {row.cell for row in rows if row.kind == "input"} == {first.cell}


def test_a_graph_without_what_comparison_wants_is_compared_as_far_as_it_goes():
    one, other = demo(), demo("20261123-other", 2)
    comparison = compare(read_portrait(one.statements), read_portrait(other.statements))
    assert comparison.equal
    assert any("outputs were not kept" in reason for reason in comparison.unknown)
