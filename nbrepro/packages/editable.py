"""Ownership of project directories that are installed in place (editable, `develop`).

Four traces of it, in the environment and never in the project: direct_url.json (PEP 610), a .pth
file that some RECORD lists, the finder module of a build backend, and a legacy .egg-link.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Collection, Iterator
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from nbrepro.packages.distributions import Distribution
from nbrepro.packages.interface import Claim, Owner
from nbrepro.packages.reading import read
from nbrepro.packages.sites import Site
from nbrepro.packages.surroundings import parent_of

IN_PLACE = "in place by "
"""How the evidence of this owner's claims begins."""


class Root(NamedTuple):
    """A directory or module outside every site that a distribution brings in place."""

    path: str
    distribution: Distribution
    evidence: str


class EditableOwner(Owner):
    """Finds the nearest project directory above a path that an environment has in place."""

    def find(self, paths: Collection[str]) -> dict[str, Claim]:
        """Claim the files below project directories, except those of a nearer site, or of a
        virtual environment that lies inside the project."""
        roots = self._roots()
        if not roots:
            return {}
        claims = {}
        nearest: dict[str, Root | None] = dict(roots)
        for path in paths:
            root = _nearest(path, nearest)
            if not root or not root.distribution.package:
                continue
            if not self._nearer_site(path, root.path) and not _in_environment(path, root.path):
                claims[path] = Claim(
                    root.distribution.package, root.evidence, root.distribution.metadata
                )
        return claims

    def _roots(self) -> dict[str, Root]:
        self.surroundings.environment_sites()
        roots: dict[str, Root] = {}
        for site in self.surroundings.known_sites():
            for root in site_roots(site):
                resolved = os.path.realpath(root.path)
                if resolved != "/" and not _within(resolved, site.directory):
                    roots.setdefault(resolved, root._replace(path=resolved))
        return roots

    def _nearer_site(self, path: str, root: str) -> bool:
        return any(
            _within(site.directory, root) and site.directory != root
            for site in self.surroundings.holders(parent_of(path))
        )


def site_roots(site: Site) -> Iterator[Root]:
    """Yield what the distributions of a site have in place, surest trace first."""
    for distribution in site.distributions:
        yield from _from_direct_url(distribution)
    for name in site.hooks:
        follow = _from_pth if name.endswith(".pth") else _from_finder
        for distribution in site.distributions:
            if distribution.lists(name):
                yield from follow(distribution, name)
    for link in site.egg_links:
        yield from _from_egg_link(link)


def _from_direct_url(distribution: Distribution) -> Iterator[Root]:
    record = distribution.direct_url
    info = record.get("dir_info")
    if isinstance(info, dict) and info.get("editable") is True:
        path = _local(record.get("url"))
        if path:
            evidence = f"{IN_PLACE}{distribution.entry}/direct_url.json"
            yield Root(path, distribution, evidence)


def _local(url: object) -> str:
    """Turn a `file:` URL into a path; anything else into nothing."""
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
    except ValueError:
        return ""
    if parts is None or parts.scheme != "file":
        return ""
    path = unquote(parts.path, errors="surrogateescape")
    return path if path.startswith("/") and "\0" not in path else ""


def _from_pth(distribution: Distribution, name: str) -> Iterator[Root]:
    """Follow the lines of a .pth that are paths; lines of code are left alone."""
    for line in read(os.path.join(distribution.site, name)).text.splitlines():
        text = line.strip()
        if not text or text.startswith(("#", "import ", "import\t")) or "\0" in text:
            continue
        path = os.path.normpath(os.path.join(distribution.site, text))
        if os.path.isdir(path):
            yield Root(path, distribution, f"{IN_PLACE}{name} of {distribution.entry}")


def _from_finder(distribution: Distribution, name: str) -> Iterator[Root]:
    """Take the absolute paths that a generated finder module holds as constants (setuptools'
    MAPPING, hatchling's map_module), by parsing it."""
    try:
        tree = ast.parse(read(os.path.join(distribution.site, name)).data or b"")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        distribution.problems.append(f"{name}: not Python that this version can parse")
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            path = node.value
            if path.startswith("/") and "\0" not in path and os.path.exists(path):
                yield Root(path, distribution, f"{IN_PLACE}{name} of {distribution.entry}")


def _from_egg_link(link: str) -> Iterator[Root]:
    """Follow a .egg-link: its first line is the directory that holds the egg-info."""
    first = read(link).text.partition("\n")[0].strip()
    if not first.startswith("/") or "\0" in first:
        return
    try:
        entries = sorted(n for n in os.listdir(first) if n.endswith(".egg-info"))
    except OSError:
        return
    wanted = os.path.basename(link).removesuffix(".egg-link").replace("-", "_").lower()
    for entry in entries:
        if entry.removesuffix(".egg-info").replace("-", "_").lower() == wanted:
            evidence = f"{IN_PLACE}{os.path.basename(link)}"
            yield Root(first, Distribution(first, entry), evidence)


def _nearest(path: str, known: dict[str, Root | None]) -> Root | None:
    """Find the root at or above a path, and remember it for every directory on the way."""
    if path not in known:
        above = parent_of(path)
        known[path] = _nearest(above, known) if above != path else None
    return known[path]


def _in_environment(path: str, root: str) -> bool:
    """Tell whether a virtual environment lies between a project directory and a path in it."""
    above = parent_of(path)
    while above != root and _within(above, root):
        if os.path.exists(os.path.join(above, "pyvenv.cfg")):
            return True
        above = parent_of(above)
    return False


def _within(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")
