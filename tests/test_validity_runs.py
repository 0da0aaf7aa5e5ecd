"""A run is judged by the shapes as pyshacl does, and by our own rules; what we record is valid."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import rdflib

from nbrepro.errors import DocumentError
from nbrepro.model import Edge, Node
from nbrepro.resources import find_resources
from nbrepro.stores import open_store
from nbrepro.stores.rdf import RunWriter
from nbrepro.validity import check_statements
from nbrepro.validity.described import Described
from nbrepro.validity.rules import check_rules
from nbrepro.validity.shapes import check_shapes, violations
from nbrepro.vocabulary import PROV
from tests.graphs import GraphMaker, demo, plausible_run
from tests.recorded import first_run, last_run
from tests.test_conformance import described


def truthful(statements):
    """Let the numbers of a made-up run be those of its graph."""
    count = sum(isinstance(s, Node) and s.kind == "CellExecution" for s in statements)
    return [
        changed(s, cells=count) if isinstance(s, Node) and s.kind == "Run"
        else changed(s, processes=0) if isinstance(s, Node) and s.properties.get("processes")
        else s
        for s in statements
    ]  # fmt: skip


def changed(statement, **properties):
    return dataclasses.replace(statement, properties={**statement.properties, **properties})


@pytest.mark.parametrize(
    "statements",
    [
        pytest.param(lambda: truthful(demo().statements), id="demo"),
        pytest.param(lambda: truthful(plausible_run(1, 8, 4, 60).statements), id="plausible"),
        pytest.param(lambda: truthful(last_run(Path("/r")).statements), id="recorded"),
        pytest.param(lambda: truthful(first_run(Path("/r")).statements), id="failed"),
        pytest.param(described, id="tasks-and-workers-of-the-pipeline"),
    ],
)
def test_a_run_is_valid(statements):
    report = check_statements(statements(), "run")
    assert report.findings == []
    assert report.records > 10


def test_a_run_read_back_from_its_store_is_valid(tmp_path):
    maker = demo()
    with open_store(tmp_path / "store") as store:
        store.load(maker.run, maker.uuid, truthful(maker.statements))
        report = check_statements(store.statements(maker.run), maker.run)
    assert report.findings == []


def broken(change):
    """Check a demo whose statements `change` changed; give the rules that find something."""
    maker = GraphMaker()
    maker.start()
    cell, other = maker.cell(1), maker.cell(2)
    version = maker.file("/p/a.csv", "a")
    maker.writes(cell, version, 12.0)
    maker.reads(other, version, 21.0)
    statements = truthful(maker.statements)
    assert list(check_rules(statements)) == []
    changes = [change(statement) for statement in statements]
    return list(check_rules([s for s in changes if s is not None]))


def at(uid, **properties):
    """Change the properties of the one node or edge whose uid ends so."""
    return lambda s: changed(s, **properties) if s.uid.endswith(uid) else s


def of(relation, **properties):
    """Change the properties of every edge of a relation."""
    return lambda s: changed(s, **properties) if getattr(s, "relation", "") == relation else s


@pytest.mark.parametrize(
    ("rule", "change", "why"),
    [
        ("end-after-start", at("execution/1", ended="2026-11-22T20:45:00.5Z"), "10.500 s before"),
        ("counts", at("0001/", cells=7), "says 7 cells, but has 2"),
        ("counts", at("execution/1", processes=3), "says 3 processes, but has 0"),
        ("counts", at("0001/", events=12), "tells of 13 lines, but read 10"),
        ("access-owned", of("used", evidence=""), "neither why"),
        ("known-ends", lambda s: None if s.uid.endswith("execution/2") else s, "nothing describes"),
    ],
)
def test_a_run_that_breaks_a_rule_of_ours_is_found(rule, change, why):
    found = [finding for finding in broken(change) if finding.rule == rule]
    assert found
    assert why in found[0].why


def test_a_use_before_the_making_is_found_beyond_the_error_of_both_clocks():
    def on(host, seconds):
        def change(statement):
            if isinstance(statement, Edge) and statement.relation == "used":
                return changed(statement, host=host, at=f"2026-11-22T20:45:{seconds:012.9f}Z")
            return statement

        return change

    (finding,) = broken(on("h1", 12.0))
    assert finding.rule == "use-after-generation"
    assert finding.why == "was used 1.000 s before it was made"
    assert len(finding.records) == 2
    assert broken(on("h1", 12.995)) == []


def test_a_worker_with_a_bad_clock_is_forgiven_as_much_as_it_is_wrong():
    maker = GraphMaker()
    maker.start()
    maker.scoped("worker/w", "Worker", host="w1", clock_error_ns=2_000_000_000)
    version = maker.file("/p/a.csv", "a")
    maker.writes(maker.cell(1), version, 12.0)
    maker.reads(maker.cell(2), version, 10.5, host="w1")
    assert list(check_rules(truthful(maker.statements))) == []
    maker.reads(maker.cell(3), version, 9.5, host="w1")
    assert [f.rule for f in check_rules(truthful(maker.statements))] == ["use-after-generation"]


SH = rdflib.SH
SHAPES = find_resources("schemas") / "shapes.ttl"


def of_pyshacl(maker, statements):
    """List what pyshacl finds: each result's focus node, component and path."""
    import pyshacl

    writer = RunWriter(maker.uuid)
    lines = [line for statement in statements for line in writer.lines(statement)[1]]
    dataset = rdflib.Dataset(default_union=True)
    dataset.parse(data="".join(lines), format="nquads")
    graph = rdflib.Graph()
    for triple in dataset.triples((None, None, None)):
        graph.add(triple)
    shapes = rdflib.Graph().parse(SHAPES)
    _, report, _ = pyshacl.validate(graph, shacl_graph=shapes)
    return {
        (str(report.value(result, SH.focusNode)),
         str(report.value(result, SH.sourceConstraintComponent)).rpartition("#")[2],
         str(path) if isinstance(path := report.value(result, SH.resultPath), rdflib.URIRef)
         else "")
        for result in report.objects(None, SH.result)
    }  # fmt: skip


def of_ours(statements):
    return {
        (found.focus, found.component, "" if found.path in INVERTED else found.path)
        for found in violations(Described(statements))
    }


INVERTED = {
    PROV + name
    for name in (
        "used",
        "hadMember",
        "qualifiedUsage",
        "qualifiedGeneration",
        "qualifiedInvalidation",
    )
}


def drop(statements, where, name):
    """Take a property away."""
    return [
        dataclasses.replace(s, properties={k: v for k, v in s.properties.items() if k != name})
        if where(s) else s
        for s in statements
    ]  # fmt: skip


def kind(name):
    return lambda s: getattr(s, "kind", "") == name


def relation(name):
    return lambda s: getattr(s, "relation", "") == name and s.uid


def put(where, **properties):
    return lambda ss: [changed(s, **properties) if where(s) else s for s in ss]


def without(where):
    return lambda ss: [s for s in ss if not where(s)]


def more(make):
    return lambda ss: [*ss, *make(GraphMaker().base)]


MUTATIONS = {
    "no-run": lambda ss: drop(ss, kind("Run"), "run"),
    "relative-path": put(kind("FileVersion"), path="a.csv"),
    "bad-digest": put(kind("FileVersion"), sha256="xyz"),
    "other-digest": put(kind("FileVersion"), sha256="b" * 64),
    "negative-size": put(kind("FileVersion"), size=-1),
    "size-as-text": put(kind("FileVersion"), size="3"),
    "odd-role": put(relation("used"), role="odd"),
    "odd-mode": put(relation("used"), mode="write"),
    "no-evidence": lambda ss: drop(ss, relation("used"), "evidence"),
    "fewer-accesses-than-none": put(relation("wasGeneratedBy"), accesses=-1),
    "accesses-as-truth": put(relation("used"), accesses=True),
    "no-time": lambda ss: drop(ss, relation("used"), "at"),
    "odd-port": put(kind("Endpoint"), port="http"),
    "ends-early": put(kind("CellExecution"), ended="2020-01-01T00:00:00.000000000Z"),
    "never-started": lambda ss: drop(ss, kind("CellExecution"), "started"),
    "seconds-as-integer": put(kind("CellExecution"), seconds=5),
    "not-told-why-undigested": lambda ss: drop(
        drop(ss, kind("FileVersion"), "undigested"), kind("FileVersion"), "sha256"),
    "no-kernel": without(kind("Kernel")),
    "no-content": without(kind("Content")),
    "no-cells": without(kind("Cell")),
    "no-footprint": without(kind("Footprint")),
    "a-member-less": without(lambda s: getattr(s, "relation", "") == "hadMember"),
    "no-part-of-run": without(lambda s: getattr(s, "relation", "") == "partOfRun"),
    "no-endpoint": without(kind("Endpoint")),
    "content-used": lambda ss: [
        *ss, Edge("used", next(s.uid for s in ss if kind("CellExecution")(s)),
                  next(s.uid for s in ss if kind("Content")(s)))],
    "two-makers": lambda ss: [
        *ss, *(Edge("wasGeneratedBy", s.source, GraphMaker().base + "session")
               for s in ss if relation("wasGeneratedBy")(s))],
    "two-paths": lambda ss: [
        *ss, *(changed(s, path="/other") for s in ss if kind("FileVersion")(s))],
    "odd-content-name": more(lambda base: [Node("nih:sha-256;12", "Content",
                                                {"sha256": "1" * 64, "size": 1})]),
    "one-name-two-relations": lambda ss: [
        *ss, *(dataclasses.replace(s, target=GraphMaker().base + "session") for s in ss
               if relation("used")(s))],
}  # fmt: skip


@pytest.mark.filterwarnings(
    "ignore:(Dataset|ConjunctiveGraph):DeprecationWarning", "ignore::DeprecationWarning:rdflib.*",
    "ignore::DeprecationWarning:pyshacl.*",
)  # fmt: skip
@pytest.mark.parametrize("name", MUTATIONS)
def test_shapes_find_what_pyshacl_finds(name):
    maker = demo()
    statements = MUTATIONS[name](truthful(maker.statements))
    expected = of_pyshacl(maker, statements)
    assert expected
    assert of_ours(statements) == expected


def test_a_finding_of_a_shape_says_which_property_and_why():
    (found, *_) = check_shapes(put(kind("FileVersion"), size=-1)(demo().statements))
    assert found.rule == "shape:FileVersion"
    assert found.why == "terms#size: -1 is not at least 0"


@pytest.mark.parametrize(
    ("shape", "what"),
    [
        ("sh:property [ sh:path nbr:a ; sh:uniqueLang true ]", "uniqueLang"),
        ("sh:property [ sh:path [ sh:zeroOrMorePath nbr:a ] ; sh:minCount 1 ]", "zeroOrMorePath"),
        ("sh:closed true", "closed"),
        ('sh:sparql [ sh:message "m" ; sh:select "SELECT $this {}" ]', "SPARQL constraint"),
        ("sh:property [ sh:path nbr:a ; sh:datatype xsd:date ]", "no value of the graph"),
        ("sh:nodeKind sh:Literal", "only sh:IRI"),
        ("not turtle", "no readable Turtle"),
    ],
)
def test_a_construct_that_nobody_checks_is_refused(tmp_path, shape, what):
    path = tmp_path / "shapes.ttl"
    path.write_text(
        "@prefix sh: <http://www.w3.org/ns/shacl#> . @prefix nbr: <https://e/> .\n"
        "@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .\n"
        f"nbr:S sh:targetClass nbr:C ; {shape} ."
    )
    with pytest.raises(DocumentError, match=what):
        list(violations(Described([]), path))
