"""Graphs are judged as the Recommendation, SHACL and our own rules say; findings name records."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import networkx
import prov
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from nbrepro.cli.program import program
from nbrepro.errors import DocumentError, ExitCode
from nbrepro.validity import check_document
from nbrepro.validity.checking import check_parsed, check_records
from nbrepro.validity.components import strongly_connected
from nbrepro.validity.facts import Facts
from nbrepro.validity.ordering import Ordering
from nbrepro.validity.provjson import parse_document
from nbrepro.validity.records import SIGNATURES, Record
from nbrepro.validity.times import find_instant, instant_text
from nbrepro.validity.unification import Unifier
from tests.recorded import LAST, make_project

CASES = sorted((Path(__file__).parent / "cases" / "validity").glob("*.json"))
EX = "http://example.org/"


def judged(path):
    """Give the constraint that a case's name says it breaks; None for a valid one."""
    match = re.search(r"-fail-c(\d+)$", path.stem)
    assert match or path.stem.endswith("-pass")
    return int(match[1]) if match else None


def check(text):
    document = parse_document(json.dumps(text) if isinstance(text, dict) else text)
    return check_parsed(document, "a document")


def ex(kind, uid, *arguments):
    """Make a record of things in one namespace."""
    full = [EX + a if a and s.sort != "time" else a
            for a, s in zip(arguments, SIGNATURES[kind], strict=False)]  # fmt: skip
    return Record(kind, EX + uid if uid else "", tuple(full))


def test_there_are_cases_enough():
    assert len(CASES) >= 60
    broken = {judged(path) for path in CASES}
    assert broken == {None, 0, 22, 23, 24, 25, 26, 27, 28, 29, 42, 51, 52, 53, 54, 55, 56}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_case_is_valid_or_breaks_the_constraint_in_its_name(path):
    report = check_document(path)
    expected = judged(path)
    assert {finding.constraint for finding in report.findings} == ({expected} - {None})
    assert all(finding.why and finding.records for finding in report.findings)
    assert report.unread == []


PROV_TESTS = Path(prov.__file__).parent / "tests"
PROV = "{http://www.w3.org/ns/prov#}"
TYPED = "{http://www.w3.org/2001/XMLSchema-instance}type"


def suite():
    """List the working group's test documents where the installed prov library carries them."""
    root = PROV_TESTS / "unification" / "constraints"
    return sorted([*root.glob("*.xml"), *root.glob("*.provx")])


# ProvToolbox, which the documents come from, counts these as it does here: usages need not be
# unique, and leaving out a delegation's activity says that there is some.
MISNAMED = {"usage-fail1", "usage-fail5", "usage-fail6", "usage-fail7", "delegation-fail4"}
# PROV-DM does not allow to leave out the responsible agent; ProvToolbox does not run these.
MALFORMED = {"delegation-success3", "delegation-success4"}


def to_json(element):
    """Write an element of PROV-XML as PROV-JSON, every record in an array under its name."""
    found = {}
    for number, record in enumerate(element):
        kind = record.tag.removeprefix(PROV)
        uid = record.get(PROV + "id") or f"_:{number}"
        if kind in ("bundle", "bundleContent"):
            found.setdefault("bundle", {})[uid] = to_json(record)
            continue
        content = {}
        for child in record:
            value = child.get(PROV + "ref") or child.text
            if TYPED in child.attrib:
                value = {"$": value, "type": child.get(TYPED)}
            content.setdefault("prov:" + child.tag.removeprefix(PROV), []).append(value)
        found.setdefault(kind, {}).setdefault(uid, []).append(content)
    return found


def test_the_test_documents_of_the_working_group_are_judged_as_it_does():
    documents = suite()
    if not documents:
        pytest.skip("the installed prov library carries no test documents")
    wrong = []
    for path in documents:
        content = to_json(ElementTree.parse(path).getroot())
        content["prefix"] = {"ex": EX, "prim": "http://openprovenance.org/primitives#"}
        report = check(content)
        valid = ("fail" not in path.stem.lower() or path.stem in MISNAMED) and (
            path.stem not in MALFORMED
        )
        if report.valid != valid or report.unread:
            wrong.append((path.name, report))
        numbers = {int(number) for number in re.findall(r"-c(\d+)", path.stem)}
        if numbers and not valid:
            assert numbers & {finding.constraint for finding in report.findings}
    assert wrong == []
    assert len(documents) >= 150


def test_a_cycle_of_events_is_named_step_by_step():
    (finding,) = check_records([
        ex("entity", "e1"), ex("entity", "e2"), ex("entity", "far"),
        ex("wasDerivedFrom", "", "e2", "e1", "", "", ""),
        ex("wasDerivedFrom", "", "far", "e2", "", "", ""),
        ex("specializationOf", "", "e1", "e2"),
    ])  # fmt: skip
    assert (finding.rule, finding.constraint) == ("event-ordering", 42)
    assert finding.why == (
        f"generation of {EX}e1 before generation of {EX}e2 (42); "
        f"generation of {EX}e2 not after generation of {EX}e1 (45)"
    )
    assert finding.records == (
        f"wasDerivedFrom({EX}e2, {EX}e1, -, -, -)", f"specializationOf({EX}e1, {EX}e2)",
    )  # fmt: skip


def test_every_ordering_constraint_orders_the_events_that_it_is_about():
    records = [
        ex("entity", "e1"), ex("entity", "e2"), ex("entity", "ag"), ex("agent", "ag"),
        ex("entity", "boss"), ex("activity", "a", "", ""), ex("activity", "b", "", ""),
        ex("used", "u", "a", "e1", ""), ex("wasGeneratedBy", "g", "e2", "a", ""),
        ex("wasInvalidatedBy", "i", "e1", "b", ""), ex("wasInformedBy", "", "b", "a"),
        ex("wasStartedBy", "s", "b", "e1", "", ""), ex("wasEndedBy", "n", "b", "e1", "", ""),
        ex("wasDerivedFrom", "d", "e2", "e1", "a", "g", "u"),
        ex("specializationOf", "", "e2", "boss"), ex("wasAssociatedWith", "", "a", "ag", ""),
        ex("wasAttributedTo", "", "e2", "ag"), ex("actedOnBehalfOf", "", "ag", "boss", "a"),
    ]  # fmt: skip
    facts = Facts(records)
    assert list(Unifier(facts).findings()) == []
    ordering = Ordering(facts)
    names = {number: ordering._name(event).replace(EX, "")
             for event, number in ordering._events.items()}  # fmt: skip
    steps = {
        (step.number, names[event], names[step.target])
        for event, out in enumerate(ordering.steps)
        for step in out
    }
    assert steps >= {
        (30, "start of a", "end of a"),
        (33, "start of a", "usage of u"), (33, "usage of u", "end of a"),
        (34, "start of a", "generation of e2"), (34, "generation of e2", "end of a"),
        (35, "start of a", "end of b"),
        (36, "generation of e1", "invalidation of e1"),
        (37, "generation of e1", "usage of u"), (38, "usage of u", "invalidation of e1"),
        (41, "usage of u", "generation of e2"),
        (42, "generation of e1", "generation of e2"),
        (43, "generation of e1", "start of b"), (43, "start of b", "invalidation of e1"),
        (44, "generation of e1", "end of b"), (44, "end of b", "invalidation of e1"),
        (45, "generation of boss", "generation of e2"),
        (46, "invalidation of e2", "invalidation of boss"),
        (47, "start of a", "invalidation of ag"), (47, "generation of ag", "end of a"),
        (47, "generation of boss", "end of a"),
        (48, "generation of ag", "generation of e2"),
        (49, "generation of boss", "invalidation of ag"),
    }  # fmt: skip
    assert {number for number, _, _ in steps} == set(range(30, 50)) - {31, 32, 39, 40}


def test_a_thing_called_like_the_placeholder_is_a_thing():
    with_plan = [Record("wasAssociatedWith", EX + "w", (EX + "a", EX + "g", "-"))]
    assert list(check_records(with_plan * 2)) == []
    without = Record("wasAssociatedWith", EX + "w", (EX + "a", EX + "g", ""))
    (finding,) = check_records([*with_plan, without])
    assert finding.why == "has two values of plan: - and none"


def test_one_contradiction_is_told_once_and_with_times_that_people_read():
    records = [
        Record("wasStartedBy", EX + "s", (EX + "a", "", "", f"2012-01-0{day}T00:00:00.5"))
        for day in (1, 2)
    ]
    (finding,) = check_records([*records, *records])
    assert finding.why == (
        "has two values of time: 2012-01-01T00:00:00.5Z and 2012-01-02T00:00:00.5Z"
    )


def test_a_long_cycle_is_cut_in_words_and_whole_in_records():
    records = [ex("entity", f"e{n}") for n in range(50)]
    records += [ex("wasDerivedFrom", "", f"e{n}", f"e{(n + 1) % 50}", "", "", "") for n in
                range(50)]  # fmt: skip
    (finding,) = check_records(records)
    assert finding.why.endswith("; and 30 steps more")
    assert len(finding.records) == 50


_THINGS = st.sampled_from([EX + name for name in "pqrs"])
_DEEDS = st.sampled_from([EX + name for name in "xyz"])
_ORDERED = st.one_of(
    st.builds(lambda e: Record("entity", e), _THINGS),
    st.builds(lambda a: Record("activity", a, ("", "")), _DEEDS),
    st.builds(lambda e, a: Record("wasGeneratedBy", "", (e, a, "")), _THINGS, _DEEDS),
    st.builds(lambda a, e: Record("used", "", (a, e, "")), _DEEDS, _THINGS),
    st.builds(lambda a, e: Record("wasStartedBy", "", (a, e, "", "")), _DEEDS, _THINGS),
    st.builds(lambda e, f: Record("wasDerivedFrom", "", (e, f, "", "", "")), _THINGS, _THINGS),
    st.builds(lambda e, f: Record("specializationOf", "", (e, f)), _THINGS, _THINGS),
)


def contradicts_by_the_book(records):
    """Apply the ordering constraints literally: every event by itself, over all pairs."""
    above = networkx.DiGraph(r.arguments for r in records if r.kind == "specializationOf")
    pairs = {(e, f) for e in above for f in networkx.descendants(above, e)}
    entities = {r.uid for r in records if r.kind == "entity"}
    entities |= {e for e, f in pairs if f in entities}
    gens = [
        (r.arguments[0], r.arguments[1], n)
        for n, r in enumerate(records)
        if r.kind == "wasGeneratedBy"
    ]
    gens += [
        (r.arguments[1], "", -n - 1) for n, r in enumerate(records) if r.kind == "wasStartedBy"
    ]
    gens += [(e, "", e) for e in entities]
    starts = [
        (r.arguments[0], r.arguments[1], n)
        for n, r in enumerate(records)
        if r.kind == "wasStartedBy"
    ]
    starts += [(r.uid, "", r.uid) for r in records if r.kind == "activity"]
    steps = {(g, h): False for g in gens for h in gens if g[0] == h[0]}
    steps |= {(s, t): False for s in starts for t in starts if s[0] == t[0]}
    steps |= {(s, g): False for s in starts for g in gens if s[0] == g[1]}
    steps |= {(g, s): False for s in starts for g in gens if s[1] == g[0]}
    steps |= {(g, h): False for g in gens for h in gens if (h[0], g[0]) in pairs}
    derived = {r.arguments[:2] for r in records if r.kind == "wasDerivedFrom"}
    steps |= {(g, h): True for g in gens for h in gens if (h[0], g[0]) in derived}
    graph = networkx.DiGraph(list(steps))
    return any(
        steps.get((g, h)) and g in part and h in part
        for part in networkx.strongly_connected_components(graph)
        for g in part
        for h in part
    )


@given(st.lists(_ORDERED, max_size=14))
def test_events_contradict_exactly_where_they_do_by_the_book(records):
    found = {finding.constraint for finding in check_records(records)}
    assert (42 in found) == contradicts_by_the_book(records)


def test_a_long_chain_of_equalities_stays_quick_to_unify():
    # Every link makes two generations one only after the link before it did.
    records = [ex("wasGeneratedBy", f"g{n}", f"e{n}", f"a{n}", "") for n in range(3000)]
    records += [Record("wasGeneratedBy", f"_:g{n}", (EX + f"e{n}", f"_:a{n}", "")) for n in
                range(3000)]  # fmt: skip
    records += [Record("wasInformedBy", EX + f"i{n}", (f"_:a{n}", f"_:a{n + 1}")) for n in
                range(2999)]  # fmt: skip
    records += [ex("wasInformedBy", f"i{n}", f"a{n}", f"a{n + 1}") for n in range(2999)]
    found = list(check_records(records[::-1]))
    assert found == []
    found = list(check_records([*records, ex("wasGeneratedBy", "other", "e7", "a7", "")]))
    assert [(f.constraint, f.subject) for f in found] == [(24, EX + "e7")]


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=40))
def test_components_are_those_of_networkx(pairs):
    links = [[t for s, t in pairs if s == node] for node in range(13)]
    component = strongly_connected(links)
    graph = networkx.DiGraph(pairs)
    graph.add_nodes_from(range(13))
    expected = {frozenset(c) for c in networkx.strongly_connected_components(graph)}
    found = {frozenset(n for n in range(13) if component[n] == c) for c in set(component)}
    assert found == expected


_NAMES = st.sampled_from(["", *"abcdef", "_:x", "2012-01-01T00:00:00"])


@st.composite
def any_records(draw):
    kind = draw(st.sampled_from(sorted(SIGNATURES)))
    arguments = tuple(draw(_NAMES) for _ in SIGNATURES[kind])
    return Record(kind, draw(_NAMES), arguments)


@given(st.lists(any_records(), max_size=25), st.randoms())
def test_validity_does_not_depend_on_the_order_of_records(records, random):
    """What is said first must not matter, and nothing that can be said makes a check fail."""
    shuffled = list(records)
    random.shuffle(shuffled)
    one, other = (list(check_records(known)) for known in (records, shuffled))
    assert bool(one) == bool(other)
    # More statements never make an invalid instance valid.
    assert not one or list(check_records([*records, Record("entity", "fresh")]))


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("1970-01-01T24:00:00", 86_400 * 10**9),
        ("2012-13-01T00:00:00", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_a_time_is_an_instant(text, nanoseconds):
    assert find_instant(text) == nanoseconds


@given(st.integers(-(10**18), 10**18))
def test_an_instant_is_written_and_read_back(instant):
    assert find_instant(instant_text(instant)) == instant


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is not JSON"),
        ("[1]", "no object"),
        ('{"entity": ', "is not JSON"),
        ("[" * 100_000, "too deep"),
        (b"\xff\xfe\x00{", "is not JSON"),
        ('{"entity": {"e": {"n": ' + "9" * 5000 + "}}}", "is not JSON"),
    ],
)
def test_what_is_no_prov_json_is_refused_in_one_sentence(content, reason):
    with pytest.raises(DocumentError, match=reason) as caught:
        parse_document(content, "bad.json")
    assert str(caught.value).startswith("bad.json: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"entity": {"foo:e": {}}}, "no prefix 'foo' is declared"),
        ({"entity": {"e": {}}}, "no default namespace is declared"),
        ({"thing": {"ex:e": {}}}, "'thing' is no kind of PROV record: 1 not checked"),
        ({"entity": {"ex:e": 5}}, "entity 'ex:e' is no object"),
        ({"entity": 5}, "'entity' holds no object of records"),
        ({"used": {"ex:u": {"prov:activity": ["ex:a", "ex:b"]}}}, "is not one text"),
        ({"used": {"ex:u": {"prov:activity": 5}}}, "is not one text"),
        ({"prefix": 5}, "'prefix' holds no object"),
        ({"prefix": {"p": 5}}, "prefix 'p' stands for no text"),
        ({"bundle": {"ex:b": []}}, None),
        ({"bundle": {"ex:b": 5}}, "bundle 'ex:b' is no object"),
        ({"bundle": {"ex:b": {"bundle": {"ex:c": {}}}}}, "within another bundle"),
    ],
)
def test_what_is_not_understood_is_told_and_the_rest_is_read(content, reason):
    base = {"prefix": {"ex": EX}, "agent": {"ex:known": {}}}
    document = parse_document(json.dumps(base | content if "prefix" not in content else content
                                         | {"agent": {"prov:known": {}}}))  # fmt: skip
    assert [text for text in document.unread if reason and reason in text] or not reason
    assert len(document.unread) == bool(reason)
    assert "agent" in {record.kind for record in document.bundles[""]}


def test_a_name_given_twice_is_read_twice_and_told():
    document = parse_document(
        '{"prefix": {"ex": "http://example.org/"},'
        ' "entity": {"ex:e": {}}, "activity": {"ex:a": {"prov:startTime": "2012-01-01T00:00:00"},'
        ' "ex:a": {"prov:startTime": "2013-01-01T00:00:00"}}}'
    )
    assert document.unread == ["'ex:a' is given twice in one object: both were read"]
    assert [f.constraint for f in check_parsed(document, "x").findings] == [22]


def test_prefixes_of_a_document_reach_into_its_bundles_and_bundles_have_their_own():
    document = parse_document(json.dumps({
        "bundle": {"ex:b": {"prefix": {"own": "http://own/"}, "entity": {"ex:e": {}, "own:f": {},
                                                                         "_:g": {}}}},
        "prefix": {"ex": EX},
    }))  # fmt: skip
    names = {record.uid for record in document.bundles[EX + "b"]}
    assert names == {EX + "e", "http://own/f", f"_:{EX}b g"}
    assert document.unread == []


def test_members_of_a_collection_may_be_an_array():
    text = {
        "prefix": {"ex": EX},
        "hadMember": {"_:m": {"prov:collection": "ex:c", "prov:entity": ["ex:e", "ex:f"]}},
    }
    found = parse_document(json.dumps(text)).bundles[""]
    assert [record.arguments for record in found] == [(EX + "c", EX + "e"), (EX + "c", EX + "f")]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from([*SIGNATURES, "prefix", "bundle", "$", "type", "ex:e", "prov:entity",
                         "prov:activity", "prov:time", "prov:type"]) | st.text(max_size=3),
        inner, max_size=4),
    max_leaves=25,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from([*SIGNATURES, "prefix", "bundle"]), _JSON, max_size=5))
def test_any_json_is_read_or_told_of(value):
    report = check(value)
    assert report.records >= 0
    assert all(isinstance(reason, str) and reason for reason in report.unread)


@pytest.mark.filterwarnings("ignore")
def test_as_many_records_of_each_kind_are_read_as_by_the_prov_library():
    from prov.constants import PROV_N_MAP
    from prov.model import ProvDocument

    documents = sorted((PROV_TESTS / "json").glob("*.json"))
    if not documents:
        pytest.skip("the installed prov library carries no test documents")
    for path in documents:
        document = parse_document(path.read_bytes(), path.name)
        theirs = ProvDocument.deserialize(content=path.read_text(encoding="utf-8"))
        parts = (theirs, *theirs.bundles)
        assert Counter(r.kind for records in document.bundles.values() for r in records) == Counter(
            PROV_N_MAP[record.get_type()] for part in parts for record in part.get_records()
        )
        assert document.unread == []


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(DocumentError, match="cannot be read"):
        check_document(tmp_path / "none.json")


@pytest.fixture
def ask(tmp_path, monkeypatch):
    root = tmp_path.resolve()
    make_project(root)
    monkeypatch.chdir(root)
    return lambda *words: CliRunner().invoke(program, ["check", *map(str, words)])


def test_check_prints_findings_and_exits_with_its_own_code(ask):
    # The recorded project's notes are made up: it says two cells and has four.
    result = ask()
    assert result.exit_code == ExitCode.INVALID
    assert result.stdout.splitlines()[0].split() == ["rule", "no.", "subject", "why", "records"]
    assert "says 2 cells, but has 4" in result.stdout
    assert result.stdout.splitlines()[-1] == f"{LAST}: 72 records, 1 finding"


def test_check_json_holds_everything(ask):
    result = ask("last", "--json")
    assert result.exit_code == ExitCode.INVALID
    shown = json.loads(result.stdout)
    assert (shown["subject"], shown["valid"], shown["unread"]) == (LAST, False, [])
    assert shown["findings"][0]["rule"] == "counts"


def test_check_of_a_file_needs_no_store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cycle = next(path for path in CASES if path.stem.startswith("derivation-cycle"))
    result = CliRunner().invoke(program, ["check", str(cycle)])
    assert result.exit_code == ExitCode.INVALID
    assert "event-ordering" in result.stdout
    assert "8 records, 1 finding" in result.stdout
    apart = next(path for path in CASES if path.stem.startswith("bundles-are-judged-apart"))
    good = CliRunner().invoke(program, ["check", str(apart)])
    assert (good.exit_code, good.stdout) == (0, f"{apart}: 2 records, valid\n")


def test_check_says_in_which_bundle(tmp_path):
    path = next(path for path in CASES if path.stem == "bundle-fail-c55")
    lines = CliRunner().invoke(program, ["check", str(path)]).stdout.splitlines()
    assert lines[0].split()[2] == "bundle"
    assert lines[1].split()[2] == EX + "b"


def test_check_csv_has_a_row_for_each_finding(tmp_path):
    cycle = next(path for path in CASES if path.stem == "typing-fail-c55")
    lines = CliRunner().invoke(program, ["check", str(cycle), "--csv"]).stdout.splitlines()
    assert lines[0] == "rule,constraint,subject,why,records,bundle"
    assert lines[1].startswith(f"entity-activity-disjoint,55,{EX}x,")


def test_check_says_what_it_did_not_understand(tmp_path):
    odd = tmp_path / "odd.json"
    odd.write_text('{"thing": {}, "entity": {"foo:e": {}}}')
    result = CliRunner().invoke(program, ["check", str(odd)])
    assert result.exit_code == 0
    assert "not checked: 'thing' is no kind of PROV record" in result.stdout


def test_check_of_what_is_not_there_says_so(ask, tmp_path):
    result = ask("none.json")
    assert (result.exit_code, result.stdout) == (ExitCode.BAD_INPUT, "")
    assert result.stderr == "nbrepro: none.json: cannot be read (No such file or directory)\n"
    assert ask("nosuchrun").exit_code == ExitCode.NOT_FOUND
