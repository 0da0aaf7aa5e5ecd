"""Query files: what their header declares, what is refused, and how parameters are bound."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbrepro.errors import NotFoundError, QueryError, UsageError
from nbrepro.queries import Parameter, find_question, load_questions, parse_question, read_question
from nbrepro.queries.cypher_check import cypher_tokens, read_columns
from nbrepro.resources import find_resources
from nbrepro.sparql_text import read_binding_sites, read_form, read_selects, tokens

HEADER = "#+ summary: s\n#+ parameters: [run, cell?]\n#+ columns: [cell, path]\n"
BODY = "SELECT ?cell ?path WHERE { VALUES ?cell { UNDEF } ?x nbr:cell ?cell ; nbr:path ?path }"


def question(text):
    return parse_question(text, Path("q.rq"))


def refusal(text):
    with pytest.raises(QueryError) as caught:
        question(text)
    return str(caught.value)


def test_header_gives_parameters_with_type_and_need():
    asked = question(HEADER + BODY)
    assert asked.summary == "s"
    assert asked.parameters == (Parameter("run", "run", True), Parameter("cell", "integer", False))
    assert asked.columns == ("cell", "path")
    assert asked.of_run


def test_a_given_parameter_replaces_its_undef_and_an_absent_one_takes_its_clause_along():
    asked = question(HEADER + BODY)
    assert "VALUES ?cell { 5 } ?x" in asked.bind("sparql", {"cell": "5"})
    assert "WHERE {  ?x nbr:cell ?cell ;" in asked.bind("sparql", {})


def test_what_looks_like_a_binding_site_in_a_comment_or_a_string_is_none():
    text = 'SELECT * { # VALUES ?a { UNDEF }\n ?x ?y "VALUES ?b { UNDEF }" . VALUES ?c{UNDEF} }'
    assert [site.name for site in read_binding_sites(list(tokens(text)))] == ["c"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BODY, "q.rq:1: no '#+ summary:' line"),
        (HEADER + "#+ sumary: x\n" + BODY, "q.rq:4: a header line is"),
        (HEADER + "#+ summary: x\n" + BODY, "q.rq:4: a second '#+ summary:'"),
        (HEADER.replace("cell, path", "Cell") + BODY, "q.rq:3: write '#+ columns: [one, two]'"),
        (HEADER.replace("cell, path", "cell, cell") + BODY, "q.rq:3: 'cell' stands twice"),
        (HEADER.replace("cell, path", "path, cell") + BODY, "q.rq:4: SELECT gives [cell, path]"),
        (HEADER.replace("[run, cell?]", "[run]") + BODY, "q.rq:4: ?cell is bound here"),
        (HEADER.replace("cell?]", "cell?, file]") + BODY, "q.rq:1: the parameter 'file' is not"),
        (HEADER + BODY.replace("?cell ?path", "*"), "q.rq:4: SELECT gives [*]"),
        (HEADER + "ASK { ?cell ?path ?x }", "q.rq:1: not a SELECT query"),
        (HEADER + "INSERT DATA { <a:b> <a:c> 1 }", "q.rq:1: not a SELECT query"),
    ],
)
def test_a_file_whose_header_and_query_disagree_is_refused_with_its_line(text, message):
    assert refusal(text).startswith(message)


def test_a_sub_select_that_would_leave_a_parameter_unbound_is_refused():
    inner = "SELECT ?cell ?path {\n VALUES ?cell { UNDEF }\n { SELECT ?path { ?path ?p ?cell } } }"
    assert refusal(HEADER + inner).startswith("q.rq:6: this sub-SELECT uses ?cell but neither")
    projected = inner.replace("SELECT ?path {", "SELECT ?path ?cell {")
    assert question(HEADER + projected).columns == ("cell", "path")
    bound = inner.replace("{ ?path ?p", "{ VALUES ?cell { UNDEF } ?path ?p")
    assert question(HEADER + bound).bind("sparql", {"cell": "1"}).count("{ 1 }") == 2


def test_an_aggregate_named_like_the_parameter_does_not_count_as_projecting_it():
    text = (
        "SELECT ?cell ?path { VALUES ?cell { UNDEF } "
        "{ SELECT ?path (MAX(?cell) AS ?most) { ?path ?p ?cell } GROUP BY ?path } }"
    )
    assert "neither projects nor binds" in refusal(HEADER + text)


CYPHER_HEADER = HEADER.replace("#+", "//+")
CYPHER = (
    "MATCH (f:FileVersion {run: $run}) WHERE f.cell = $cell RETURN f.cell AS cell, f.path AS path"
)


def cypher(text):
    return parse_question(text, Path("q.cypher"))


def test_a_cypher_file_gives_the_same_as_a_sparql_file():
    one, other = question(HEADER + BODY), cypher(CYPHER_HEADER + CYPHER)
    assert (one.summary, one.parameters, one.columns) == (
        other.summary, other.parameters, other.columns,
    )  # fmt: skip
    assert list(other.texts) == ["cypher"]
    assert other.bind("cypher", {"cell": "5"}) == CYPHER_HEADER + CYPHER
    with pytest.raises(QueryError, match="q is written in cypher only and this store is asked in"):
        other.text("sparql")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CYPHER, "q.cypher:1: no '//+ summary:' line"),
        (HEADER + CYPHER, "q.cypher:1: no '//+ summary:' line"),
        (CYPHER_HEADER.replace("cell, path", "path, cell") + CYPHER, "q.cypher:1: RETURN gives"),
        (CYPHER_HEADER.replace(", cell?", "") + CYPHER, "q.cypher:1: $cell is used but"),
        (CYPHER_HEADER.replace("cell?]", "cell?, file]") + CYPHER, "q.cypher:1: the parameter 'fi"),
        (CYPHER_HEADER + "CREATE (n) " + CYPHER, "q.cypher:4: CREATE writes"),
        (CYPHER_HEADER + CYPHER.replace("RETURN", "SET f.x = 1 RETURN"), "q.cypher:4: SET writes"),
        (CYPHER_HEADER + "MATCH (n)", "q.cypher:1: RETURN gives []"),
    ],
)
def test_a_cypher_file_that_does_not_do_what_its_header_says_is_refused(text, message):
    with pytest.raises(QueryError) as caught:
        cypher(text)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("RETURN a, b.c AS d ORDER BY d, e", ("a", "d")),
        ("RETURN DISTINCT count(*) AS n, [x IN xs | x.y] AS `odd name` LIMIT 3", ("n", "odd name")),
        ("CALL { MATCH (x) RETURN x AS inner } RETURN inner;", ("inner",)),
        ("RETURN '// , AS no' AS a /* , b */, // , c\n b", ("a", "b")),
        ("RETURN CASE WHEN a THEN {b: 1, c: 2} ELSE null END AS d SKIP 1", ("d",)),
        ("MATCH (return_) WITH return_ AS a RETURN a", ("a",)),
    ],
)
def test_the_columns_of_cypher_are_those_of_its_last_return(text, columns):
    assert read_columns(list(cypher_tokens(text))) == columns


@given(st.text())
def test_tokens_leave_nothing_out_but_space_and_comments(text):
    for found in (list(cypher_tokens(text)), list(tokens(text))):
        places = [token.start for token in found]
        assert places == sorted(set(places))
        assert all(token.text for token in found if token.kind != "variable")


def test_words_that_write_are_names_after_a_dot_or_a_colon():
    text = "MATCH (n:Set)-[:DELETE]->(m) WHERE n.create = $run AND m.remove = $cell "
    text += "RETURN n.merge AS cell, m.set AS path"
    assert cypher(CYPHER_HEADER + text).columns == ("cell", "path")


def test_dialects_of_one_question_must_declare_the_same(tmp_path):
    (tmp_path / "mine.rq").write_text(HEADER + BODY)
    (tmp_path / "mine.cypher").write_text(CYPHER_HEADER + CYPHER)
    (tmp_path / "only.cypher").write_text(CYPHER_HEADER + CYPHER)
    loaded = load_questions([tmp_path])
    assert set(loaded["mine"].texts) == {"sparql", "cypher"}
    assert set(loaded["only"].texts) == {"cypher"}
    assert find_question("only", [tmp_path]).path == tmp_path / "only.cypher"
    (tmp_path / "mine.cypher").write_text(
        CYPHER_HEADER.replace("summary: s", "summary: t") + CYPHER
    )
    for act in (lambda: load_questions([tmp_path]), lambda: find_question("mine", [tmp_path])):
        with pytest.raises(QueryError, match=r"mine.cypher:1: its header is not that of .*mine.rq"):
            act()


def test_every_question_of_ours_is_in_both_dialects():
    ours = find_resources("queries")
    stems = {d: {p.stem for p in (ours / d).iterdir()} for d in ("sparql", "cypher")}
    assert stems["sparql"] == stems["cypher"]
    assert all(set(q.texts) == {"sparql", "cypher"} for q in load_questions().values())


def test_parameters_have_the_type_of_their_concept():
    text = HEADER.replace("run, cell?", "run, other, file, task?, content") + (
        "SELECT ?cell ?path { VALUES ?other {UNDEF} VALUES ?file {UNDEF} VALUES ?task {UNDEF} "
        "VALUES ?content {UNDEF} ?cell ?path ?file }"
    )
    asked = question(text)
    assert [p.type for p in asked.parameters] == ["run", "run", "path", "text", "text"]
    assert asked.runs == ("run", "other")


def test_values_are_checked_against_the_parameters():
    asked = question(HEADER + BODY)
    assert asked.check_values({"run": "r", "cell": "5"}) == {"run": "r", "cell": 5}
    for values, message in [
        ({}, "needs the parameter 'run'"),
        ({"run": "r", "cel": 5}, "does not know the parameter 'cel'"),
        ({"run": "r", "cell": "five"}, "cell is a whole number, not 'five'"),
        ({"run": "r", "cell": float("inf")}, "cell is a whole number, not inf"),
        ({"run": "r", "cell": "9" * 30}, "cell is too large a number"),
    ]:
        with pytest.raises(UsageError, match=message):
            asked.check_values(values)


def test_a_project_adds_its_own_questions_but_never_replaces_ours(tmp_path):
    own = tmp_path / "my-question.rq"
    own.write_text(HEADER + BODY)
    assert load_questions([tmp_path])["my-question"].path == own
    assert find_question("my-question", [tmp_path]).columns == ("cell", "path")
    (tmp_path / "runs.rq").write_text(HEADER + BODY)
    with pytest.raises(QueryError, match="has this name already"):
        load_questions([tmp_path])
    assert find_question("runs", [tmp_path]).path.parent.name == "sparql"


@pytest.mark.parametrize("name", ["no-such", "../runs", "", "a/b"])
def test_an_unknown_name_is_not_found(name):
    with pytest.raises(NotFoundError, match="query --list"):
        find_question(name)


def test_a_file_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "bad.rq"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(QueryError, match="cannot be read"):
        read_question(path)


def test_every_question_of_ours_is_well_formed_and_known():
    assert set(load_questions()) >= {
        "runs", "cells-of-run", "data-of-cell", "packages-of-cell", "software-of-cell",
        "unresolved-files", "cells-that-read", "cells-that-wrote", "lineage-of-file",
        "impact-of-file", "edges-of-run", "network-endpoints", "slowest-cells", "package-of-file",
        "tasks-of-run", "tasks-of-cell", "workers-of-run", "data-of-task", "data-of-worker",
        "undeclared-inputs", "unused-inputs", "drift-between-workers", "unobserved",
        "direct-dependencies", "package-versions-across-runs", "runs-that-used",
        "duplicate-content", "first-divergence", "executions-of-run", "footprints-of-run",
        "members-of-footprints", "package-records", "activities-behind-cell", "settings-of-run",
        "files-of-steps",
    }  # fmt: skip


def test_tokens_tell_comparison_from_iri_and_comment_from_fragment():
    words = list(tokens("FILTER(?a < 3 && ?b > 4) <http://x/y#z> 'it''s' \"a\\\"b\" nbr:a-b"))
    assert [w.text for w in words if w.kind == "iri"] == ["<http://x/y#z>"]
    assert [w.text for w in words if w.kind == "string"] == ["'it'", "'s'", '"a\\"b"']
    assert words[-1].text == "nbr:a-b"


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("PREFIX select: <insert:> SELECT * {}", "SELECT"),
        ("# SELECT\nINSERT DATA {}", "INSERT"),
        ("WITH <a:b> DELETE {} WHERE {}", "WITH"),
        ("clear all", "CLEAR"),
        ("nonsense", ""),
    ],
)
def test_the_form_of_a_query_is_its_first_keyword(text, form):
    assert read_form(list(tokens(text))) == form


def test_selects_know_their_scope():
    text = "SELECT ?a (COUNT(?b) AS ?n) { { SELECT DISTINCT ?c WHERE { ?c ?d ?e } } }"
    outer, inner = read_selects(list(tokens(text)))
    assert outer.projected == ("a", "n")
    assert inner.projected == ("c",)
    assert inner.used == {"c", "d", "e"}
    assert text[inner.start : inner.end] == "SELECT DISTINCT ?c WHERE { ?c ?d ?e }"
