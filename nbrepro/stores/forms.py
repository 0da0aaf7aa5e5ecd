"""The form that statements take in RDF, still as statements: what would be said often is said once.

The accesses of a run differ in what they name and when, and agree in the rest: the role that the
file had, the rule that gave it, the host, and how all that is known. Those properties of an edge
are one `prov:Role` (`edge prov:hadRole ROLE`), named by what it says. The run that a node belongs
to is that of its graph, and the digest of a content is in its name: neither is repeated.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache

from nbrepro.model import Edge, Node, Statement, Value
from nbrepro.vocabulary import KINDS, RELATIONS, content_digest, role_iri

ROLE_PROPERTIES = ("role", "rule", "evidence", "certainty", "host", "undeclared")
"""What of an edge is said by its role."""

_HAD_ROLE = "had_role"


def to_form(statement: Statement) -> tuple[Statement, Node | None]:
    """Give a statement as RDF says it, and the role that it refers to."""
    if isinstance(statement, Node):
        return _node(statement), None
    properties = statement.properties
    if not (properties and statement.uid and RELATIONS[statement.relation].qualified):
        return statement, None
    said = tuple((n, properties[n]) for n in ROLE_PROPERTIES if properties.get(n, "") != "")
    if not said:
        return statement, None
    # 1 and True are one key, but not one value.
    role = _role(said, tuple(type(value) for _, value in said))
    own = {name: value for name, value in properties.items() if name not in ROLE_PROPERTIES}
    own[_HAD_ROLE] = role.uid
    edge = statement
    return Edge(edge.relation, edge.source, edge.target, edge.uid, own), role


@lru_cache(maxsize=4096)
def _role(said: tuple[tuple[str, Value], ...], _: tuple[type, ...]) -> Node:
    digest = hashlib.sha256(json.dumps(said).encode()).hexdigest()
    return Node(role_iri(digest[:32]), "Role", dict(said))


def _node(node: Node) -> Node:
    properties = node.properties
    if node.kind == "Content":
        return Node(node.uid, node.kind)
    if node.kind == "Run" or "run" not in properties or KINDS[node.kind].shared:
        return node
    return Node(node.uid, node.kind, {n: v for n, v in properties.items() if n != "run"})


def from_form(statements: Iterable[Statement]) -> Iterator[Statement]:
    """Give statements back as they were before `to_form`; those of a whole run, in any order."""
    given = list(statements)
    nodes = [statement for statement in given if isinstance(statement, Node)]
    roles = {node.uid: node.properties for node in nodes if node.kind == "Role"}
    runs = [node for node in nodes if node.kind == "Run"]
    run = runs[0].properties.get("run", "") if runs else ""
    for statement in given:
        if isinstance(statement, Edge):
            yield _whole_edge(statement, roles)
        elif statement.kind != "Role":
            yield _whole_node(statement, run)


def _whole_edge(edge: Edge, roles: Mapping[str, Mapping[str, Value]]) -> Edge:
    if _HAD_ROLE not in edge.properties:
        return edge
    own = dict(edge.properties)
    own.update(roles.get(str(own.pop(_HAD_ROLE)), {}))
    return replace(edge, properties=dict(sorted(own.items())))


def _whole_node(node: Node, run: Value) -> Node:
    if node.kind == "Content":
        digest = content_digest(node.uid)
        return replace(node, properties={"sha256": digest}) if digest else node
    if KINDS[node.kind].shared or not run:
        return node
    return replace(node, properties=dict(sorted({"run": run, **node.properties}.items())))
