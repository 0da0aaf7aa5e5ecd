"""conda's environment.yml. Its scalars are written as JSON, which YAML is a superset of."""

from __future__ import annotations

import json

from nbrepro.dependencies.environments.contents import (
    Contents,
    comments,
    left_out,
    qualifiers,
    to_conda_match,
    to_requirement,
)

CHANNEL = "conda-forge"
"""Where an interpreter is taken from that conda did not install."""


def to_conda(contents: Contents) -> str:
    """Write conda's packages, and pip's below them."""
    lines = list(comments([contents.title, *left_out(contents, "conda", "pip", "python")]))
    lines += ["name: nbrepro", "channels:"]
    lines += [f"  - {json.dumps(channel)}" for channel in channels(contents)]
    lines += ["dependencies:"]
    lines += [f"  - {json.dumps(match)}" for match in matches(contents)]
    if contents.pip:
        lines += ["  - pip:", *(f"      - {json.dumps(to_requirement(m))}" for m in contents.pip)]
    return "\n".join(lines) + "\n"


def channels(contents: Contents) -> list[str]:
    """Give the channels that the packages came from; at least one."""
    found = (qualifiers(member).get("channel", "") for member in contents.conda)
    return list(dict.fromkeys(filter(None, found))) or [CHANNEL]


def matches(contents: Contents) -> list[str]:
    """Give the packages for conda: the interpreter, pip where it has to act, and conda's own."""
    python = contents.python
    own = [to_conda_match(member) for member in contents.conda]
    if python is not None:
        match = to_conda_match(python) if python.manager == "conda" else f"python={python.version}"
        own.insert(0, match)
    if contents.pip and not any(member.name == "pip" for member in contents.conda):
        own.append("pip")
    return own
