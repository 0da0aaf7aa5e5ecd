"""The files of a run in a crate: in it, or by reference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from nbrepro.export.extract import Extract
from nbrepro.model import Node, Role
from nbrepro.stores.rdf import iri, literal_text

DESCRIBED_ROLES = frozenset({Role.DATA, Role.CONFIG, Role.CODE})
"""Roles of the files that a crate tells of."""


class CrateFiles:
    """The file versions that a crate describes; `included` names those that are in it."""

    def __init__(self, extract: Extract, included: Mapping[str, str]) -> None:
        self._included = included
        self._nodes = {
            node.uid: node
            for node in extract.nodes("Entity")
            if node.kind == "FileVersion" and node.properties.get("role") in DESCRIBED_ROLES
        }

    def find(self, uid: str) -> str | None:
        """Give the identifier of a file version in the crate, None where it is not described."""
        if uid not in self._nodes:
            return None
        name = self._included.get(uid)
        return quote(name, safe="/._-~+@=,") if name else iri(uid)[1:-1]

    def ids(self) -> Iterator[str]:
        """Yield the identifiers of all."""
        return (found for uid in self._nodes if (found := self.find(uid)))

    def name(self, uid: str) -> str:
        """Give the name of a file, without its directories."""
        return literal_text(PurePosixPath(str(self._nodes[uid].properties.get("path", uid))).name)

    def entities(self) -> Iterator[dict[str, Any]]:
        """Yield what the crate says of each."""
        for uid, node in self._nodes.items():
            if uid in self._included:
                # What is a member is said of it already; this adds which version it is.
                continue
            yield self._reference(uid, node)

    def _reference(self, uid: str, node: Node) -> dict[str, Any]:
        given = node.properties
        path = literal_text(str(given.get("path", "")))
        about: dict[str, Any] = {
            "@id": self.find(uid),
            "@type": "File",
            "name": path,
            "contentUrl": "file://" + quote(path),
        }
        if "size" in given:
            about["contentSize"] = str(given["size"])
        if given.get("sha256"):
            about["sha256"] = given["sha256"]
        if given.get("undigested"):
            about["description"] = f"content not known: {literal_text(str(given['undigested']))}"
        return about
