"""PROV records as the checks see them: kind, identifier and positional arguments, as in PROV-N."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from nbrepro.vocabulary import PROV


class Argument(NamedTuple):
    """A position of a record: its PROV-JSON name, what it holds, and whether it must be given.

    `sort` is `entity`, `activity`, `agent`, `time`, `bundle`, `any`, or the relation whose
    identifier it holds. What is left out means "there is some" unless `placeholder`: then it means
    "there is none" (a plan, and a derivation's activity; PROV-CONSTRAINTS, section 4.1).
    """

    name: str
    sort: str
    required: bool = False
    placeholder: bool = False


def _arguments(text: str) -> tuple[Argument, ...]:
    """Read a signature: `!` marks what must be given, `-` a placeholder."""
    found = []
    for word in text.split():
        name, _, sort = word.partition(":")
        found.append(Argument(name.strip("!-"), sort or name.strip("!-"), "!" in name, "-" in name))
    return tuple(found)


SIGNATURES: Mapping[str, tuple[Argument, ...]] = {
    "entity": (),
    "activity": _arguments("startTime:time endTime:time"),
    "agent": (),
    "wasGeneratedBy": _arguments("!entity activity time"),
    "used": _arguments("!activity entity time"),
    "wasInformedBy": _arguments("!informed:activity !informant:activity"),
    "wasStartedBy": _arguments("!activity trigger:entity starter:activity time"),
    "wasEndedBy": _arguments("!activity trigger:entity ender:activity time"),
    "wasInvalidatedBy": _arguments("!entity activity time"),
    "wasDerivedFrom": _arguments(
        "!generatedEntity:entity !usedEntity:entity -activity -generation:wasGeneratedBy"
        " -usage:used"
    ),
    "wasAttributedTo": _arguments("!entity !agent"),
    "wasAssociatedWith": _arguments("!activity agent -plan:entity"),
    "actedOnBehalfOf": _arguments("!delegate:agent !responsible:agent activity"),
    "wasInfluencedBy": _arguments("!influencee:any !influencer:any"),
    "alternateOf": _arguments("!alternate1:entity !alternate2:entity"),
    "specializationOf": _arguments("!specificEntity:entity !generalEntity:entity"),
    "mentionOf": _arguments("!specificEntity:entity !generalEntity:entity !bundle"),
    "hadMember": _arguments("!collection:entity !entity"),
}
"""Every kind of record of PROV-DM (and PROV-LINKS' mentionOf) with its arguments in order."""

OBJECTS = frozenset({"entity", "activity", "agent"})
NAMELESS = frozenset({"alternateOf", "specializationOf", "mentionOf", "hadMember"})
"""Relations that have no identifier."""


class Record(NamedTuple):
    """One PROV statement.

    `uid` is its identifier as a full IRI, empty for none and `_:...` for a blank one. `arguments`
    are all those of SIGNATURES in order, empty where left out; times are xsd:dateTime text.
    `types` are the IRIs of its prov:type values.
    """

    kind: str
    uid: str
    arguments: tuple[str, ...] = ()
    types: tuple[str, ...] = ()

    def __str__(self) -> str:
        given = ", ".join(argument or "-" for argument in self.arguments)
        if self.kind in OBJECTS:
            return f"{self.kind}({self.uid}{', ' if given else ''}{given})"
        return f"{self.kind}({f'{self.uid}; ' if self.uid else ''}{given})"


EMPTY_COLLECTION = PROV + "EmptyCollection"
