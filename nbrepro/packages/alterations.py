"""Which installed files are not what their distribution's RECORD says: patched in place.

A file is read only where its size, or its time of change against RECORD's (which installers write
last), says that it may have been changed. What is installed in place has no record to keep to, so
that its files are always read.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import os
from typing import NamedTuple

from nbrepro.packages.editable import IN_PLACE
from nbrepro.packages.interface import Claim
from nbrepro.packages.reading import LIMIT_BYTES, read

_SETTLED_NS = 2_000_000_000
_OTHERS = frozenset(("conda",))
"""Installers that rewrite files after the fact and keep records of their own."""


class _Record(NamedTuple):
    """The rows of a RECORD by absolute path, (hash, size), and when it was written."""

    rows: dict[str, tuple[str, str]]
    mtime_ns: int
    ctime_ns: int


_NO_RECORD = _Record({}, 0, 0)


class Alterations:
    """Looks at installed files; every RECORD is read once."""

    def __init__(self) -> None:
        self._records: dict[str, _Record] = {}

    def find(self, path: str, claim: Claim) -> str:
        """Give the sha256 of a claimed file that is not as recorded; empty where it is."""
        if IN_PLACE in claim.evidence:
            return _digest(path)
        if not claim.anchor.endswith(".dist-info/METADATA"):
            return ""
        record = self._record(os.path.dirname(claim.anchor))
        recorded, size = record.rows.get(path, ("", ""))
        if not recorded.startswith("sha256=") or not _may_differ(path, size, record):
            return ""
        digest = _digest(path)
        return "" if not digest or recorded == _as_recorded(digest) else digest

    def _record(self, metadata: str) -> _Record:
        known = self._records.get(metadata)
        if known is None:
            known = self._records[metadata] = _read_record(metadata)
        return known


def _read_record(metadata: str) -> _Record:
    path = os.path.join(metadata, "RECORD")
    if read(os.path.join(metadata, "INSTALLER")).text.strip() in _OTHERS:
        return _NO_RECORD
    try:
        status = os.stat(path)
        lines = [line for line in read(path).text.splitlines() if line]
        rows = [row for row in csv.reader(lines) if len(row) == 3]
    except (OSError, csv.Error):
        return _NO_RECORD
    site = os.path.dirname(metadata)
    found = {os.path.normpath(os.path.join(site, name)): (digest, size)
             for name, digest, size in rows}  # fmt: skip
    return _Record(found, status.st_mtime_ns, status.st_ctime_ns)


def _may_differ(path: str, size: str, record: _Record) -> bool:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return False
    if size and str(status.st_size) != size:
        return True
    # Another environment's hard link to the same file changes the latter time, not the content.
    touched = status.st_nlink == 1 and status.st_ctime_ns > record.ctime_ns + _SETTLED_NS
    return touched or status.st_mtime_ns > record.mtime_ns + _SETTLED_NS


def _digest(path: str) -> str:
    if path.endswith((".pyc", "/")) or os.path.isdir(path):
        return ""
    content = read(path)
    large = content.data is not None and len(content.data) >= LIMIT_BYTES
    return "" if content.data is None or large else hashlib.sha256(content.data).hexdigest()


def _as_recorded(digest: str) -> str:
    encoded = base64.urlsafe_b64encode(bytes.fromhex(digest)).rstrip(b"=")
    return "sha256=" + encoded.decode("ascii")
