"""Ownership by dpkg's database: `/var/lib/dpkg/info/*.list` and `status`.

Formats: dpkg(1), deb-control(5), dpkg-divert(1). Paths alias each other on systems where /bin,
/lib, /sbin are links into /usr while packages still list the old places, and the other way round.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator
from itertools import product

from packageurl import PackageURL

from nbrepro.model import Package
from nbrepro.packages.interface import Claim, Owner
from nbrepro.packages.reading import read, read_headers
from nbrepro.packages.surroundings import Surroundings

_ADMIN = "var/lib/dpkg"
_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "libo32")


class DpkgOwner(Owner):
    """Finds the Debian package whose list has a path. `root` is the system's root directory."""

    database = True

    def __init__(self, surroundings: Surroundings, root: str = "/") -> None:
        super().__init__(surroundings)
        self.root = root
        self._admin = os.path.join(root, _ADMIN)
        self._shared: set[str] = set()

    def find(self, paths: Collection[str]) -> dict[str, Claim]:
        """Claim what exactly one package lists; directories that several list are nobody's."""
        lists = self._list_names()
        if not lists:
            return {}
        diversions = self._diversions()
        wanted = _spellings(paths, diversions)
        found: dict[str, list[str]] = {}
        for line, names in self._listing(lists, wanted).items():
            for name, path in product(names, wanted[line]):
                if _holds(diversions, name, os.fsdecode(line), path):
                    found.setdefault(path, []).append(name.removesuffix(".list"))
        self._shared = {p for p, names in found.items() if len(names) > 1 and os.path.isdir(p)}
        return self._claims({p: min(n) for p, n in found.items() if p not in self._shared})

    def explain(self, path: str) -> str:
        """Say that a directory is shared between packages."""
        return "a directory that several Debian packages share" if path in self._shared else ""

    def _listing(self, lists: list[str], wanted: Collection[bytes]) -> dict[bytes, list[str]]:
        """Give the names of the lists that hold each of the wanted lines, if any does."""
        info = os.path.join(self._admin, "info")
        known = self.surroundings.shelf.listed(info)
        new = {line for line in wanted if line not in known}
        if new:
            known |= {line: [] for line in new}
            for name in lists:
                content = read(os.path.join(info, name)).data or b""
                for line in new.intersection(content.split(b"\n")):
                    known[line].append(name)
        return {line: names for line in wanted if (names := known[line])}

    def _list_names(self) -> list[str]:
        try:
            names = os.listdir(os.path.join(self._admin, "info"))
        except OSError:
            return []
        return sorted(name for name in names if name.endswith(".list"))

    def _diversions(self) -> dict[str, tuple[str, str]]:
        """Read diversions: the diverted path, where it went, and the package that took its place
        (`:` for the administrator)."""
        lines = read(os.path.join(self._admin, "diversions")).text.splitlines()
        triples = zip(lines[::3], lines[1::3], lines[2::3], strict=False)
        return {origin: (moved, package) for origin, moved, package in triples}

    def _claims(self, listed: dict[str, str]) -> dict[str, Claim]:
        packages = self._packages(set(listed.values()))
        return {
            path: Claim(packages[unit], f"listed by dpkg for {unit}")
            for path, unit in listed.items()
            if unit in packages
        }

    def _packages(self, units: set[str]) -> dict[str, Package]:
        """Give the package of each `name` or `name:architecture` from the status file."""
        names = {os.fsencode(unit.partition(":")[0]) for unit in units}
        distribution = self._distribution()
        packages = {}
        status = read(os.path.join(self._admin, "status")).data or b""
        for stanza in status.split(b"\n\n"):
            first = stanza.lstrip(b"\n").partition(b"\n")[0]
            if first[:9] == b"Package: " and first[9:].strip() in names:
                headers = read_headers(stanza.strip(b"\n").decode("utf-8", "surrogateescape"))
                name, architecture = headers["package"], headers.get("architecture", "")
                for unit in {name, f"{name}:{architecture}"} & units:
                    packages[unit] = self._package(unit, headers, distribution)
        return packages

    def _package(
        self, unit: str, headers: dict[str, str], distribution: tuple[str, str]
    ) -> Package:
        identity, release = distribution
        name, version = headers["package"], headers.get("version", "")
        qualifiers = {"arch": headers.get("architecture", ""), "distro": release}
        return Package(
            name=name,
            version=version,
            manager="dpkg",
            purl=PackageURL("deb", identity, name, version or None, qualifiers).to_string(),
            location=self.root,
            record_digest=self._digest(unit),
        )

    def _digest(self, unit: str) -> str:
        data = read(os.path.join(self._admin, "info", unit + ".md5sums")).data
        if not data:
            return ""
        lines = sorted(line for line in data.split(b"\n") if line)
        return hashlib.sha256(b"".join(line + b"\n" for line in lines)).hexdigest()

    def _distribution(self) -> tuple[str, str]:
        """Give the distribution's id, and the id with its release, from os-release(5)."""
        for path in ("etc/os-release", "usr/lib/os-release"):
            text = read(os.path.join(self.root, path)).text
            pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
            values = {key.strip(): value.strip().strip("\"'") for key, _, value in pairs}
            if identity := values.get("ID"):
                release = values.get("VERSION_ID") or values.get("VERSION_CODENAME")
                return identity, f"{identity}-{release}" if release else identity
        return "debian", "debian"


def _spellings(
    paths: Collection[str], diversions: dict[str, tuple[str, str]]
) -> dict[bytes, list[str]]:
    """Map every line that a list may have for a path to the paths."""
    origins = {moved: origin for origin, (moved, _) in diversions.items()}
    wanted: dict[bytes, list[str]] = {}
    for path in paths:
        for spelled in _aliases(path):
            for line in (spelled, origins.get(spelled)):
                if line:
                    wanted.setdefault(os.fsencode(line), []).append(path)
    return wanted


def _aliases(path: str) -> Iterator[str]:
    yield path
    first, slash, rest = path.removeprefix("/").partition("/")
    if slash and first in _MERGED:
        yield "/usr/" + first + "/" + rest
    elif first == "usr" and rest.partition("/")[0] in _MERGED:
        yield "/" + rest


def _holds(diversions: dict[str, tuple[str, str]], name: str, line: str, path: str) -> bool:
    """Say whether the package of list `name`, which has `line`, has its file at `path`."""
    if line not in diversions:
        return True
    moved, diverter = diversions[line]
    owner = name.removesuffix(".list").partition(":")[0]
    return (owner != diverter) if path in set(_aliases(moved)) else (owner == diverter)
