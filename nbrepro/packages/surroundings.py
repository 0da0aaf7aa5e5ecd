"""What lies around the touched paths: metadata directories, environments, prefixes.

Every directory is looked at once a call, however many paths lie beneath it. What was read of a
site may serve the next call too: a Shelf keeps it until something is installed there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from itertools import islice

from nbrepro.packages.sites import Site

ENTRIES_LIMIT = 50_000
"""A directory with more entries is data, not a place where distributions are installed."""

_METADATA = (".dist-info", ".egg-info", ".egg", ".egg-link")
_SETTLED_NS = 1_000_000_000
"""How old a directory must be, when it is read, for a later change to show in its time stamp."""


class Shelf:
    """Keeps what was read of metadata from one look-up to the next, while nothing changes there.

    `listed` is for a database's lines: for each directory of lists, which lists hold a line.
    """

    def __init__(self) -> None:
        self._sites: dict[str, tuple[Site, int]] = {}
        self._listed: dict[str, tuple[dict[bytes, list[str]], int]] = {}
        self._watched: dict[str, int] = {}

    def site(self, directory: str) -> Site | None:
        """Give the directory as a site, if it holds metadata."""
        kept = self._sites.get(directory)
        if kept and _unchanged(kept[0].places(), kept[1]):
            return kept[0]
        read_ns = time.time_ns()
        site = _site(directory)
        if site:
            self._sites[directory] = (site, read_ns)
        return site

    def listed(self, directory: str) -> dict[bytes, list[str]]:
        """Give the lines that were sought in the lists of a directory, to be added to."""
        kept = self._listed.get(directory)
        if kept is None or not _unchanged([directory], kept[1]):
            kept = self._listed[directory] = ({}, time.time_ns())
        return kept[0]

    def watch(self, directory: str) -> None:
        """Take a directory whose records were read into account in `is_unchanged`."""
        self._watched.setdefault(directory, time.time_ns())

    def is_unchanged(self) -> bool:
        """Tell whether all records that were read are as they were."""
        sites = all(_unchanged(site.places(), read_ns) for site, read_ns in self._sites.values())
        listed = {directory: read_ns for directory, (_, read_ns) in self._listed.items()}
        others = {**listed, **self._watched}
        return sites and all(_unchanged([place], read_ns) for place, read_ns in others.items())


def _unchanged(places: Iterable[str], read_ns: int) -> bool:
    """Tell whether nothing was installed or removed since; what cannot be told has changed."""
    try:
        return all(os.stat(place).st_ctime_ns < read_ns - _SETTLED_NS for place in places)
    except OSError:
        return False


class Surroundings:
    """Looks up, and remembers, what the directories above a path hold."""

    def __init__(self, executables: Iterable[str] = (), shelf: Shelf | None = None) -> None:
        self.executables = tuple(sorted(set(executables)))
        self.shelf = shelf or Shelf()
        self._sites: dict[str, Site | None] = {}
        self._outermost: dict[str, Site | None] = {}
        self._holders: dict[str, tuple[Site, ...]] = {}
        self._prefixes: dict[str, tuple[str, ...]] = {}
        self._exists: dict[str, bool] = {}
        self._real: dict[str, str] = {}
        self._nearest: dict[tuple[str, str], str] = {}

    def exists(self, path: str) -> bool:
        """Say whether something of that name exists."""
        known = self._exists.get(path)
        if known is None:
            known = self._exists[path] = os.path.exists(path)
        return known

    def real(self, path: str) -> str:
        """Give the path with the symbolic links of its directory resolved, not its own."""
        directory, _, name = path.rpartition("/")
        return f"{self._real_directory(directory)}/{name}"

    def _real_directory(self, directory: str) -> str:
        """Resolve a directory, `` for the root, with one look at each directory on the way."""
        known = self._real.get(directory)
        if known is None:
            above, _, name = directory.rpartition("/")
            known = f"{self._real_directory(above)}/{name}" if directory else ""
            if name in (".", "..") or (known and os.path.islink(known)):
                known = os.path.realpath(known).rstrip("/")
            self._real[directory] = known
        return known

    def site(self, directory: str) -> Site | None:
        """Give the directory as a place of installed distributions, if it holds metadata.

        One that is spelled through a symbolic link is none: it is the same as another.
        """
        if directory not in self._sites:
            spelled_out = self._real_directory(directory.rstrip("/")) == directory.rstrip("/")
            self._sites[directory] = self.shelf.site(directory) if spelled_out else None
        return self._sites[directory]

    def holders(self, directory: str) -> tuple[Site, ...]:
        """Give the sites among a directory and those above it, outermost first."""
        known = self._holders.get(directory)
        if known is None:
            parent = parent_of(directory)
            above = self.holders(parent) if parent != directory else ()
            here = self.site(directory)
            known = self._holders[directory] = (*above, here) if here else above
        return known

    def outermost(self, directory: str) -> Site | None:
        """Give the first of `holders` without looking at the directories below it."""
        if directory not in self._outermost:
            parent = parent_of(directory)
            above = self.outermost(parent) if parent != directory else None
            self._outermost[directory] = above or self.site(directory)
        return self._outermost[directory]

    def neighbours(self, directory: str) -> tuple[str, ...]:
        """List `lib/pythonX.Y/site-packages` and its like in the prefixes at or above."""
        known = self._prefixes.get(directory)
        if known is None:
            parent = parent_of(directory)
            above = self.neighbours(parent) if parent != directory else ()
            known = self._prefixes[directory] = (*above, *_library_directories(directory))
        return known

    def environment_sites(self) -> list[Site]:
        """Give the sites in the environments of the executables, as named and as resolved."""
        sites = {}
        for executable in self.executables:
            for spelled in (executable, os.path.realpath(executable)):
                prefix = os.path.dirname(os.path.dirname(spelled))
                for directory in map(self._real_directory, _library_directories(prefix)):
                    sites[directory] = self.site(directory)
        return [site for _, site in sorted(sites.items()) if site]

    def known_sites(self) -> list[Site]:
        """Give every site met so far, in order of path."""
        return [site for _, site in sorted(self._sites.items()) if site]

    def nearest(self, directory: str, marker: str) -> str:
        """Give the nearest directory at or above that has an entry `marker`, else nothing."""
        key = (directory, marker)
        known = self._nearest.get(key)
        if known is None:
            parent = parent_of(directory)
            if os.path.lexists(f"{directory.rstrip('/')}/{marker}"):
                known = directory
            else:
                known = self.nearest(parent, marker) if parent != directory else ""
            self._nearest[key] = known
        return known


def parent_of(path: str) -> str:
    """Give the directory of an absolute path, several times faster than os.path."""
    return path.rpartition("/")[0] or "/"


def _site(directory: str) -> Site | None:
    metadata, hooks = [], []
    try:
        with os.scandir(directory) as entries:
            for entry in islice(entries, ENTRIES_LIMIT):
                if entry.name.endswith(_METADATA):
                    if _installed(entry):
                        metadata.append(entry.name)
                elif entry.name.endswith(".pth") or "editable" in entry.name:
                    hooks.append(entry.name)
    except (OSError, ValueError):
        # Gone, forbidden or no directory: then it holds no metadata that we could read.
        return None
    return Site(directory, sorted(metadata), sorted(hooks)) if metadata else None


def _installed(entry: os.DirEntry[str]) -> bool:
    """Tell what an installer wrote from the egg-info that a build leaves in a source tree."""
    stem = entry.name.removesuffix(".egg-info")
    if stem == entry.name or "-" in stem:
        return True
    return os.path.exists(os.path.join(entry.path, "installed-files.txt"))


def _library_directories(prefix: str) -> list[str]:
    found = []
    for library in ("lib", "lib64"):
        base = f"{prefix.rstrip('/')}/{library}"
        try:
            names = sorted(n for n in os.listdir(base) if n.startswith(("python", "pypy")))
        except (OSError, ValueError):
            continue
        candidates = [f"{base}/{n}/{d}" for n in names for d in _INSTALLED]
        found += [c for c in candidates if os.path.isdir(c)]
    return found


_INSTALLED = ("site-packages", "dist-packages")
