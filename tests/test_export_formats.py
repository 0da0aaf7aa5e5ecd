"""Every export, read by a library that is not ours, says what the graph says."""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path

import jsonschema
import prov
import pytest
import rdflib
from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import HealthCheck, given, settings
from lxml import etree
from packageurl import PackageURL
from prov.model import ProvDocument

from nbrepro.errors import MachineError, UsageError
from nbrepro.export import make_document
from nbrepro.export.drawn import write_svg
from nbrepro.export.extract import Extract
from nbrepro.export.rdf import sorted_lines
from nbrepro.export.writers import FORMATS, find_format
from nbrepro.model import Edge, Node
from nbrepro.stores import open_store
from nbrepro.stores.rdf import literal_text
from nbrepro.validity.checking import check_parsed
from nbrepro.validity.provjson import parse_document
from nbrepro.vocabulary import META_GRAPH
from tests.graphs import GraphMaker, demo, graph_statements, plausible_run
from tests.test_conformance import described

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:(prov|rdflib|cyclonedx).*"),
    pytest.mark.filterwarnings("ignore:(Dataset|ConjunctiveGraph):DeprecationWarning"),
]

SCHEMAS = Path(prov.__file__).parent / "tests" / "schemas"


def odd():
    """A graph with every character that some format cannot write as it is."""
    maker = demo()
    path = "/p/\x01\x1b[31m\t]]>&<\"'\\ü\u2028\r\n\U0001f600 \ufffe.csv"
    maker.reads(maker.base + "execution/1", maker.file(path, "odd"), 12.0, named=path)
    maker.package("we=ird(name)", "1.0+x'y;z")
    return maker


GRAPHS = {
    "demo": lambda: demo().statements,
    "plausible": lambda: plausible_run(1, 4, 4, 40).statements,
    "tasks-and-workers": described,
    "odd-characters": lambda: odd().statements,
}


@cache
def statements_of(name):
    return tuple(GRAPHS[name]())


@pytest.fixture(params=GRAPHS)
def statements(request):
    return statements_of(request.param)


def written(name, statements) -> bytes:
    out = io.BytesIO()
    with Extract(statements) as extract:
        find_format(name).write(extract, out)
    return out.getvalue()


def read_prov(content: bytes, form: str) -> ProvDocument:
    return ProvDocument.deserialize(content=content.decode(), format=form)


PROV_FORMS = {"prov-json": "json", "prov-n": "provn", "prov-xml": "xml"}


@pytest.mark.parametrize("name", PROV_FORMS)
@pytest.mark.parametrize("graph", [name for name in GRAPHS if name != "odd-characters"])
def test_the_prov_library_reads_all_of_the_graph(graph, name):
    statements = statements_of(graph)
    assert read_prov(written(name, statements), PROV_FORMS[name]) == make_document(statements)


@pytest.mark.parametrize("name", ["prov-json", "prov-n"])
def test_odd_characters_come_back(name):
    statements = statements_of("odd-characters")
    document = read_prov(written(name, statements), PROV_FORMS[name])
    assert document == make_document(statements)


def test_xml_shows_pictures_of_what_it_cannot_hold():
    document = read_prov(written("prov-xml", statements_of("odd-characters")), "xml")
    paths = {
        str(value)
        for record in document.get_records()
        for name, value in record.attributes
        if str(name) == "nbr:path"
    }
    assert "/p/␁␛[31m\t]]>&<\"'\\ü\u2028\r\n\U0001f600 \ufffd.csv" in paths


def test_prov_json_satisfies_the_schema_of_w3c(statements):
    schema = json.loads((SCHEMAS / "prov-json.schema.json").read_text())
    validator = jsonschema.validators.validator_for(schema)(schema)
    content = json.loads(written("prov-json", statements))
    assert [error.message for error in validator.iter_errors(content)] == []


def test_prov_json_keeps_to_what_every_reader_accepts(statements):
    repeated = []

    def pairs(found):
        repeated.extend({key for key, _ in found if [k for k, _ in found].count(key) > 1})
        return dict(found)

    content = json.loads(written("prov-json", statements), object_pairs_hook=pairs)
    assert repeated == []
    assert next(iter(content)) == "prefix"
    assert {"prov", "xsd"} <= content["prefix"].keys()
    for kind, records in content.items():
        for uid, record in records.items() if kind != "prefix" else ():
            assert isinstance(record, dict)
            assert not uid.startswith("_:") or kind not in ("entity", "activity", "agent")
            assert isinstance(record.get("prov:label", ""), str)
            for name, value in record.items():
                for one in value if isinstance(value, list) else [value]:
                    assert isinstance(one, str) or isinstance(one["$"], str), (uid, name)
                if name in ("prov:time", "prov:startTime", "prov:endTime"):
                    assert "T" in value
                    assert value.endswith("Z")


def test_our_own_check_finds_the_export_valid_and_whole(statements):
    parsed = parse_document(written("prov-json", statements))
    assert parsed.unread == []
    assert len(parsed) == len(list(make_document(statements).get_records()))
    assert check_parsed(parsed, "run").findings == []


def test_what_the_xml_schema_objects_to_is_names_only(statements):
    schema = etree.XMLSchema(etree.parse(SCHEMAS / "prov.xsd"))
    schema.validate(etree.fromstring(written("prov-xml", statements)))
    other = [error.message for error in schema.error_log if "xs:QName" not in error.message]
    assert other == []


def quads(content: bytes, form: str):
    """Read RDF with rdflib, and give literals as their text and datatype."""
    dataset = rdflib.Dataset()
    dataset.parse(data=content, format=form)
    return {
        (str(s), str(p), (str(o), str(getattr(o, "datatype", ""))), str(graph))
        for s, p, o, graph in dataset.quads()
    }


@pytest.mark.parametrize("name", ["trig", "json-ld"])
def test_rdflib_reads_the_same_quads_from_every_format(statements, name):
    assert quads(written(name, statements), name) == quads(written("nquads", statements), "nquads")


def test_turtle_has_the_triples_without_the_note(statements):
    expected = {
        quad[:3] for quad in quads(written("nquads", statements), "nquads") if quad[3] != META_GRAPH
    }
    assert {quad[:3] for quad in quads(written("turtle", statements), "turtle")} == expected


def test_nquads_are_sorted_and_make_the_same_run_in_a_store(tmp_path):
    maker = demo()
    content = written("nquads", maker.statements)
    lines = content.splitlines(keepends=True)
    assert lines == sorted(set(lines))
    with open_store(tmp_path / "store") as store:
        store.load(maker.run, maker.uuid, maker.statements)
        kept = "".join(store.dump(maker.run)).encode()
    # Stores write numbers and times in their own way: compared as rdflib understands them.
    assert len(kept.splitlines()) == len(lines)
    own = ("#double", "#dateTime")
    fixed = {q for q in quads(content, "nquads") if not q[2][1].endswith(own)}
    left = fixed - quads(kept, "nquads")
    # The store notes how many statements it was given, some of them twice.
    assert {quad[1].rpartition("#")[2] for quad in left} <= {"statements"}


def test_lines_are_sorted_with_few_in_memory(monkeypatch):
    monkeypatch.setattr("nbrepro.export.rdf._SORTED_AT_ONCE", 7)
    lines = [f"{number * 37 % 101:03}\n" for number in range(300)]
    assert list(sorted_lines(lines)) == sorted({line.encode() for line in lines})


def plain_purl(text):
    """Write a purl as its library does: other characters are percent-encoded."""
    return PackageURL.from_string(text).to_string()


def test_cyclonedx_is_valid_by_its_own_schema_and_tells_every_package(statements):
    content = written("cyclonedx", statements).decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(content) is None
    bom = Bom.from_json(json.loads(content))
    packages = {
        (node.uid, plain_purl(node.properties["purl"]), node.properties.get("record_digest"))
        for node in statements
        if isinstance(node, Node) and node.kind == "Package"
    }
    found = {
        (str(c.bom_ref.value), plain_purl(str(c.purl)), next((h.content for h in c.hashes), None))
        for c in bom.components
        if c.purl
    }
    assert found == packages
    data = {c.name for c in bom.components if c.type.value == "data"}
    assert {
        literal_text(node.properties["path"])
        for node in statements
        if isinstance(node, Node)
        and node.kind == "FileVersion"
        and node.properties["role"] in ("data", "config", "code")
    } == data


def test_equal_environments_have_equal_serial_numbers():
    one, other = demo("a", 1), demo("b", 2)
    serial = [json.loads(written("cyclonedx", m.statements))["serialNumber"] for m in (one, other)]
    assert serial[0] == serial[1]
    other.package("scipy", "1.0")
    assert json.loads(written("cyclonedx", other.statements))["serialNumber"] != serial[0]


def test_dot_has_each_access_to_data_once():
    maker = demo()
    maker.reads(maker.base + "execution/2", maker.base + "file/3", 25.0)
    text = written("dot", maker.statements).decode()
    arrows = [line for line in text.splitlines() if "->" in line]
    assert len(arrows) == len(set(arrows))
    assert any("/p/out.csv" in line.partition("->")[2] for line in arrows)


@pytest.mark.live("dot")
def test_svg_is_drawn_by_graphviz():
    root = etree.fromstring(written("svg", demo().statements))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"


def test_a_drawing_that_nobody_could_read_is_refused(monkeypatch):
    monkeypatch.setattr("nbrepro.export.drawn.DRAWN_EDGES", 2)
    with Extract(demo().statements) as extract, pytest.raises(MachineError, match="--cell"):
        write_svg(extract, io.BytesIO())


@given(graph_statements())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_graph_comes_back_from_prov_json_and_quads(statements):
    maker = GraphMaker()
    maker.start()
    whole = [*maker.statements, *statements]
    assert read_prov(written("prov-json", whole), "json") == make_document(whole)
    assert quads(written("trig", whole), "trig") == quads(written("nquads", whole), "nquads")


@given(graph_statements())
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_graph_comes_back_from_prov_n(statements):
    maker = GraphMaker()
    maker.start()
    whole = [*maker.statements, *statements]
    assert read_prov(written("prov-n", whole), "provn") == make_document(whole)
    etree.fromstring(written("prov-xml", whole))
    assert quads(written("json-ld", whole), "json-ld") == quads(written("nquads", whole), "nquads")


def test_an_extract_gives_each_statement_once_and_as_often_as_asked():
    maker = demo()
    twice = [*maker.statements, *maker.statements]
    with Extract(twice) as extract:
        nodes = [s for s in maker.statements if isinstance(s, Node)]
        once = {(e.relation, e.source, e.target, e.uid): e
                for e in reversed(maker.statements) if isinstance(e, Edge)}  # fmt: skip
        for _ in range(2):
            assert sorted(n.uid for n in extract.nodes()) == sorted(n.uid for n in nodes)
            assert {(e.relation, e.source, e.target, e.uid): e for e in extract.edges()} == once
        assert len(extract) == len(nodes) + len(once)
        halves = zip(extract.nodes("Entity"), extract.nodes("Entity"), strict=True)
        assert all(one == other for one, other in halves)


def test_an_unknown_format_names_those_that_exist():
    with pytest.raises(UsageError, match="prov-json"):
        find_format("docx")
    assert find_format("prov-o") is FORMATS["turtle"]
