"""A list for apt-get: `name=version` a line, as `apt-get install $(grep -v '^#' FILE)` takes it."""

from __future__ import annotations

from nbrepro.dependencies.environments.contents import Contents, comments, left_out, qualifiers
from nbrepro.dependencies.sets import Dependency


def to_debian(contents: Contents) -> str:
    """Write the Debian packages of a set."""
    lines = comments([contents.title, *left_out(contents, "dpkg")])
    return "\n".join([*lines, *(_package(member) for member in contents.dpkg)]) + "\n"


def _package(member: Dependency) -> str:
    architecture = qualifiers(member).get("arch", "")
    suffix = f":{architecture}" if architecture not in ("", "all") else ""
    return f"{member.name}{suffix}={member.version}"
