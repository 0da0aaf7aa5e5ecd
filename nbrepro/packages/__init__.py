"""Which installed distribution owns each touched path, by every package manager's own records."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator

from nbrepro.model import Ownership
from nbrepro.packages.alterations import Alterations
from nbrepro.packages.conda import CondaOwner
from nbrepro.packages.dpkg import DpkgOwner
from nbrepro.packages.editable import IN_PLACE, EditableOwner
from nbrepro.packages.interface import Claim, Owner
from nbrepro.packages.interpreters import InterpreterOwner
from nbrepro.packages.pip import PipOwner
from nbrepro.packages.standins import StandIn, stand_ins
from nbrepro.packages.surroundings import Shelf, Surroundings

__all__ = ["OWNERS", "Shelf", "is_lasting", "owners"]

OWNERS: tuple[type[Owner], ...] = (
    PipOwner,
    CondaOwner,
    DpkgOwner,
    InterpreterOwner,
    EditableOwner,
)
"""The package managers; where several claim a path, the first here has it."""


def owners(
    paths: Iterable[str], executables: Iterable[str] = (), shelf: Shelf | None = None
) -> Iterator[Ownership]:
    """Yield who owns each distinct path, sorted by path.

    `executables` are the interpreters that ran: their environments are searched for projects that
    are installed in place. `reason` is, with a package, the evidence for it; else why nobody owns
    the path. Only reads; whatever the metadata is like, it never raises. A `shelf` makes a second
    look-up cheaper, and changes no answer.
    """
    surroundings = Surroundings(executables, shelf)
    wanted = {path: stand_ins(path, surroundings) for path in sorted(set(paths)) if path}
    asked = {stand_in.path: None for found in wanted.values() for stand_in in found}
    managers = [owner(surroundings) for owner in OWNERS]
    claims, alterations = _collect(managers, list(asked)), Alterations()
    for path, found in wanted.items():
        yield _decide(path, found, claims, alterations) or _unowned(path, managers)


def is_lasting(ownership: Ownership) -> bool:
    """Tell whether an answer stays the same, whatever else is asked, while no record changes.

    That nobody owns a path, or that a project in place does, depends on the environments known.
    """
    return ownership.package is not None and IN_PLACE not in ownership.reason


def _collect(managers: list[Owner], asked: list[str]) -> list[dict[str, Claim]]:
    """Ask every manager, the databases last: they also judge the others' anchors."""
    found = {m: m.find(asked) for m in managers if not m.database}
    anchors = {claim.anchor for claims in found.values() for claim in claims.values()}
    both = list(dict.fromkeys([*asked, *sorted(anchors - {""})]))
    databases = {m: m.find(both) for m in managers if m.database}
    installed = {path for claims in databases.values() for path in claims}
    for manager, claims in found.items():
        found[manager] = {p: c for p, c in claims.items() if c.anchor not in installed}
    return [(databases if m.database else found)[m] for m in managers]


def _decide(
    path: str, found: list[StandIn], claims: list[dict[str, Claim]], alterations: Alterations
) -> Ownership | None:
    for stand_in in found:
        for by_path in claims:
            if claim := by_path.get(stand_in.path):
                why = f"{stand_in.why}{stand_in.path}, " if stand_in.why else ""
                altered = alterations.find(stand_in.path, claim)
                return Ownership(path, claim.package, why + claim.evidence, altered)
    return None


def _unowned(path: str, managers: list[Owner]) -> Ownership:
    reasons = [reason for manager in managers if (reason := manager.explain(path))]
    try:
        directory = stat.S_ISDIR(os.lstat(path).st_mode)
    except (OSError, ValueError):
        directory = False
    if directory and not reasons:
        reasons = ["a directory: packages list files"]
    return Ownership(path, None, "; ".join(reasons) or "not in any package database")
