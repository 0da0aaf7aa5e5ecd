"""Software in the graph: footprints, their files, and the packages that own them.

What an activity opened in software is one content-addressed collection: activities with the same
footprint share one node, and a second run in the same environment adds almost nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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


def footprint(activity: str, uses: Sequence[SoftwareUse]) -> Iterator[Statement]:
    """Describe the software that the activity with IRI `activity` opened."""
    members = {_software_digest(use): use for use in uses}
    digest = digest_of(sorted(members))
    collection = footprint_iri(digest)
    yield Node(collection, "Footprint", {"digest": digest, "files": len(members)})
    for member in sorted(members):
        yield from _software_file(member, members[member], collection)
    yield Edge("used", activity, collection)


def _software_digest(use: SoftwareUse) -> str:
    purl = use.package.purl if use.package else ""
    record = use.package.record_digest if use.package else ""
    return digest_of([to_text(use.path), use.classification, purl, record])


def _software_file(digest: str, use: SoftwareUse, collection: str) -> Iterator[Statement]:
    uid = software_file_iri(digest)
    yield Node(
        uid,
        "SoftwareFile",
        {
            "path": to_text(use.path),
            "role": use.classification.role.value,
            "rule": use.classification.rule,
        },
    )
    yield Edge("hadMember", collection, uid)
    if use.package is not None:
        yield package_node(use.package)
        # Reading what tells of a package (its entry points, say) is no use of the package.
        metadata = use.classification.rule == METADATA_OF_PACKAGE
        relation = "describesPackage" if metadata else "ofPackage"
        yield Edge(relation, uid, package_iri(use.package))


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
