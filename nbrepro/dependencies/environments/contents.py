"""What of a set each kind of manager can install, and what none can."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from nbrepro.dependencies.installed import normal
from nbrepro.dependencies.sets import POSSIBLE, Dependency, DependencySet, Need


@dataclass(frozen=True, slots=True)
class Contents:
    """A set, sorted by who can install it.

    `in_place` are distributions that lie in a directory of the machine, in no index. `hashes` are
    digests of archives by `name==version`.
    """

    title: str
    python: Dependency | None
    pip: list[Dependency]
    conda: list[Dependency]
    dpkg: list[Dependency]
    in_place: list[Dependency]
    unowned: list[Dependency]
    settings: list[Dependency]
    hashes: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, members: DependencySet, hashes: dict[str, list[str]]) -> Contents:
        """Sort a set."""
        packages = members.of(Need.PACKAGE, Need.SYSTEM)
        pip = [m for m in packages if m.manager == "pip"]
        return cls(
            title=members.title,
            python=next(iter(members.of(Need.INTERPRETER)), None),
            pip=[m for m in pip if not is_in_place(m)],
            conda=[m for m in packages if m.manager == "conda"],
            dpkg=[m for m in packages if m.manager == "dpkg"],
            in_place=[m for m in pip if is_in_place(m)],
            unowned=members.of(Need.UNOWNED),
            settings=members.of(Need.SETTING),
            hashes=hashes,
        )

    def archive_hashes(self, member: Dependency) -> list[str]:
        """Give the known digests of a distribution's archives."""
        return self.hashes.get(f"{normal(member.name)}=={member.version}", [])


def is_in_place(member: Dependency) -> bool:
    """Tell whether a distribution was installed from a directory of its machine."""
    return bool(member.source) and not is_remote(member)


def is_remote(member: Dependency) -> bool:
    """Tell whether a distribution was installed from an address that other machines reach."""
    scheme = (member.source or "").partition("://")[0].rpartition("+")[2]
    return "://" in (member.source or "") and scheme not in ("", "file")


def to_requirement(member: Dependency) -> str:
    """Write a distribution as pip's requirement of exactly this version (PEP 508)."""
    if is_remote(member):
        return f"{member.name} @ {(member.source or '').split()[0]}"
    return f"{member.name}=={member.version}"


def to_conda_match(member: Dependency) -> str:
    """Write a conda package as `name=version=build`."""
    build = qualifiers(member).get("build")
    return "=".join(filter(None, (member.name, member.version, build)))


def qualifiers(member: Dependency) -> dict[str, str]:
    """Give the qualifiers of a member's package URL."""
    pairs = parse_qs(urlsplit(member.purl or "").query)
    return {key: values[0] for key, values in pairs.items()}


def one_line(text: str) -> str:
    """Give text without characters that would end a comment or hide."""
    return text if text.isprintable() else ascii(text)[1:-1]


def comments(lines: Iterable[str]) -> Iterator[str]:
    """Write lines as comments, whatever characters are in them."""
    return (f"# {one_line(line)}" for line in lines)


def left_out(contents: Contents, *managers: str) -> Iterator[str]:
    """Say what the managers of a file cannot install."""
    python = contents.python
    if python is not None and "python" not in managers:
        yield f"interpreter: {python.name} {python.version}"
    for name, members in (("conda", contents.conda), ("dpkg", contents.dpkg)):
        if name not in managers and members:
            yield from (f"of {name}: {m.name} {m.version}" for m in members)
    if "pip" not in managers:
        yield from (f"of pip: {to_requirement(m)}" for m in contents.pip)
    yield from (f"installed in place, in no index: {m.name} {m.version} ({m.source})"
                for m in contents.in_place)  # fmt: skip
    yield from (f"of no package manager: {m.name}" for m in contents.unowned)
    yield from (
        f"environment variable: {m.name}" + (f"={m.version}" if m.version else "")
        for m in contents.settings
    )


def doubts(member: Dependency) -> str:
    """Say that a member is only possible; empty where it is certain."""
    return f"possible: {one_line(member.reason)}" if member.certainty == POSSIBLE else ""
