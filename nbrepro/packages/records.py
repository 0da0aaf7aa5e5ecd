"""Read the lists of installed files that Python installers leave, and digest them.

RECORD is CSV of path, hash and size, paths relative to the directory that holds the `.dist-info`
(https://packaging.python.org/en/latest/specifications/recording-installed-packages/).
"""

from __future__ import annotations

import base64
import csv
import hashlib
from collections.abc import Iterable

_INSTALLER_WROTE = (
    "RECORD", "RECORD.jws", "RECORD.p7s", "INSTALLER", "REQUESTED", "direct_url.json",
    "uv_cache.json",
)  # fmt: skip
"""Files of a `.dist-info` that tell of the installation, not of the distribution."""

_CHUNK_BYTES = 1 << 20


def record_rows(text: str) -> tuple[list[tuple[str, str]], int]:
    """Give (path, hash) for every line of a RECORD, and how many lines could not be read."""
    lines = [line for line in text.split("\n") if line.strip()]
    if '"' not in text:
        return [_row(line.rstrip("\r").split(",")) for line in lines], 0
    rows = []
    broken = 0
    for line in lines:
        try:
            rows += [_row(fields) for fields in csv.reader([line], strict=True)]
        except csv.Error:
            broken += 1
    return rows, broken


def _row(fields: list[str]) -> tuple[str, str]:
    return fields[0], fields[1] if len(fields) > 1 else ""


def record_names(text: str) -> tuple[list[str], int]:
    """Give the paths of a RECORD, and how many lines could not be read."""
    if '"' not in text:
        lines = text.replace("\r", "").split("\n")
        return [line.partition(",")[0] for line in lines if line], 0
    rows, broken = record_rows(text)
    return [path for path, _ in rows], broken


def record_digest(rows: Iterable[tuple[str, str]]) -> str:
    """Digest a RECORD so that equal distributions in different places have equal digests.

    The sha256 over the sorted `path,hash` lines, without byte-code, without what the installer
    wrote about itself, and without scripts, whose first line names the environment.
    """
    lines = sorted([f"{path},{digest}\n" for path, digest in rows if _distributed(path)])
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _distributed(path: str) -> bool:
    if path.endswith(".pyc"):
        return False
    if ".dist-info/" in path:
        return path.partition(".dist-info/")[2] not in _INSTALLER_WROTE
    return not (path.startswith("..") and path.rpartition("/")[0].endswith(("/bin", "/Scripts")))


def matches(path: str, recorded: str) -> bool:
    """Say whether a file has the content of a recorded hash (`sha256=<urlsafe base64>`)."""
    name, _, expected = recorded.partition("=")
    try:
        digest = hashlib.new(name, usedforsecurity=False)
        with open(path, "rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                digest.update(chunk)
    except (OSError, ValueError):
        return False
    actual = base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode("ascii")
    return actual == expected.rstrip("=")
