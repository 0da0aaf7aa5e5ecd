"""A directory in which Python distributions are installed: site-packages, whatever its name."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping

from nbrepro.packages.distributions import Distribution


class Site:
    """The distributions whose metadata lies in one directory; `entries` are those names.

    `hooks` are the files there through which the interpreter may be led to other directories.
    """

    def __init__(self, directory: str, entries: Iterable[str], hooks: Iterable[str] = ()) -> None:
        names = list(entries)
        self.directory = directory
        self.hooks = tuple(hooks)
        self.distributions = [Distribution(directory, n) for n in names if not _is_link(n)]
        self.egg_links = [os.path.join(directory, n) for n in names if _is_link(n)]

    def __repr__(self) -> str:
        return f"Site({self.directory!r})"

    def inside(self, paths: Iterable[str]) -> dict[str, str]:
        """Give those of `paths` that lie in this directory, by their name relative to it."""
        start = self.directory.rstrip("/") + "/"
        cut = len(start)
        return {path[cut:]: path for path in paths if path.startswith(start)}

    def places(self) -> Iterator[str]:
        """Yield the directories and files that change when something is installed here."""
        yield self.directory
        yield from (distribution.path for distribution in self.distributions)
        yield from self.egg_links
        yield from (os.path.join(self.directory, name) for name in self.hooks)

    def problems(self) -> list[str]:
        """List what of the metadata here could not be read, as phrases."""
        return [problem for one in self.distributions for problem in one.problems]


def _is_link(entry: str) -> bool:
    return entry.endswith(".egg-link")


def listed(
    distribution: Distribution, inside: Mapping[str, str], asked: Mapping[str, None]
) -> Iterator[str]:
    """Yield the asked paths that the distribution's list of files names.

    `inside` are those in the distribution's own directory, by relative name.
    """
    if inside:
        for name in inside.keys() & distribution.names_here:
            yield inside[name]
    for name in distribution.names_elsewhere:
        yield from _listed_elsewhere(distribution.site, name, inside, asked)


def _listed_elsewhere(
    site: str, name: str, inside: Mapping[str, str], asked: Mapping[str, None]
) -> Iterator[str]:
    path = os.path.normpath(os.path.join(site, name))
    if path in asked:
        yield path
        return
    # `pip install --target` moves scripts and data into the target and leaves RECORD as it was.
    moved = name
    while moved.startswith("../"):
        moved = moved[3:]
    if moved in inside and not os.path.exists(path):
        yield inside[moved]
