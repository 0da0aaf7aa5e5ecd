"""The files on this machine that make up a set: whole packages, the interpreter, and its files.

A trace shows what was opened; a package is more than that. So packages are taken by their own
lists of files, and the interpreter with its whole standard library.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nbrepro.dependencies.installed import find_installed
from nbrepro.dependencies.sets import Dependency, DependencySet, Need

_LEFT = frozenset({"site-packages", "dist-packages", "__pycache__", "test", "idlelib", "ensurepip"})
"""Directories of a standard library that hold other packages, or nothing that a program needs."""


@dataclass(slots=True)
class Places:
    """The paths of a set by the member they are of (kind and name), and why others have none."""

    paths: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    missing: dict[tuple[str, str], str] = field(default_factory=dict)

    def all(self) -> list[str]:
        """List all paths."""
        return list(dict.fromkeys(path for paths in self.paths.values() for path in paths))


def find_places(members: DependencySet) -> Places:
    """Find where a set's files, packages and interpreters lie now.

    Libraries of the operating system are left to the loader's own rules (see
    `nbrepro.packaging.fill_root`). What was changed since the run is `missing`.
    """
    places = Places()
    for member in members:
        found, reason = _find(member)
        key = (member.kind, member.name)
        if reason:
            places.missing[key] = reason
        elif found:
            places.paths[key] = found
    for member in members.of(Need.PACKAGE):
        site = member.location or ""
        if site and ("environment", site) not in places.paths:
            places.paths["environment", site] = list(_environment(site))
    return places


def _find(member: Dependency) -> tuple[list[str], str]:
    if member.kind in (Need.FILE, Need.UNOWNED):
        return ([member.name], "") if os.path.lexists(member.name) else ([], "is gone")
    if member.kind == Need.INTERPRETER:
        return _interpreter(member)
    return _package(member) if member.kind == Need.PACKAGE else ([], "")


def _package(member: Dependency) -> tuple[list[str], str]:
    installed = find_installed(member.name, member.location or "")
    if installed is None:
        return [], f"is not in {member.location or 'any known place'}"
    if installed.version != member.version:
        return [], f"is here in version {installed.version}"
    files = [os.path.normpath(path) for path in installed.files()]
    present = [path for path in files if os.path.lexists(path)]
    return present, "" if present else "keeps no list of its files, or none of them is here"


def _interpreter(member: Dependency) -> tuple[list[str], str]:
    library = member.location
    if not library or not Path(library, "os.py").is_file():
        return [], "its standard library was not seen"
    prefix = Path(library).parents[1]
    found = list(_walk(library))
    name = Path(library).name
    found += [str(path) for path in (prefix / "bin").glob("python*")]
    found += [str(path) for path in (prefix / "lib").glob(f"lib{name}*")]
    return found, ""


def _walk(library: str) -> Iterator[str]:
    for folder, directories, files in os.walk(library):
        directories[:] = [name for name in directories if name not in _LEFT]
        yield from (f"{folder}/{name}" for name in files)


def _environment(site: str) -> Iterator[str]:
    """Yield what makes a directory of packages that of an environment: its interpreter's links and
    its configuration (PEP 405)."""
    prefix = Path(site).parents[2]
    candidates = [prefix / "pyvenv.cfg", *sorted((prefix / "bin").glob("python*"))]
    yield from (str(path) for path in candidates if path.exists())
