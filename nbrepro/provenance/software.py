"""Software in the graph: footprints, their files, and the packages that own them.

What an activity opened in software is one content-addressed collection: activities with the same
footprint share one node, and a second run in the same environment adds almost nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from nbrepro.model import Classification, Edge, Node, Package, Statement
from nbrepro.provenance.identity import digest_of, filled, package_iri
from nbrepro.roles import METADATA_OF_PACKAGE
from nbrepro.vocabulary import footprint_iri, software_file_iri, to_text


class SoftwareUse(NamedTuple):
    """A software file that an owner opened: kept in the owner's footprint."""

    path: str
    classification: Classification
    package: Package | None


class Footprint(NamedTuple):
    """The software of an activity: each file by its digest, and the digest of them all."""

    digest: str
    members: Mapping[str, SoftwareUse]


class Footprints:
    """The statements of a run's software; what several activities share is said once."""

    def __init__(self) -> None:
        self._digests: dict[SoftwareUse, str] = {}
        self._told: set[str] = set()

    def footprint(self, uses: Iterable[SoftwareUse]) -> Footprint:
        """Put files of software together to what an activity opened."""
        members = {self._digest(use): use for use in uses}
        return Footprint(digest_of(sorted(members)), members)

    def statements(self, activity: str, footprint: Footprint) -> Iterator[Statement]:
        """Describe the software that the activity with IRI `activity` opened."""
        digest, members = footprint
        collection = footprint_iri(digest)
        if self._is_new(collection):
            yield Node(collection, "Footprint", {"digest": digest, "files": len(members)})
            for member in sorted(members):
                yield from self._member(member, members[member], collection)
        yield Edge("used", activity, collection)

    def _is_new(self, uid: str) -> bool:
        if uid in self._told:
            return False
        self._told.add(uid)
        return True

    def _digest(self, use: SoftwareUse) -> str:
        known = self._digests.get(use)
        if known is None:
            purl = use.package.purl if use.package else ""
            record = use.package.record_digest if use.package else ""
            names = [to_text(use.path), use.classification, purl, record]
            known = self._digests[use] = digest_of(names)
        return known

    def _member(self, digest: str, use: SoftwareUse, collection: str) -> Iterator[Statement]:
        uid = software_file_iri(digest)
        if self._is_new(uid):
            yield from self._file(uid, use)
        yield Edge("hadMember", collection, uid)

    def _file(self, uid: str, use: SoftwareUse) -> Iterator[Statement]:
        role, rule = use.classification
        properties = {"path": to_text(use.path), "role": role.value, "rule": rule}
        yield Node(uid, "SoftwareFile", properties)
        if use.package is not None:
            package = package_iri(use.package)
            if self._is_new(package):
                yield package_node(use.package)
            # Reading what tells of a package (its entry points, say) is no use of the package.
            relation = "describesPackage" if rule == METADATA_OF_PACKAGE else "ofPackage"
            yield Edge(relation, uid, package)


def package_node(package: Package) -> Node:
    """Describe a package."""
    return Node(
        package_iri(package),
        "Package",
        {
            "name": package.name,
            "version": package.version,
            "manager": package.manager,
            "purl": package.purl,
            **filled(
                record_digest=package.record_digest,
                source=to_text(package.source),
            ),
        },
    )
