"""Digests of archives from the lock files of a project: pylock.toml (PEP 751) and uv.lock."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from nbrepro.dependencies.installed import normal
from nbrepro.dependencies.sets import DependencySet


def find_hashes(members: DependencySet, directories: Iterable[Path]) -> dict[str, list[str]]:
    """Find digests `algorithm:hex` of archives by `name==version`.

    They are in the sources of what was installed from an archive by its address (PEP 610), and in
    lock files that lie in the directories. A lock file that cannot be read tells nothing.
    """
    found: dict[str, list[str]] = {}
    for name, version, digest in (*_of_sources(members), *_of_locks(directories)):
        known = found.setdefault(f"{normal(name)}=={version}", [])
        if digest not in known:
            known.append(digest)
    return found


def _of_sources(members: DependencySet) -> Iterator[tuple[str, str, str]]:
    for member in members:
        algorithm, equals, digest = (member.source or "").rpartition("#")[2].partition("=")
        if equals and algorithm in ("sha256", "sha384", "sha512"):
            yield member.name, member.version or "", f"{algorithm}:{digest}"


def _of_locks(directories: Iterable[Path]) -> Iterator[tuple[str, str, str]]:
    for directory in dict.fromkeys(directories):
        for path in sorted([*directory.glob("pylock*.toml"), *directory.glob("uv.lock")]):
            try:
                lock = tomllib.loads(path.read_text(encoding="utf-8"))
                yield from list(_locked(lock))
            except (OSError, ValueError, TypeError, AttributeError):
                continue


def _locked(lock: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for package in (*lock.get("packages", ()), *lock.get("package", ())):
        archives = [*package.get("wheels", ()), package.get("sdist"), package.get("archive")]
        for archive in archives:
            if isinstance(archive, dict) and package.get("version"):
                for digest in _digests(archive):
                    yield str(package["name"]), str(package["version"]), digest


def _digests(archive: dict[str, Any]) -> Iterator[str]:
    if "hash" in archive:  # of uv
        yield str(archive["hash"])
    for algorithm, digest in archive.get("hashes", {}).items():
        if algorithm in ("sha256", "sha384", "sha512"):
            yield f"{algorithm}:{digest}"
