"""Describe a run as an RO-Crate: Provenance Run Crate 0.5 (https://w3id.org/ro/wfrun/provenance).

The notebook is the workflow, each of its cells a step, and each execution of a cell the run of the
step's tool. Files of the crate have their names as identifiers; files of the run that are not in it
the IRIs of their versions, and where they were.
"""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import quote

from nbrepro.archives.contents import Member
from nbrepro.export.actions import Actions, refer
from nbrepro.export.crate_files import CrateFiles
from nbrepro.export.cyclonedx import packages_of
from nbrepro.export.extract import Extract
from nbrepro.stores.rdf import iri, literal_text

METADATA = "ro-crate-metadata.json"
NO_LICENSE = "No licence is stated; ask the owner of the notebook."

_CONTEXT = [
    "https://w3id.org/ro/crate/1.1/context",
    "https://w3id.org/ro/terms/workflow-run/context",
    {"buildInstructions": "https://codemeta.github.io/terms/buildInstructions"},
]
_CRATE = "https://w3id.org/ro/crate/1.1"
_WORKFLOW_CRATE = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
_PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/ro/wfrun/provenance/0.5": "Provenance Run Crate",
    _WORKFLOW_CRATE: "Workflow RO-Crate",
}
_LANGUAGE = "#language"
_FORMATS = {
    ".nq": "application/n-quads", ".ipynb": "application/x-ipynb+json",
    ".jsonl": "application/jsonl", ".zst": "application/zstd", ".log": "text/plain",
    ".cdx.json": "application/vnd.cyclonedx+json; version=1.6", ".json": "application/json",
    ".html": "text/html", ".txt": "text/plain",
}  # fmt: skip

Entity = dict[str, Any]


def write_metadata(
    extract: Extract,
    members: Iterable[Member],
    notebook: str,
    lock: str,
    out: BinaryIO,
    *,
    included: Mapping[str, str] | None = None,
    license_: str = NO_LICENSE,
) -> None:
    """Write ro-crate-metadata.json.

    `members` are the files of the crate, `notebook` and `lock` the names of two of them;
    `included` gives the name in the crate of each file version that is in it.
    """
    entities = _entities(
        extract, list(members), notebook, lock, CrateFiles(extract, included or {}), license_
    )
    out.write(f'{{"@context": {json.dumps(_CONTEXT)},\n"@graph": ['.encode())
    for number, entity in enumerate(entities):
        out.write(f"{',' if number else ''}\n{json.dumps(entity)}".encode())
    out.write(b"\n]}\n")


def _entities(
    extract: Extract,
    members: list[Member],
    notebook: str,
    lock: str,
    files: CrateFiles,
    license_: str,
) -> Iterator[Entity]:
    actions = Actions(extract, files, notebook)
    own = [member for member in members if member.name != notebook]
    yield {
        "@id": METADATA,
        "@type": "CreativeWork",
        "conformsTo": [{"@id": _CRATE}, {"@id": _WORKFLOW_CRATE}],
        "about": {"@id": "./"},
    }
    yield _root(extract, own, notebook, files, license_)
    for uri, name in _PROFILES.items():
        version = uri.rpartition("/")[2]
        yield {"@id": uri, "@type": "CreativeWork", "name": name, "version": version}
    yield _notebook(extract, members, notebook, lock, actions)
    yield _language(extract)
    yield from map(_member, own)
    yield from files.entities()
    yield from _requirements(extract)
    yield from actions.entities()


def _root(
    extract: Extract, own: list[Member], notebook: str, files: CrateFiles, license_: str
) -> Entity:
    run = extract.run
    name = PurePosixPath(str(run.get("notebook", ""))).name or "a notebook"
    parts = [notebook, *(_id_of(member.name) for member in own), *files.ids()]
    redacted = run.get("redacted")
    more = f" What is private was replaced: {redacted}." if redacted else ""
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": literal_text(f"Run {run.get('run', '')} of {name}"),
        "description": literal_text(
            f"What each cell of {name} read, wrote and used, as observed by nbrepro.{more}"
        ),
        "datePublished": _moment(run.get("ended") or run.get("started")),
        "license": license_,
        "conformsTo": [{"@id": uri} for uri in _PROFILES],
        "hasPart": refer(dict.fromkeys(parts)),
        "mainEntity": {"@id": notebook},
        "mentions": {"@id": "#run"},
        "identifier": iri(extract.base)[1:-1],
    }


def _moment(text: object) -> str:
    """Give a time to the second; a run that never began has the first day of all."""
    return f"{str(text)[:19]}+00:00" if text else "1970-01-01T00:00:00+00:00"


def _notebook(
    extract: Extract, members: list[Member], notebook: str, lock: str, actions: Actions
) -> Entity:
    member = next(member for member in members if member.name == notebook)
    return {
        **_member(member),
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
        "name": PurePosixPath(str(extract.run.get("notebook", ""))).name or notebook,
        "programmingLanguage": {"@id": _LANGUAGE},
        "step": refer(actions.steps()),
        "hasPart": refer(actions.tools()),
        "input": refer(actions.parameters("input")),
        "output": refer(actions.parameters("output")),
        "softwareRequirements": refer(iri(p.uid)[1:-1] for p in packages_of(extract)),
        "buildInstructions": {"@id": lock},
    }


def _language(extract: Extract) -> Entity:
    kernel = next(iter(extract.nodes("Agent")), None)
    given = kernel.properties if kernel else {}
    return {
        "@id": _LANGUAGE,
        "@type": "ComputerLanguage",
        "name": str(given.get("language") or "python"),
        **({"version": str(given["version"])} if given.get("version") else {}),
    }


def _member(member: Member) -> Entity:
    return {
        "@id": _id_of(member.name),
        "@type": "File",
        "name": member.name,
        "contentSize": str(member.size),
        "sha256": member.sha256,
        "encodingFormat": _format_of(member.name),
    }


def _format_of(name: str) -> str:
    known = next((kind for end, kind in _FORMATS.items() if name.endswith(end)), None)
    return known or mimetypes.guess_type(name)[0] or "application/octet-stream"


def _id_of(name: str) -> str:
    return quote(name, safe="/._-~+@=,")


def _requirements(extract: Extract) -> Iterator[Entity]:
    for package in packages_of(extract):
        given = package.properties
        yield {
            "@id": iri(package.uid)[1:-1],
            "@type": "SoftwareApplication",
            "name": literal_text(str(given.get("name", ""))),
            "softwareVersion": literal_text(str(given.get("version", ""))),
        }
