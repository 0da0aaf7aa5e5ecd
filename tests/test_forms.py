"""The form of statements in RDF: nothing is lost, and what many say is said once."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings

from nbrepro.model import Edge, Node
from nbrepro.stores.forms import ROLE_PROPERTIES, from_form, to_form
from tests.graphs import GraphMaker, demo, graph_statements


def formed(statements):
    for given_ in statements:
        statement, role = to_form(given_)
        yield statement
        if role is not None:
            yield role


def said(statements):
    """Give what statements say, as text: 1 and True are two values."""
    return sorted(
        repr((s, sorted(s.properties.items(), key=lambda pair: pair[0]))).replace("'", '"')
        for s in (_ordered(s) for s in statements)
    )


def _ordered(s):
    properties = {k: v for k, v in sorted(s.properties.items()) if v != ""}
    if isinstance(s, Node):
        return Node(s.uid, s.kind, properties)
    return Edge(s.relation, s.source, s.target, s.uid, properties)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(graph_statements())
def test_every_statement_comes_back(statements):
    maker = GraphMaker()
    maker.start()
    given_ = [*maker.statements, *statements]
    assert said(from_form(formed(given_))) == said(given_)


def test_accesses_that_agree_share_one_role():
    maker = GraphMaker()
    maker.start()
    cell = maker.cell(1)
    for number in range(5):
        maker.writes(cell, maker.file(f"/p/{number}.csv"), 11.0 + number)
    maker.writes(cell, maker.file("/p/o.csv"), 17.0, certainty="inferred")
    pairs = [to_form(s) for s in maker.statements if isinstance(s, Edge) and s.uid]
    roles = {role.uid: role.properties for _, role in pairs if role}
    assert sorted(role["certainty"] for role in roles.values()) == ["exact", "inferred"]
    for edge, role in pairs:
        assert role is None or not set(ROLE_PROPERTIES) & edge.properties.keys()


def test_truth_and_number_are_two_roles():
    edges = [
        Edge("used", "a:x", "a:y", "a:e", {"undeclared": value, "role": "data"})
        for value in (True, 1)
    ]
    first, second = (to_form(edge)[1] for edge in edges)
    assert first.uid != second.uid


def test_a_run_and_a_digest_are_not_repeated():
    for statement in demo().statements:
        form, _ = to_form(statement)
        if isinstance(form, Node) and form.kind != "Run":
            assert "run" not in form.properties
        if isinstance(form, Node) and form.kind == "Content":
            assert not form.properties
