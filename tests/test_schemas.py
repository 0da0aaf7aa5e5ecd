"""The vocabulary documents every term that is used, and every graph satisfies the shapes."""

from __future__ import annotations

import re
import subprocess
import sys

import pyshacl
import pytest
import rdflib

from nbrepro.resources import find_resources
from nbrepro.stores.forms import to_form
from nbrepro.stores.rdf import BUNDLE_PROPERTIES, RunWriter, property_iri
from nbrepro.vocabulary import KINDS, NBR, PROV, RELATIONS
from tests.graphs import demo, plausible_run

SCHEMAS = find_resources("schemas")
TERMS = rdflib.Graph().parse(SCHEMAS / "nbrepro.ttl")
SHAPES = rdflib.Graph().parse(SCHEMAS / "shapes.ttl")
OWL = rdflib.OWL
P = rdflib.Namespace(PROV)
N = rdflib.Namespace(NBR)


def graph_of(maker):
    """Give the union of what a run says, as rdflib reads it."""
    writer = RunWriter(maker.uuid)
    lines = [line for statement in maker.statements for line in writer.lines(statement)[1]]
    dataset = rdflib.Dataset(default_union=True)
    dataset.parse(data="".join(lines), format="nquads")
    graph = rdflib.Graph()
    for triple in dataset.triples((None, None, None)):
        graph.add(triple)
    return graph


def violations(graph, focus=None):
    only = [str(focus)] if focus else None
    _, report, _ = pyshacl.validate(graph, shacl_graph=SHAPES, focus_nodes=only)
    shacl = rdflib.SH
    return {
        (str(report.value(result, shacl.focusNode)),
         str(report.value(result, shacl.resultPath) or report.value(result, shacl.resultMessage)))
        for result in report.subjects(rdflib.RDF.type, shacl.ValidationResult)
    }  # fmt: skip


def ours(graph):
    used = {str(term) for triple in graph for term in triple if str(term).startswith(NBR)}
    return {term.removeprefix(NBR) for term in used}


DEFINED = {str(term).removeprefix(NBR) for term in TERMS.subjects() if str(term).startswith(NBR)}
CLASSES = {str(c).removeprefix(NBR) for c in TERMS.subjects(rdflib.RDF.type, OWL.Class)}

pytestmark = pytest.mark.filterwarnings(
    "ignore:(Dataset|ConjunctiveGraph):DeprecationWarning", "ignore::DeprecationWarning:rdflib.*",
    "ignore::DeprecationWarning:pyshacl.*",
)  # fmt: skip


def test_every_class_and_relation_of_ours_is_defined_and_no_other():
    classes = {c.removeprefix(NBR) for kind in KINDS.values() for c in kind.classes
               if c.startswith(NBR)}  # fmt: skip
    assert classes == CLASSES
    relations = {r.plain.removeprefix(NBR) for r in RELATIONS.values() if r.plain.startswith(NBR)}
    assert relations == {
        str(p).removeprefix(NBR) for p in TERMS.subjects(rdflib.RDF.type, OWL.ObjectProperty)
    }


def test_a_class_is_below_the_prov_class_that_its_nodes_get():
    for kind in KINDS.values():
        if kind.base == "Role":
            continue
        defined = rdflib.URIRef(kind.classes[0])
        above = {str(c) for c in TERMS.objects(defined, rdflib.RDFS.subClassOf)}
        written = {PROV + kind.base, *kind.classes[1:]}
        assert above <= written | {PROV + "Entity", PROV + "Activity"}
        assert any(c.startswith(PROV) for c in above)


def test_every_term_of_the_graphs_is_defined():
    assert ours(graph_of(demo())) | ours(graph_of(plausible_run(1, 2, 2, 20))) <= DEFINED
    bundle = {property_iri(name) for name in (*BUNDLE_PROPERTIES, "statements")}
    assert {iri.removeprefix(NBR) for iri in bundle if iri.startswith(NBR)} <= DEFINED


def test_every_term_of_the_questions_and_shapes_is_defined():
    text = "".join(path.read_text() for path in (find_resources("queries") / "sparql").glob("*"))
    text += (SCHEMAS / "shapes.ttl").read_text()
    assert set(re.findall(r"\bnbr:(\w+)", text)) <= DEFINED


def test_every_term_says_what_it_means():
    for term in DEFINED:
        for property_ in (rdflib.RDFS.label, rdflib.RDFS.comment):
            assert len(list(TERMS.objects(N[term], property_))) == 1, term


@pytest.mark.parametrize(
    "maker", [demo(), plausible_run(3, 4, 3, 30)], ids=["by hand", "generated"]
)
def test_a_graph_conforms(maker):
    assert violations(graph_of(maker)) == set()


BASE = demo().base


def replace(graph, subject, predicate, *objects):
    graph.remove((subject, predicate, None))
    for value in objects:
        graph.add((subject, predicate, value))


def text(value):
    return rdflib.Literal(value, datatype=rdflib.XSD.string)


FILE, CELL = rdflib.URIRef(BASE + "file/2"), rdflib.URIRef(BASE + "execution/1")
RUN = rdflib.URIRef(BASE)
_USED = next(s for s in demo().statements if getattr(s, "relation", "") == "used" and s.uid)
USAGE, ROLE = rdflib.URIRef(_USED.uid), rdflib.URIRef(to_form(_USED)[1].uid)


@pytest.mark.parametrize(
    ("subject", "predicate", "objects", "found"),
    [
        (FILE, N.path, [], N.path),
        (FILE, N.path, [text("relative")], N.path),
        (FILE, N.role, [text("input")], N.role),
        (FILE, N.role, [], N.role),
        (FILE, N.sha256, [text("ABC")], N.sha256),
        (FILE, N.size, [rdflib.Literal(-1)], N.size),
        (RUN, N.run, [text("a"), text("b")], N.run),
        (FILE, P.specializationOf, [CELL], P.specializationOf),
        (CELL, N.status, [text("good")], N.status),
        (CELL, N.execution, [text("1")], N.execution),
        (CELL, P.startedAtTime, [rdflib.Literal("2030-01-01T00:00:00Z",
                                                datatype=rdflib.XSD.dateTime)], P.startedAtTime),
        (CELL, N.partOfRun, [], N.partOfRun),
        (USAGE, P.entity, [], P.entity),
        (USAGE, N.mode, [text("looked")], N.mode),
        (USAGE, P.hadRole, [], P.hadRole),
        (ROLE, N.certainty, [text("sure")], N.certainty),
        (ROLE, N.evidence, [], N.evidence),
        (USAGE, P.atTime, [text("noon")], P.atTime),
    ],
)  # fmt: skip
def test_a_graph_that_breaks_a_promise_does_not_conform(subject, predicate, objects, found):
    graph = graph_of(demo())
    replace(graph, subject, predicate, *objects)
    broken = {path for focus, path in violations(graph, subject) if focus == str(subject)}
    # A node shape that a qualified relation refers to reports itself, not its part.
    assert str(found) in broken or any("access" in path for path in broken)


def test_a_file_needs_a_digest_or_the_reason_why_not():
    graph = graph_of(demo())
    graph.remove((FILE, N.sha256, None))
    assert str(FILE) in {focus for focus, _ in violations(graph)}
    graph.add((FILE, N.undigested, text("too large")))
    assert violations(graph) == set()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: g.remove((None, P.used, FILE)), "a qualified relation lacks its plain form"),
        (lambda g: replace(g, FILE, N.sha256, text("0" * 64)), "the content of a file version"),
        (lambda g: g.remove((None, P.hadMember, None)), "a footprint has as many members"),
    ],
)
def test_statements_that_contradict_each_other_do_not_conform(change, message):
    graph = graph_of(demo())
    change(graph)
    assert any(path.startswith(message) for _, path in violations(graph))


@pytest.mark.parametrize("module", ["nbrepro.walk", "nbrepro.capture.collecting"])
def test_what_starts_for_every_worker_loads_no_checker_of_schemas(module: str):
    assert loaded(f"import {module}") == []


def test_no_grammar_is_built_for_checking_our_schemas():
    code = (
        "from nbrepro.conformity import find_violation, skip_iri_grammar\n"
        "skip_iri_grammar()\nassert find_violation({}, 'worker.schema.json')"
    )
    assert loaded(code) == ["jsonschema"]


def loaded(code: str) -> list[str]:
    """Execute code in a new interpreter; give which of the slow modules it loaded."""
    code += "\nimport sys\nprint(*{'jsonschema', 'lark', 'rich', 'nbformat'} & set(sys.modules))"
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.split()
