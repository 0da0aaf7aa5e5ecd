"""A fragment for pyproject.toml: the interpreter's series, and exact versions."""

from __future__ import annotations

import json

from nbrepro.dependencies.environments.contents import (
    Contents,
    comments,
    doubts,
    left_out,
    to_requirement,
)
from nbrepro.dependencies.sets import Dependency


def to_pyproject(contents: Contents) -> str:
    """Write the `[project]` table's `requires-python` and `dependencies`."""
    lines = [*comments([contents.title, *left_out(contents, "pip", "python")]), "[project]"]
    if contents.python is not None:
        lines += [f"requires-python = {json.dumps(_series(contents.python))}"]
    lines += ["dependencies = [", *(_line(member) for member in contents.pip), "]"]
    return "\n".join(lines) + "\n"


def _series(python: Dependency) -> str:
    """Give the versions of one series: compiled packages are for that."""
    major, minor = (python.version or "3.0").split(".")[:2]
    return f"=={major}.{minor}.*"


def _line(member: Dependency) -> str:
    doubt = doubts(member)
    # JSON's escapes are TOML's.
    return f"    {json.dumps(to_requirement(member))}," + (f"  # {doubt}" if doubt else "")
