"""Qualified names: the IRIs of a graph as `prefix:local`, for PROV-JSON, PROV-N and PROV-XML."""

from __future__ import annotations

from nbrepro.stores.rdf import iri
from nbrepro.vocabulary import (
    PREFIXES,
    XSD,
    content_iri,
    footprint_iri,
    property_iri,
    software_file_iri,
)

SHARED_PREFIXES = {
    "sha256": content_iri(""),
    "pkg": "pkg:",
    "footprint": footprint_iri(""),
    "software": software_file_iri(""),
}
"""Prefixes of what runs share. A prefix that is an IRI's whole scheme gets lost in RDF for some
readers; these were seen to survive every format of the library `prov`."""


class QNames:
    """Gives every IRI its qualified name; `prefixes` are those that were needed so far.

    The prefix `run` is the IRI of the run. An IRI of an unknown namespace is cut behind its last
    `/`, `#`, `:` or `;`, and its namespace is called `ns` and a number.
    """

    def __init__(self, base: str) -> None:
        self._base = base
        self._spaces = {space: prefix for prefix, space in {**SHARED_PREFIXES, **PREFIXES}.items()}
        self._properties = {"label": "prov:label"}
        self._known: dict[str, str] = {}
        self.prefixes = {"run": base, "prov": PREFIXES["prov"], "xsd": XSD}

    def name(self, uid: str) -> str:
        """Give the qualified name of a node or an edge."""
        if uid.startswith(self._base):
            return "run:" + iri(uid)[len(self._base) + 1 : -1]
        return self.term(uid)

    def term(self, uid: str) -> str:
        """Give the qualified name of a class or a relation, and remember it."""
        known = self._known.get(uid)
        if known is None:
            known = self._known[uid] = self._find(iri(uid)[1:-1])
        return known

    def property(self, name: str) -> str:
        """Give the qualified name of a property by its snake_case name."""
        known = self._properties.get(name)
        if known is None:
            known = self._properties[name] = self.term(property_iri(name))
        return known

    def _find(self, uid: str) -> str:
        for space, prefix in self._spaces.items():
            if uid.startswith(space):
                self.prefixes[prefix] = space
                return f"{prefix}:{uid.removeprefix(space)}"
        cut = max(uid.rfind(mark) for mark in "/#:;") + 1
        prefix = f"ns{len(self._spaces)}"
        self._spaces[uid[:cut]] = prefix
        self.prefixes[prefix] = uid[:cut]
        return f"{prefix}:{uid[cut:]}"
