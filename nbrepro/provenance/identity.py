"""Names that compare across runs and machines: digests, logical keys, roots, moments."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime

from nbrepro.model import Package, Value


def moment(at_ns: int) -> str:
    """Write a time as UTC text with nanoseconds."""
    seconds, rest = divmod(at_ns, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def digest_of(value: object) -> str:
    """Give the sha256 of a value's canonical JSON: the form of every logical key."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def relative(path: str, roots: Mapping[str, str]) -> tuple[str, str]:
    """Name a path by the deepest root that holds it: the root's name and the rest."""
    best = ("", path)
    length = -1
    for name in sorted(roots):
        root = roots[name].rstrip("/")
        if root and len(root) > length and (path == root or path.startswith(root + "/")):
            best, length = (name, path[len(root) + 1 :]), len(root)
    return best


def package_iri(package: Package) -> str:
    """Give the IRI of a package: its purl, told apart by the digest of its files where known.

    Two machines may have one version of a package with different files (another wheel, a patch).
    """
    if not package.record_digest:
        return package.purl
    joint = "&" if "?" in package.purl else "?"
    return f"{package.purl}{joint}record={package.record_digest[:16]}"


def filled(**properties: str) -> dict[str, Value]:
    """Keep the texts that say something."""
    return {name: value for name, value in properties.items() if value}


def known(**properties: int) -> dict[str, Value]:
    """Keep the numbers that somebody measured; -1 stands for unknown."""
    return {name: value for name, value in properties.items() if value >= 0}


def period(started_ns: int, ended_ns: int) -> dict[str, Value]:
    """Write a start, an end and the seconds between; no end, no length."""
    if not ended_ns:
        return {"started": moment(started_ns)}
    return {
        "started": moment(started_ns),
        "ended": moment(ended_ns),
        "seconds": round((ended_ns - started_ns) / 1e9, 6),
    }


def segment(name: str) -> str:
    """Make a name fit for one segment of an IRI."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "-._") else "_" for c in name) or "_"
