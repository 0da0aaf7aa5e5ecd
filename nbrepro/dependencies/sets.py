"""What a cell, task, function, worker, host or notebook needs: a set of members with reasons."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from enum import StrEnum

from nbrepro.errors import NotFoundError
from nbrepro.references import nearest
from nbrepro.rows import Rows


class Need(StrEnum):
    """Kinds of members, in the order in which they are shown."""

    CELL = "cell"
    TASK = "task"
    FILE = "file"
    INTERPRETER = "interpreter"
    PACKAGE = "package"
    SYSTEM = "system"
    UNOWNED = "unowned"
    SETTING = "setting"
    ENDPOINT = "endpoint"


EXACT, POSSIBLE = "exact", "possible"
"""How sure it is that a member is needed: proven, or not ruled out."""

_ORDER = {kind: place for place, kind in enumerate(Need)}


@dataclass(frozen=True, slots=True)
class Dependency:
    """One member of a set.

    `name` is a path, a package, a variable of the environment, `address:port`, a task, or the
    number of a cell, whose execution is its `version`. `kind` is one of `Need`: `package` is of a
    manager of environments (pip, conda), `system` of the operating system's, `unowned` a software
    file of none. `digest` is a content's sha256, or a package's record digest. `certainty` is
    `exact` or `possible`; `rule` names why it is in the set, `reason` says it in a sentence, and
    `by` is the member that needs it: another member's name, or empty for what is asked about.
    """

    kind: str
    name: str
    version: str | None = None
    manager: str | None = None
    role: str | None = None
    certainty: str = EXACT
    rule: str = ""
    reason: str = ""
    by: str = ""
    digest: str | None = None
    purl: str | None = None
    location: str | None = None
    source: str | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """Give what makes two members the same, whatever brought them in."""
        version = self.digest or "" if self.kind == Need.FILE else self.version or ""
        return (self.kind, self.name, version)


class DependencySet:
    """The members of a set, each once; the first reason that is certain is kept.

    `title` says whose set it is; `notes` are sentences on what it does not show.
    """

    def __init__(
        self, title: str, members: Iterable[Dependency] = (), notes: Iterable[str] = ()
    ) -> None:
        self.title = title
        self.notes = tuple(notes)
        self._members: dict[tuple[str, str, str], Dependency] = {}
        for member in members:
            self._add(member)

    def _add(self, member: Dependency) -> None:
        known = self._members.get(member.key)
        if known is None or (known.certainty, member.certainty) == (POSSIBLE, EXACT):
            self._members[member.key] = member

    def __repr__(self) -> str:
        return f"DependencySet({self.title!r}, {len(self)} members)"

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Dependency]:
        """Yield the members by kind, then by name."""
        return iter(
            sorted(self._members.values(), key=lambda m: (_ORDER[Need(m.kind)], *_natural(m)))
        )

    def of(self, *kinds: Need) -> list[Dependency]:
        """List the members of these kinds."""
        return [member for member in self if member.kind in kinds]

    def exact(self) -> DependencySet:
        """Give the set without what is only possible."""
        return DependencySet(
            f"{self.title}, exact only", (m for m in self if m.certainty == EXACT), self.notes
        )

    def minus(self, other: DependencySet) -> DependencySet:
        """Give the members that the other set has not."""
        left = (m for m in self if m.key not in other._members)
        return DependencySet(f"{self.title}, without that of {other.title}", left, self.notes)

    def union(self, other: DependencySet) -> DependencySet:
        """Give the members of both."""
        notes = dict.fromkeys((*self.notes, *other.notes))
        return DependencySet(self.title, (*self, *other), notes)

    def why(self, name: str) -> list[Dependency]:
        """Follow a member's reasons to what was asked about: the member first.

        Raises NotFoundError where the set has no member of this name, or end of a path.
        """
        chain = [self._find(name)]
        while chain[-1].by:
            parents = [m for m in self if m.name == chain[-1].by and m not in chain]
            if not parents:
                break
            chain.append(parents[0])
        return chain

    def _find(self, name: str) -> Dependency:
        for matches in (
            [m for m in self if m.name == name],
            [m for m in self if m.name.lower().replace("_", "-") == name.lower().replace("_", "-")],
            [
                m
                for m in self
                if m.kind in (Need.FILE, Need.UNOWNED) and m.name.endswith("/" + name)
            ],
        ):
            if matches:
                return matches[0]
        near = ", ".join(nearest(name, [m.name for m in self])) or "nothing"
        raise NotFoundError(f"{name!r} is not in the set of {self.title}; it has {near}")

    def rows(self) -> Rows[Dependency]:
        """Give the members as rows of an answer."""
        return Rows(Dependency, self, self.notes)


def possible(member: Dependency) -> Dependency:
    """Give a member that is not proven."""
    return replace(member, certainty=POSSIBLE)


def _natural(member: Dependency) -> tuple[int, str, str]:
    number = int(member.name) if member.kind == Need.CELL and member.name.isdecimal() else 0
    return (number, member.name.lower(), member.version or "")


COLUMNS = tuple(field.name for field in fields(Dependency))
"""The keys of a member in JSON and CSV."""
