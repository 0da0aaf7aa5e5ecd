"""Ownership by the lists that Python installers (pip, uv, poetry, ...) leave beside the files."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from nbrepro.packages.distributions import Distribution
from nbrepro.packages.interface import Claim, Owner
from nbrepro.packages.records import matches
from nbrepro.packages.sites import Site, listed
from nbrepro.packages.surroundings import parent_of

PROBLEMS_SHOWN = 3
_LIBRARY = re.compile(r"/lib(?:64)?/(?:python|pypy)\d[^/]*(?:/|\Z)")
"""Below it installers put nothing but what lies in site-packages, beside its own metadata."""


class PipOwner(Owner):
    """Finds the distribution whose RECORD lists a path, in any directory that holds metadata."""

    def find(self, paths: Collection[str]) -> dict[str, Claim]:
        """Claim what a RECORD, installed-files.txt or egg lists; else what top_level.txt names.

        What a distribution vendors, metadata and all, is that distribution's: so the outermost
        site is asked first, and those within it only for what it does not list.
        """
        self._asked = dict.fromkeys(paths)
        sites = self._outermost()
        claims = self._listed(sites, self._asked)
        rest = [path for path in paths if path not in claims]
        inner = {s.directory: s for p in rest for s in self.surroundings.holders(parent_of(p))}
        for directory in sorted(inner.keys() - sites.keys()):
            claims = self._listed({directory: inner[directory]}, rest) | claims
        return self._by_top_level([*sites.values(), *inner.values()], claims) | claims

    def explain(self, path: str) -> str:
        """Say that the nearest site has no list with the path, and what it could not read."""
        holders = self.surroundings.holders(parent_of(path))
        if not holders:
            return ""
        site = holders[-1]
        problems = site.problems()
        shown = "; ".join(problems[:PROBLEMS_SHOWN])
        more = (
            f"; and {len(problems) - PROBLEMS_SHOWN} more" if len(problems) > PROBLEMS_SHOWN else ""
        )
        unread = f" (unreadable: {shown}{more})" if problems else ""
        return f"no distribution's RECORD in {site.directory} lists it{unread}"

    def _outermost(self) -> dict[str, Site]:
        """Give the outermost site above each path, and those beside the programs of a prefix."""
        sites: dict[str, Site | None] = {}
        for directory in {parent_of(path) for path in self._asked}:
            if site := self.surroundings.outermost(directory):
                sites[site.directory] = site
            if not _LIBRARY.search(directory):
                for neighbour in self.surroundings.neighbours(directory):
                    sites[neighbour] = self.surroundings.site(neighbour)
        return {directory: site for directory, site in sorted(sites.items()) if site}

    def _listed(self, sites: Mapping[str, Site], paths: Collection[str]) -> dict[str, Claim]:
        claimants: dict[str, list[Distribution]] = {}
        for site in sites.values():
            inside = site.inside(paths)
            for distribution in site.distributions:
                for path in _files(distribution, inside, self._asked):
                    claimants.setdefault(path, []).append(distribution)
        claims = {path: _claim(path, found) for path, found in claimants.items()}
        return {path: claim for path, claim in claims.items() if claim}

    def _by_top_level(self, sites: Iterable[Site], taken: Collection[str]) -> dict[str, Claim]:
        claims: dict[str, Claim] = {}
        for site in sites:
            listless = [d for d in site.distributions if d.is_listless]
            inside = site.inside(p for p in self._asked if p not in taken) if listless else {}
            for distribution in listless:
                for name, path in inside.items():
                    if _importable(name) in distribution.top_level and distribution.package:
                        why = f"top_level.txt of {distribution.entry}, which lists no files"
                        claims[path] = Claim(distribution.package, why, distribution.metadata)
        return claims


def _files(
    distribution: Distribution, inside: dict[str, str], asked: dict[str, None]
) -> Iterator[str]:
    if not distribution.is_egg:
        yield from listed(distribution, inside, asked)
        return
    start = distribution.entry + "/"
    yield from (p for n, p in inside.items() if n == distribution.entry or n.startswith(start))


def _claim(path: str, claimants: list[Distribution]) -> Claim | None:
    """Choose the claimant: the outermost site, and there the one whose hash the file has."""
    first = claimants[0]
    rivals = [d for d in claimants if d.site == first.site]
    if len(rivals) > 1:
        first = next((d for d in rivals if matches(path, d.recorded_hash(path))), first)
    if first.package is None:
        return None
    others = ", ".join(d.entry for d in rivals if d is not first)
    evidence = f"listed by {first.entry}" + (f" (also by {others})" if others else "")
    return Claim(first.package, evidence, first.metadata)


def _importable(name: str) -> str:
    """Give the import name of a path relative to its site: `yaml/x.py`, `six.py`, `_x.abi3.so`."""
    return name.partition("/")[0].partition(".")[0]
