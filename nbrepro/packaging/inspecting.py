"""Tells what is in a package and why: by distribution, role, layer or file, the largest first."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbrepro.packaging.images import ImageError, open_image
from nbrepro.packaging.plan import CONTENTS, HOME
from nbrepro.rows import Rows

_NO_PACKAGE = "(no package)"


@dataclass(frozen=True, slots=True)
class InspectedRow:
    """Files of a package that have something in common, and their sizes in bytes.

    `layer` is theirs where they share one. `reason` is the rule that put a single file there.
    """

    subject: str
    files: int
    bytes: int
    layer: str | None
    reason: str | None = None


def inspect_image(image: Path, by: str) -> Rows[InspectedRow]:
    """Sum what is in a package by `package`, `role`, `layer` or `file`. Raises ImageError."""
    contents, notes = _read(image)
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for record in contents:
        if record["sha256"]:
            groups.setdefault(_key(record, by), []).append(record)
    rows = [_row(subject, records, by) for subject, records in groups.items()]
    rows.sort(key=lambda row: (-row.bytes, row.subject))
    return Rows(InspectedRow, rows, notes)


def _read(image: Path) -> tuple[list[dict[str, Any]], list[str]]:
    own = Path(f"{image}{HOME}", CONTENTS)
    if own.is_file():
        return [json.loads(line) for line in own.read_text().splitlines()], []
    opened = open_image(image)
    package = opened.read_package()
    try:
        proof = package["proof"]
        notes = [
            f"run {package['run']} of {package['notebook']}",
            f"proof: {proof['equal']} of {proof['cells']} cells equal in {proof['rounds']} rounds",
        ]
        notes += [
            f"let in by its maker: {path} (rule {r})" for path, r in package["allowed"].items()
        ]
    except KeyError as error:
        raise ImageError(f"{image}: its description lacks {error}") from None
    return opened.read_contents(), notes


def _key(record: Mapping[str, Any], by: str) -> str:
    if by == "package":
        return str(record["package"] or f"{_NO_PACKAGE} {record['role']}")
    return str(record["path" if by == "file" else by])


def _row(subject: str, records: list[Mapping[str, Any]], by: str) -> InspectedRow:
    layers = {str(record["layer"]) for record in records}
    return InspectedRow(
        subject,
        len(records),
        sum(int(record["size"]) for record in records),
        layers.pop() if len(layers) == 1 else None,
        str(records[0]["rule"]) if by == "file" else None,
    )
