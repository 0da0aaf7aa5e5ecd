"""Ownership by `conda-meta/*.json`, conda's own record of what it linked into a prefix."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from typing import Any

from packageurl import PackageURL

from nbrepro.model import Package
from nbrepro.packages.interface import Claim, Owner
from nbrepro.packages.reading import read_json
from nbrepro.packages.surroundings import Surroundings, parent_of

_RECORDS = "conda-meta"


class CondaOwner(Owner):
    """Finds the conda package whose record lists a path of its prefix."""

    database = True

    def __init__(self, surroundings: Surroundings) -> None:
        super().__init__(surroundings)
        self._problems: dict[str, list[str]] = {}

    def find(self, paths: Collection[str]) -> dict[str, Claim]:
        """Claim what the records of the prefixes above the paths list."""
        by_prefix: dict[str, dict[str, str]] = {}
        for path in paths:
            if prefix := self.surroundings.nearest(parent_of(path), _RECORDS):
                relative = path[len(prefix.rstrip("/")) + 1 :]
                by_prefix.setdefault(prefix, {})[relative] = path
        claims: dict[str, Claim] = {}
        for prefix, inside in by_prefix.items():
            claims |= self._find_in(prefix, inside)
        return claims

    def explain(self, path: str) -> str:
        """Say that the prefix's records do not list the path, and which could not be read."""
        prefix = self.surroundings.nearest(parent_of(path), _RECORDS)
        if not prefix:
            return ""
        problems = self._problems.get(prefix, [])
        unread = f" (unreadable: {'; '.join(problems[:3])})" if problems else ""
        return f"no conda package in {prefix} lists it{unread}"

    def _find_in(self, prefix: str, inside: dict[str, str]) -> dict[str, Claim]:
        claims: dict[str, Claim] = {}
        directory = os.path.join(prefix, _RECORDS)
        self.surroundings.shelf.watch(directory)
        for name in _record_names(directory):
            record, reason = read_json(os.path.join(directory, name))
            problem = reason or ("" if _usable(record) else "no name, version or files")
            if problem:
                self._problems.setdefault(prefix, []).append(f"{name}: {problem}")
                continue
            found = [f for f in record["files"] if isinstance(f, str) and f in inside]
            if found:
                claim = Claim(_package(prefix, record), f"listed by {_RECORDS}/{name}")
                claims |= {inside[f]: claim for f in found}
        return claims


def _record_names(directory: str) -> list[str]:
    try:
        return sorted(name for name in os.listdir(directory) if name.endswith(".json"))
    except OSError:
        return []


def _usable(record: dict[str, Any]) -> bool:
    named = all(isinstance(record.get(k), str) and record[k] for k in ("name", "version"))
    return named and isinstance(record.get("files"), list)


def _package(prefix: str, record: dict[str, Any]) -> Package:
    subdir = _text(record, "subdir")
    qualifiers = {
        "build": _text(record, "build") or _text(record, "build_string"),
        "channel": _channel(_text(record, "channel"), subdir),
        "subdir": subdir,
    }
    return Package(
        name=record["name"],
        version=record["version"],
        manager="conda",
        purl=PackageURL("conda", None, record["name"], record["version"], qualifiers).to_string(),
        location=prefix,
        record_digest=_digest(record),
        source=_text(record, "url"),
    )


def _text(record: dict[str, Any], key: str) -> str:
    value = record.get(key)
    return value if isinstance(value, str) else ""


def _channel(channel: str, subdir: str) -> str:
    """Shorten a channel's URL to its name: `https://host/conda-forge/linux-64` to `conda-forge`."""
    if "://" not in channel:
        return channel.removesuffix("/" + subdir) if subdir else channel
    return channel.rstrip("/").removesuffix("/" + subdir).rpartition("/")[2]


def _digest(record: dict[str, Any]) -> str:
    """Digest the sorted `path,sha256` lines as the package had them before prefix replacement."""
    data = record.get("paths_data")
    paths = data.get("paths") if isinstance(data, dict) else None
    lines = sorted(
        f"{entry.get('_path')},{entry.get('sha256') or ''}\n"
        for entry in (paths if isinstance(paths, list) else ())
        if isinstance(entry, dict) and not str(entry.get("_path")).endswith(".pyc")
    )
    if not lines:
        return ""
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
