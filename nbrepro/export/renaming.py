"""New names for shared software whose paths are redacted.

A software file is named by the digest of what it says, and a footprint by its members: what says
something else needs another name, or the store of its reader would take it for what it has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from nbrepro.export.extract import Extract
from nbrepro.model import Node
from nbrepro.provenance.identity import digest_of
from nbrepro.vocabulary import footprint_iri, software_file_iri


def find_new_names(extract: Extract, redact: Callable[[str], str]) -> dict[str, str]:
    """Give the new IRIs of software files and footprints that `redact` changes, by the old."""
    changed: dict[str, Node] = {}
    packages: dict[str, list[str]] = {}
    for node in extract.nodes("Entity"):
        path = str(node.properties.get("path", ""))
        if node.kind == "SoftwareFile" and redact(path) != path:
            changed[node.uid] = node
        elif node.kind == "Package":
            names = ("purl", "record_digest")
            packages[node.uid] = [str(node.properties.get(name, "")) for name in names]
    owners = {
        edge.source: packages.get(edge.target, ["", ""])
        for edge in extract.edges("ofPackage", "describesPackage")
        if edge.source in changed
    }
    files = {
        uid: software_file_iri(_digest(node, redact, owners.get(uid, ["", ""])))
        for uid, node in changed.items()
    }
    return {**files, **_footprints(extract, files)}


def _digest(node: Node, redact: Callable[[str], str], package: list[str]) -> str:
    given = {name: str(value) for name, value in node.properties.items()}
    role = [given.get("role", ""), given.get("rule", "")]
    return digest_of([redact(given["path"]), role, *map(redact, package)])


def _footprints(extract: Extract, files: dict[str, str]) -> dict[str, str]:
    members: dict[str, list[str]] = defaultdict(list)
    touched = set()
    for edge in extract.edges("hadMember"):
        members[edge.source].append(files.get(edge.target, edge.target))
        if edge.target in files:
            touched.add(edge.source)
    prefix = software_file_iri("")
    return {
        uid: footprint_iri(digest_of(sorted(one.removeprefix(prefix) for one in members[uid])))
        for uid in touched
    }
