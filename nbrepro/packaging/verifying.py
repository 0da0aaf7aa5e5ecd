"""Compares a replay with the run that its package holds: outputs by cell, files by digest."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbrepro.errors import NotFoundError
from nbrepro.outputs import Tolerance, compare_outputs
from nbrepro.packaging.images import ImageError
from nbrepro.packaging.plan import HOME, RECORDED
from nbrepro.packaging.proof import paired_cells
from nbrepro.packaging.replay import EXECUTED, FILES, RECORD, read_package
from nbrepro.packaging.unpacking import open_root
from nbrepro.rows import Rows

EQUAL, DIFFERENT, MISSING, WARNINGS, UNKNOWN = (
    "equal", "different", "missing", "warnings", "unknown",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class VerifiedRow:
    """One thing that was compared: a cell's outputs, or a file that the run made.

    `verdict` is `equal`, `different`, `missing` (the replay made no such thing), `warnings` (only
    what was written to stderr differs) or `unknown` (the run's content is not known). `detail` says
    what differs.
    """

    kind: str
    subject: str
    verdict: str
    detail: str | None = None
    recorded: str | None = None
    again: str | None = None


def verify_replay(image: Path, folder: Path, tolerance: Tolerance | None = None) -> Rows[Any]:
    """Compare the replay in `folder` with the run in the package `image`.

    Cells that the replay did not execute are not compared; files only where it executed all.
    """
    record = _read_record(folder)
    with open_root(image) as root:
        package = read_package(root, image)
        recorded = json.loads(Path(f"{root}{HOME}", RECORDED).read_text(encoding="utf-8"))
    if record.get("run") != package["run"]:
        raise ImageError(
            f"{folder}: is a replay of run {record.get('run')}, and {image} holds run "
            f"{package['run']}"
        )
    rows = Rows(VerifiedRow, _cells(recorded, folder, record, tolerance))
    rows += _files(package, folder, whole=record.get("whole", True))
    return rows


def _read_record(folder: Path) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads((folder / RECORD).read_text())
    except (OSError, ValueError) as error:
        raise NotFoundError(f"{folder}: holds no replay ({error})") from None
    return record


def _cells(
    recorded: Mapping[str, Any],
    folder: Path,
    record: Mapping[str, Any],
    tolerance: Tolerance | None,
) -> list[VerifiedRow]:
    try:
        again = json.loads((folder / EXECUTED).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return [VerifiedRow("cell", "all", MISSING, str(record.get("failure") or "no outputs"))]
    rows = []
    wanted = {position for position in record["cells"] if position > 0}
    for position, one, other in paired_cells(recorded, again, 0 in record["cells"]):
        if position not in wanted:
            continue
        found = compare_outputs(one, other, tolerance)
        real = [one for one in found if one.part != "stderr"]
        verdict = DIFFERENT if real else WARNINGS if found else EQUAL
        first = next(iter(real or found), None)
        rows.append(
            VerifiedRow(
                "cell", str(position), verdict,
                f"{first.part}: {first.reason}" if first else None,
                first.recorded if first else None, first.again if first else None,
            )
        )  # fmt: skip
    return rows


def _files(package: Mapping[str, Any], folder: Path, whole: bool) -> list[VerifiedRow]:
    rows = []
    outputs: dict[str, str] = package.get("outputs", {})
    for path, sha256 in outputs.items():
        made = Path(f"{folder}/{FILES}{path}")
        if made.is_file():
            again = hashlib.sha256(made.read_bytes()).hexdigest()
            verdict = UNKNOWN if not sha256 else EQUAL if sha256 == again else DIFFERENT
            rows.append(VerifiedRow("file", path, verdict, None, sha256[:12], again[:12]))
        elif whole:
            rows.append(VerifiedRow("file", path, MISSING, "the replay did not make it"))
    return rows


def count_verdicts(rows: Rows[Any]) -> dict[str, dict[str, int]]:
    """Count the verdicts of each kind of thing."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in rows:
        counts[row.kind][row.verdict] += 1
    return {kind: dict(found) for kind, found in counts.items()}
