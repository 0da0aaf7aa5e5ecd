"""The SPARQL constraints of shapes.ttl, said of statements.

Each is known by the first digits of the sha256 over its SELECT with single spaces: whoever changes
the text is refused until the function here says the same again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from nbrepro.validity.described import Described
from nbrepro.vocabulary import NBR, PROV, RELATIONS, content_iri


def _other_digest(described: Described) -> Iterator[str]:
    """Yield versions whose content has another digest than they."""
    digests = described.reader(NBR + "sha256")
    contents = described.reader(PROV + "specializationOf")
    for subject in described.subjects_of(PROV + "specializationOf"):
        if NBR + "FileVersion" not in described.classes(subject):
            continue
        own = {content_iri(str(digest)) for digest in digests(subject)}
        for content in contents(subject):
            for _ in own - {str(content)}:
                yield subject


def _other_count(described: Described) -> Iterator[str]:
    """Yield footprints that have not as many members as they say."""
    members, said = described.reader(PROV + "hadMember"), described.reader(NBR + "files")
    for footprint in described.of_class(NBR + "Footprint"):
        for number in said(footprint):
            if number != len(members(footprint)):
                yield footprint


def _half_said(described: Described) -> Iterator[str]:
    """Yield what has a qualified relation without its plain form.

    Statements hold both forms in one edge, so only two edges under one uid can differ.
    """
    for uid, edges in described.named.items():
        if len(edges) < 2:
            continue
        for source in dict.fromkeys(edge.source for edge in edges):
            for relation in ("used", "wasGeneratedBy", "wasInvalidatedBy"):
                plain = set(described.reader(RELATIONS[relation].plain)(source))
                qualified = RELATIONS[relation].qualified
                assert qualified is not None
                linked = uid in described.reader(qualified[0])(source)
                targets = {e.target for e in edges if _same_role(e.relation, relation)}
                for _ in targets - plain if linked else ():
                    yield source


def _same_role(one: str, other: str) -> bool:
    first, second = RELATIONS[one].qualified, RELATIONS[other].qualified
    return first is not None and second is not None and first[2] == second[2]


QUERIES: Mapping[str, Callable[[Described], Iterator[str]]] = {
    "75d342f603a95b31": _other_digest,
    "90e317d371de61a5": _other_count,
    "5f091def35b1f399": _half_said,
}
