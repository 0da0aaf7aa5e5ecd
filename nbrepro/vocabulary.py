"""Every IRI, class, relation and property of the graph, once.

Standard terms where one fits (W3C PROV-O, wfprov, P-Plan, schema.org), and a small namespace of
our own for the rest; `schemas/nbrepro.ttl` documents that one.
"""

from __future__ import annotations

from typing import NamedTuple

NBR = "https://w3id.org/nbrepro/terms#"
PROV = "http://www.w3.org/ns/prov#"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
RDFS = "http://www.w3.org/2000/01/rdf-schema#"
XSD = "http://www.w3.org/2001/XMLSchema#"
WFPROV = "http://purl.org/wf4ever/wfprov#"
WFDESC = "http://purl.org/wf4ever/wfdesc#"
PPLAN = "http://purl.org/net/p-plan#"
SCHEMA = "https://schema.org/"

PREFIXES = {
    "nbr": NBR, "prov": PROV, "rdf": RDF, "rdfs": RDFS, "xsd": XSD,
    "wfprov": WFPROV, "wfdesc": WFDESC, "p-plan": PPLAN, "schema": SCHEMA,
}  # fmt: skip

GRAPHS = "https://w3id.org/nbrepro/graph/"
SHARED_GRAPH = GRAPHS + "shared"
"""Holds what no run owns: contents, packages, software files and footprints."""
META_GRAPH = GRAPHS + "meta"
"""Holds one `prov:Bundle` a visible run; a run whose bundle is not here does not exist."""


class Kind(NamedTuple):
    """A kind of node: its PROV base (Entity, Activity or Agent), its classes, and whether runs
    share it."""

    base: str
    classes: tuple[str, ...]
    shared: bool = False


KINDS: dict[str, Kind] = {
    "Run": Kind("Activity", (NBR + "Run", WFPROV + "WorkflowRun")),
    "Session": Kind("Activity", (NBR + "Session",)),
    "CellExecution": Kind("Activity", (NBR + "CellExecution", WFPROV + "ProcessRun")),
    "Task": Kind("Activity", (NBR + "Task", WFPROV + "ProcessRun")),
    "ProcessRun": Kind("Activity", (NBR + "ProcessRun",)),
    "Notebook": Kind("Entity", (NBR + "Notebook", PROV + "Plan", WFDESC + "Workflow")),
    "Cell": Kind("Entity", (NBR + "Cell", PROV + "Plan", PPLAN + "Step", WFDESC + "Process")),
    "FileVersion": Kind("Entity", (NBR + "FileVersion",)),
    "Endpoint": Kind("Entity", (NBR + "Endpoint",)),
    "Setting": Kind("Entity", (NBR + "Setting",)),
    "Kernel": Kind("Agent", (NBR + "Kernel", PROV + "SoftwareAgent")),
    "Worker": Kind("Agent", (NBR + "Worker", PROV + "SoftwareAgent")),
    "Host": Kind("Entity", (NBR + "Host", PROV + "Location")),
    # Only in RDF, where many relations share what they say in one role (`stores.forms`).
    "Role": Kind("Role", (PROV + "Role",)),
    "Content": Kind("Entity", (NBR + "Content",), shared=True),
    "SoftwareFile": Kind("Entity", (NBR + "SoftwareFile",), shared=True),
    "Footprint": Kind("Entity", (NBR + "Footprint", PROV + "Collection"), shared=True),
    "Package": Kind(
        "Entity", (NBR + "PackageVersion", SCHEMA + "SoftwareApplication"), shared=True
    ),
}


class Relation(NamedTuple):
    """A relation: its plain property and, where it has one, its PROV-O qualified form.

    The qualified form is `source --property--> uid`, `uid a type`, `uid --role--> target`.
    """

    plain: str
    qualified: tuple[str, str, str] | None = None


def _prov(name: str, property_: str, type_: str, target: str) -> Relation:
    return Relation(PROV + name, (PROV + property_, PROV + type_, PROV + target))


RELATIONS: dict[str, Relation] = {
    "used": _prov("used", "qualifiedUsage", "Usage", "entity"),
    "wasGeneratedBy": _prov("wasGeneratedBy", "qualifiedGeneration", "Generation", "activity"),
    "wasInvalidatedBy": _prov(
        "wasInvalidatedBy", "qualifiedInvalidation", "Invalidation", "activity"
    ),
    "wasDerivedFrom": _prov("wasDerivedFrom", "qualifiedDerivation", "Derivation", "entity"),
    "wasRevisionOf": _prov("wasRevisionOf", "qualifiedRevision", "Revision", "entity"),
    "wasAssociatedWith": _prov("wasAssociatedWith", "qualifiedAssociation", "Association", "agent"),
    "wasInformedBy": _prov("wasInformedBy", "qualifiedCommunication", "Communication", "activity"),
    "actedOnBehalfOf": _prov("actedOnBehalfOf", "qualifiedDelegation", "Delegation", "agent"),
    "specializationOf": Relation(PROV + "specializationOf"),
    "hadMember": Relation(PROV + "hadMember"),
    "atLocation": Relation(PROV + "atLocation"),
    "isStepOfPlan": Relation(PPLAN + "isStepOfPlan"),
    "correspondsToStep": Relation(PPLAN + "correspondsToStep"),
    "partOfRun": Relation(NBR + "partOfRun"),
    "ofPackage": Relation(NBR + "ofPackage"),
    "describesPackage": Relation(NBR + "describesPackage"),
}

STANDARD_PROPERTIES = {
    "started": PROV + "startedAtTime",
    "ended": PROV + "endedAtTime",
    "at": PROV + "atTime",
    "label": RDFS + "label",
    "plan": PROV + "hadPlan",
    "had_role": PROV + "hadRole",
}
"""Properties that a standard already names; every other one is ours, in camel case."""

TIMES = frozenset({"started", "ended", "at"})
"""Properties that hold a time: text `YYYY-MM-DDThh:mm:ss.nnnnnnnnnZ`, typed xsd:dateTime."""

REFERENCES = frozenset({"plan", "had_role"})
"""Properties of an edge that hold the IRI of a node."""


def property_iri(name: str) -> str:
    """Give the IRI of a property of a node or an edge, by its snake_case name."""
    standard = STANDARD_PROPERTIES.get(name)
    if standard:
        return standard
    head, *tail = name.split("_")
    return NBR + head + "".join(word.capitalize() for word in tail)


def run_iri(uuid: str) -> str:
    """Give the IRI of a run, which is also the base of its nodes (arcp, as CWLProv uses it)."""
    return f"arcp://uuid,{uuid}/"


_CONTENT = "nih:sha-256;"


def content_iri(sha256: str) -> str:
    """Give the IRI of a content (RFC 6920, human-speakable form): equal on every machine."""
    return _CONTENT + sha256


def content_digest(iri: str) -> str:
    """Give the sha256 in the IRI of a content, or an empty text where it is none."""
    return iri.removeprefix(_CONTENT) if iri.startswith(_CONTENT) else ""


def role_iri(digest: str) -> str:
    """Give the IRI of a role from the digest over what it says."""
    return f"https://w3id.org/nbrepro/role/{digest}"


def footprint_iri(digest: str) -> str:
    """Give the IRI of a footprint from the digest over its members."""
    return f"https://w3id.org/nbrepro/footprint/{digest}"


def software_file_iri(digest: str) -> str:
    """Give the IRI of a software file from the digest over its path and its package."""
    return f"https://w3id.org/nbrepro/software/{digest}"


# RDF text cannot hold the lone surrogates that stand for bytes which are not UTF-8. They move to
# the end of a private-use plane and back, so that any path can be stored and asked for.
_ESCAPED_FROM = 0xDC80
_ESCAPED_TO = 0x10F780
_TO_TEXT = {_ESCAPED_FROM + i: _ESCAPED_TO + i for i in range(128)}
_FROM_TEXT = {to: from_ for from_, to in _TO_TEXT.items()}


def to_text(path: str) -> str:
    """Turn a path into text that every store can hold."""
    return path if path.isascii() else path.translate(_TO_TEXT)


def from_text(text: str) -> str:
    """Turn stored text back into a path."""
    return text if text.isascii() else text.translate(_FROM_TEXT)
