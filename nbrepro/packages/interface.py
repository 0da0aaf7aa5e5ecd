"""What every package manager's module offers: which of these paths are yours, and how you know."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import ClassVar, NamedTuple

from nbrepro.model import Package
from nbrepro.packages.surroundings import Surroundings


class Claim(NamedTuple):
    """A manager says that a path belongs to `package`; `evidence` is the phrase that says why.

    `anchor` is a file that stands for the whole package (its METADATA, an interpreter's os.py).
    Where another manager's database lists the anchor, the package was installed by that one, and
    the claim gives way to it.
    """

    package: Package
    evidence: str
    anchor: str = ""


class Owner(ABC):
    """One package manager.

    `database` says that the manager keeps a list of everything it installed, other managers'
    metadata included, so that it can be asked for their anchors.
    """

    database: ClassVar[bool] = False

    def __init__(self, surroundings: Surroundings) -> None:
        self.surroundings = surroundings

    @abstractmethod
    def find(self, paths: Collection[str]) -> dict[str, Claim]:
        """Give the claims on those of `paths` (absolute) that this manager owns.

        Never raises for what it meets on disk and never runs any of it: metadata that cannot be
        read claims nothing, and `explain` says so.
        """

    def explain(self, path: str) -> str:
        """Say why `path` is not owned although it lies where this manager installs; or nothing."""
        return ""
