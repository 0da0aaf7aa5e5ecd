"""The PROV records that a run's statements are: what a PROV tool would see of the graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from nbrepro.model import Edge, Node, Statement
from nbrepro.validity.records import Record
from nbrepro.vocabulary import KINDS, PROV

_REVISION = (PROV + "Revision",)


def records(statements: Iterable[Statement]) -> Iterator[Record]:
    """Turn statements into records; relations that PROV does not know give none."""
    for statement in statements:
        if isinstance(statement, Node):
            yield _object(statement)
        else:
            found = _relation(statement)
            if found is not None:
                yield found


def is_told(statements: Iterable[Statement]) -> bool:
    """Tell whether a run was imported from a document of another tool: nothing was observed."""
    return any(
        isinstance(one, Node) and one.kind == "Run" and one.properties.get("status") == "imported"
        for one in statements
    )


def _object(node: Node) -> Record:
    base, types = _kind(node.kind)
    if base == "activity":
        times = (_text(node, "started"), _text(node, "ended"))
        return Record(base, node.uid, times, types)
    return Record(base, node.uid, (), types)


@lru_cache
def _kind(kind: str) -> tuple[str, tuple[str, ...]]:
    base, classes, _ = KINDS[kind]
    return base.lower(), classes


def _text(statement: Statement, name: str) -> str:
    return str(statement.properties.get(name, ""))


def _relation(edge: Edge) -> Record | None:
    source, target, uid = edge.source, edge.target, edge.uid
    match edge.relation:
        case "used" | "wasGeneratedBy" | "wasInvalidatedBy":
            return Record(edge.relation, uid, (source, target, _text(edge, "at")))
        case "wasInformedBy":
            return Record(edge.relation, uid, (source, target))
        case "wasAssociatedWith":
            return Record(edge.relation, uid, (source, target, _text(edge, "plan")))
        case "wasDerivedFrom":
            return Record(edge.relation, uid, (source, target, "", "", ""))
        case "wasRevisionOf":
            return Record("wasDerivedFrom", uid, (source, target, "", "", ""), _REVISION)
        case "actedOnBehalfOf":
            return Record(edge.relation, uid, (source, target, ""))
        case "specializationOf" | "hadMember":
            return Record(edge.relation, "", (source, target))
    return None
