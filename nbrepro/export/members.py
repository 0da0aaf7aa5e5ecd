"""Everything that goes into an archive or a crate of a run: staged, the graph first."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from nbrepro.archives.contents import EVIDENCE, GRAPH
from nbrepro.export.crate import METADATA, NO_LICENSE, write_metadata
from nbrepro.export.crate_files import DESCRIBED_ROLES
from nbrepro.export.cyclonedx import packages_of
from nbrepro.export.evidence import see_evidence, stage_evidence
from nbrepro.export.extract import Extract
from nbrepro.export.redaction import Private, Redactor
from nbrepro.export.staging import Staging
from nbrepro.export.writers import FORMATS
from nbrepro.rundir import NOTEBOOK, RunDirectory
from nbrepro.stores.rdf import literal_text
from nbrepro.vocabulary import from_text

LOCK = "environment.lock.txt"
DATA = "data/"
FORMS = {GRAPH: "nquads", "prov.json": "prov-json", "bom.cdx.json": "cyclonedx",
         "page.html": "html"}  # fmt: skip
"""The formats that go with a run, by the names of their files."""


def find_redactor(extract: Extract, directory: RunDirectory | None) -> Redactor:
    """Gather what is private in a graph and its evidence, and give what replaces it."""
    private = Private([directory.read_manifest().token] if directory else [])
    for statement in extract.statements():
        private.see_statement(statement)
    if directory is not None:
        extract.say("looking for what is private", 0, 0)
        see_evidence(directory, private)
    return Redactor(private)


@contextmanager
def stage_run(
    extract: Extract,
    directory: RunDirectory | None,
    redactor: Redactor | None,
    *,
    data: Extract | None = None,
    license_: str = NO_LICENSE,
) -> Iterator[Staging]:
    """Give all files of a run.

    `data` is the extract, before redaction, whose files are included where they still are what
    the run saw.
    """
    with tempfile.TemporaryDirectory() as folder:
        staging = Staging(Path(folder))
        for name, form in FORMS.items():
            staging.write(name, lambda out, form=form: FORMATS[form].write(extract, out))  # type: ignore[misc]
        staging.write(LOCK, lambda out: write_lock(extract, out))
        if directory is not None:
            extract.say("reading the evidence", 0, 0)
            stage_evidence(directory, staging, redactor)
        notebook = EVIDENCE + NOTEBOOK
        if notebook not in staging.files:
            notebook = NOTEBOOK
            staging.write(notebook, lambda out: write_notebook(extract, out))
        included = _stage_data(data, staging, redactor) if data else {}
        members = [staged.member for staged in staging.files.values()]
        staging.write(
            METADATA,
            lambda out: write_metadata(
                extract, members, notebook, LOCK, out, included=included, license_=license_
            ),
        )
        yield staging


def write_lock(extract: Extract, out: BinaryIO) -> None:
    """Write the packages: pip's as its requirements, the others' as comments, with digests."""
    out.write(b"# Packages whose files the run used; the digest is over a package's own records.\n")
    for line in sorted(set(_lock_lines(extract)), key=lambda line: (line.startswith("#"), line)):
        out.write(f"{line}\n".encode())


def _lock_lines(extract: Extract) -> Iterator[str]:
    for package in packages_of(extract):
        given = {name: literal_text(str(value)) for name, value in package.properties.items()}
        digest = given.get("record_digest")
        more = f"  # record sha256:{digest}" if digest else ""
        if given.get("manager") == "pip":
            yield f"{given.get('name')}=={given.get('version')}{more}"
        else:
            yield f"# {given.get('purl')}{more}"


def write_notebook(extract: Extract, out: BinaryIO) -> None:
    """Write a notebook of the cells that were run: what can be told without the notebook itself."""
    import nbformat
    from nbformat import v4

    cells = sorted(
        (node for node in extract.nodes("Entity") if node.kind == "Cell"),
        key=lambda cell: int(cell.properties.get("position", 0)),
    )
    book = v4.new_notebook(
        cells=[
            v4.new_code_cell(literal_text(str(c.properties.get("source", ""))), id=f"cell-{number}")
            for number, c in enumerate(cells, 1)
        ]
    )
    out.write(nbformat.writes(book).encode())


def _stage_data(whole: Extract, staging: Staging, redactor: Redactor | None) -> dict[str, str]:
    """Stage the files that still are what the run saw; give their names by their versions."""
    included: dict[str, str] = {}
    for node in whole.nodes("Entity"):
        given = node.properties
        if node.kind != "FileVersion" or given.get("role") not in DESCRIBED_ROLES:
            continue
        path = Path(from_text(str(given.get("path", ""))))
        if given.get("sha256") and _is_still(path, str(given["sha256"])):
            name = DATA + _place(str(given.get("root", "")), str(given.get("relative_path", path)))
            name = redactor.text(name) if redactor else name
            uid = redactor.text(node.uid) if redactor else node.uid
            if name not in staging.files:
                staging.add(name, path)
            included[uid] = name
    return included


def _place(root: str, relative: str) -> str:
    parts = [part for part in literal_text(relative).split("/") if part not in ("", ".", "..")]
    return "/".join([root or "elsewhere", *parts])


def _is_still(path: Path, sha256: str) -> bool:
    try:
        if not path.is_file() or not os.access(path, os.R_OK):
            return False
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest() == sha256
    except (OSError, ValueError):
        return False
