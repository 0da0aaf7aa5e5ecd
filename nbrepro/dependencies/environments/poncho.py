"""The JSON specification that poncho_package_create(1) makes TaskVine's environments from."""

from __future__ import annotations

import json
from typing import Any

from nbrepro.dependencies.environments.conda import channels, matches
from nbrepro.dependencies.environments.contents import Contents, left_out, to_requirement
from nbrepro.dependencies.sets import Dependency


def to_poncho(contents: Contents) -> str:
    """Write conda's and pip's packages. JSON has no comments: what no manager owns is told under
    the key `nbrepro`, which poncho does not read."""
    dependencies: list[Any] = matches(contents)
    # What is installed in place poncho finds by its name, and takes along.
    pip = [to_requirement(m) for m in contents.pip if not _is_git(m)]
    pip += [f"{member.name}=={member.version}" for member in contents.in_place]
    if pip:
        dependencies.append({"pip": pip})
    spec: dict[str, Any] = {
        "conda": {"channels": channels(contents), "dependencies": dependencies},
    }
    git = {m.name: _git(m) for m in contents.pip if _is_git(m)}
    if git:
        spec["git"] = git
    notes = [contents.title, *left_out(contents, "conda", "pip", "python")]
    return json.dumps(spec | {"nbrepro": notes}, indent=1) + "\n"


def _is_git(member: Dependency) -> bool:
    return (member.source or "").startswith("git+")


def _git(member: Dependency) -> dict[str, str]:
    """Give a repository for poncho to clone: it has no word for the version to check out but
    `ref`."""
    address = (member.source or "").removeprefix("git+").split()[0]
    remote, at, ref = address.rpartition("@")
    if not at or "/" in ref:
        return {"remote": address}
    return {"remote": remote, "ref": ref}
