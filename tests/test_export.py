"""networkx and `prov` get all of a run's graph: as many of each kind and relation, read back."""

from __future__ import annotations

import json
import sys
from collections import Counter

import networkx
import pytest

import nbrepro
from nbrepro.errors import MachineError
from nbrepro.export import make_document, make_network
from nbrepro.model import Edge, Node
from nbrepro.stores import open_store
from nbrepro.validity.checking import check_parsed
from nbrepro.validity.provjson import parse_document
from nbrepro.vocabulary import KINDS, NBR, RELATIONS
from tests.graphs import NEWLINE, NOT_UTF8, demo, plausible_run
from tests.recorded import LAST, make_project
from tests.test_conformance import described

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:(prov|rdflib).*")

GRAPHS = {
    "demo": lambda: demo().statements,
    "plausible": lambda: plausible_run(1, 6, 4, 40).statements,
    "tasks-and-workers": described,
}


@pytest.fixture(params=GRAPHS)
def statements(request):
    return list(GRAPHS[request.param]())


def nodes(statements):
    return {s.uid: s for s in statements if isinstance(s, Node)}


def edges(statements):
    """Give the edges, each once: stores keep no two of one kind between the same ends unnamed."""
    found = [s for s in statements if isinstance(s, Edge)]
    return list({(e.relation, e.source, e.target, e.uid): e for e in found}.values())


def test_a_network_has_every_node_by_kind_and_every_edge_by_relation(statements):
    graph = make_network(statements)
    assert isinstance(graph, networkx.DiGraph)
    assert Counter(kind for _, kind in graph.nodes(data="kind")) == Counter(
        node.kind for node in nodes(statements).values()
    )
    assert Counter(relation for *_, relation in graph.edges(data="relation")) == Counter(
        edge.relation for edge in edges(statements)
    )


def test_a_network_keeps_all_properties(statements):
    graph = make_network(statements)
    for uid, node in nodes(statements).items():
        own = {{"kind": "file_kind"}.get(k, k): v for k, v in node.properties.items()}
        assert graph.nodes[uid] == {"kind": node.kind, **own}
    for edge in edges(statements):
        held = graph.edges[edge.source, edge.target, edge.uid or edge.relation]
        assert held == {"relation": edge.relation, **edge.properties}


def test_two_accesses_to_one_file_are_two_edges():
    maker = demo()
    activity, version = maker.base + "execution/2", maker.base + "file/4"
    before = make_network(maker.statements).number_of_edges(activity, version)
    maker.reads(activity, version, 22.0)
    assert make_network(maker.statements).number_of_edges(activity, version) == before + 1


PROV_RELATIONS = {
    "used", "wasGeneratedBy", "wasInvalidatedBy", "wasDerivedFrom", "wasAssociatedWith",
    "wasInformedBy", "actedOnBehalfOf", "specializationOf", "hadMember",
}  # fmt: skip


def records_of(document):
    """List the records of a document by the name that PROV-N has for them."""
    from prov.constants import PROV_N_MAP

    return [(PROV_N_MAP[record.get_type()], record) for record in document.get_records()]


def test_a_document_has_every_kind_and_every_relation(statements):
    found = records_of(make_document(statements))
    types = Counter(
        value.uri
        for kind, record in found
        if kind in ("entity", "activity", "agent")
        for value in record.get_asserted_types()
    )
    for name, kind in KINDS.items():
        number = sum(node.kind == name for node in nodes(statements).values())
        assert types[kind.classes[0]] == number, name
    expected = Counter(
        edge.relation.replace("wasRevisionOf", "wasDerivedFrom") for edge in edges(statements)
    )
    assert Counter(kind for kind, _ in found if kind in PROV_RELATIONS) == Counter(
        {relation: n for relation, n in expected.items() if relation in PROV_RELATIONS}
    )


def test_relations_that_prov_does_not_have_are_attributes_of_their_source(statements):
    document = make_document(statements)
    held = Counter(
        (record.identifier.uri, name.uri, value.uri)
        for kind, record in records_of(document)
        if kind in ("entity", "activity", "agent")
        for name, value in record.attributes
        if hasattr(value, "uri") and not name.uri.endswith("#type")
    )
    plain = {
        "atLocation": "http://www.w3.org/ns/prov#location"
    }  # PROV-DM's attribute; PROV-O's property is prov:atLocation
    expected = Counter(
        (edge.source, plain.get(edge.relation, RELATIONS[edge.relation].plain), edge.target)
        for edge in edges(statements)
        if edge.relation not in {*PROV_RELATIONS, "wasRevisionOf"}
    )
    assert held == expected


def test_a_revision_is_a_derivation_of_that_type():
    document = make_document(demo().statements)
    revisions = [
        record
        for kind, record in records_of(document)
        if kind == "wasDerivedFrom"
        and "http://www.w3.org/ns/prov#Revision" in {t.uri for t in record.get_asserted_types()}
    ]
    assert len(revisions) == 1


@pytest.mark.parametrize("form", ["json", "provn", "rdf"])
def test_a_document_reads_back_equal(statements, form):
    from prov.model import ProvDocument

    document = make_document(statements)
    text = document.serialize(format=form)
    back = ProvDocument.deserialize(content=text, format=form)
    if form == "rdf":
        # RDF has sets: what the library makes of records without a name is compared by name.
        named = {record.identifier for _, record in records_of(document) if record.identifier}
        assert named <= {record.identifier for _, record in records_of(back)}
    else:
        assert back == document


def test_our_reader_finds_the_document_of_a_run_valid_and_whole(statements):
    document = make_document(statements)
    text = document.serialize(format="json")
    parsed = parse_document(text)
    assert parsed.unread == []
    assert len(parsed) == len(list(document.get_records()))
    report = check_parsed(parsed, "run")
    assert report.findings == []
    names = {record.uid for record in parsed.bundles[""]}
    assert nodes(statements).keys() <= names


def test_prefixes_are_those_of_the_identifier_matrix():
    maker = demo()
    written = json.loads(make_document(maker.statements).serialize(format="json"))
    expected = {"run": maker.base, "sha256": "nih:sha-256;", "pkg": "pkg:", "nbr": NBR}
    assert expected.items() <= written["prefix"].items()
    assert not [prefix for prefix in written["prefix"] if prefix.startswith("ns")]
    assert "run:execution/1" in written["activity"]
    assert "bundle" not in written


def test_names_that_are_not_utf8_can_be_written():
    text = make_document(demo().statements).serialize(format="provn")
    assert text.encode("utf-8")
    assert NOT_UTF8 not in text
    written = json.loads(make_document(demo().statements).serialize(format="json"))
    assert NEWLINE in {e.get("nbr:path") for e in written["entity"].values()}


def test_without_the_library_the_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "prov.model", None)
    with pytest.raises(MachineError, match=r"pip install 'nbrepro\[prov\]'"):
        make_document([])


def test_a_run_gives_its_graph_and_its_document_from_the_store(tmp_path):
    make_project(tmp_path)
    with nbrepro.open(tmp_path) as provenance:
        run = provenance.run(LAST)
        graph, document = run.graph(), run.to_prov()
        assert Counter(dict(graph.nodes(data="kind")).values())["CellExecution"] == 4
        written = [r for kind, r in records_of(document) if kind in ("used", "wasGeneratedBy")]
        among = [r for *_, r in graph.edges(data="relation") if r in ("used", "wasGeneratedBy")]
        assert len(written) == len(among) > 0
        simple = run.graph(multi=False)
        assert type(simple) is networkx.DiGraph
        assert simple.nodes == graph.nodes
        assert sum(len(details) for *_, details in simple.edges(data="details")) == len(graph.edges)
        assert {r for *_, rs in simple.edges(data="relations") for r in rs} == {
            r for *_, r in graph.edges(data="relation")
        }


def test_a_task_reaches_the_files_it_read_in_the_network(tmp_path):
    with open_store(tmp_path / "store") as store:
        store.load("r", "u", described())
        graph = make_network(store.statements("r"))
    task = "arcp://uuid,u/task/1"
    paths = {graph.nodes[uid].get("path") for uid in networkx.descendants(graph, task)}
    assert {"/study/in.csv", "/data/hidden.csv"} <= paths


def test_exporting_loads_neither_library_before_it_is_asked():
    import subprocess

    code = (
        "import nbrepro.runs, nbrepro.export, nbrepro.cli.check, nbrepro.validity, sys;"
        "assert not {'networkx', 'prov'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
