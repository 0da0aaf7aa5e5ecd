"""Copy runs between stores, and check that what a store keeps of a run is whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nbrepro.model import Edge, Node, RunId, Statement
from nbrepro.stores.interface import Store
from nbrepro.vocabulary import run_iri


def copy_run(source: Store, target: Store, run: RunId) -> int:
    """Copy a run, in place of one of its name; give how many statements were read.

    The dump of the run is the same in both stores afterwards.
    """
    kept = source.kept(run)
    return target.load(run, kept.uuid, source.statements(run))


@dataclass(frozen=True, slots=True)
class RunCheck:
    """What a check found of one run: what was noted and found, and what is wrong with it."""

    run: RunId
    noted: int
    found: int
    faults: Sequence[str]


def check_run(store: Store, run: RunId) -> RunCheck:
    """Check that a run is whole: as many statements as were noted, one Run node, both ends of every
    edge, footprints complete."""
    kept = store.kept(run)
    statements = list(store.statements(run))
    faults = list(_faults(statements, run_iri(kept.uuid)))
    if len(statements) != kept.statements:
        faults.insert(0, f"{len(statements)} statements where {kept.statements} were noted")
    return RunCheck(run, kept.statements, len(statements), faults)


def _faults(statements: Sequence[Statement], base: str) -> Iterator[str]:
    nodes = {statement.uid: statement for statement in statements if isinstance(statement, Node)}
    edges = [statement for statement in statements if isinstance(statement, Edge)]
    runs = [node.uid for node in nodes.values() if node.kind == "Run"]
    if runs != [base]:
        yield f"{len(runs)} Run nodes where {base} should be the only one"
    ends = Counter(end for edge in edges for end in (edge.source, edge.target) if end not in nodes)
    for uid, count in sorted(ends.items()):
        yield f"{uid} is missing, and {count} edges lead there"
    members = Counter(edge.source for edge in edges if edge.relation == "hadMember")
    for uid, node in nodes.items():
        if node.kind == "Footprint" and node.properties.get("files") != members[uid]:
            yield f"{uid} has {members[uid]} of its {node.properties.get('files')} files"
