"""Where a project keeps its provenance, and what its own configuration says.

A project is the directory that holds `.nbrepro/`: the nearest one upwards, as git finds its own.
Its `pyproject.toml` may carry `[tool.nbrepro]`:

    [tool.nbrepro]
    digest-limit = "2 GiB"       # files above are digested after the run
    [[tool.nbrepro.roles]]       # tried before the built-in rules, in order
    pattern = "lookup/*.csv"     # relative to the project, or absolute
    role = "config"
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbrepro.errors import UsageError
from nbrepro.model import Role

DIRECTORY = ".nbrepro"
DIGEST_LIMIT_BYTES = 2 << 30


@dataclass(frozen=True, slots=True)
class RoleRule:
    """A project's own rule: files that match `pattern` (as pathlib's full_match) have `role`."""

    pattern: str
    role: Role


@dataclass(frozen=True, slots=True)
class Settings:
    """What `[tool.nbrepro]` says, with defaults."""

    digest_limit_bytes: int = DIGEST_LIMIT_BYTES
    roles: tuple[RoleRule, ...] = ()


@dataclass(frozen=True, slots=True)
class Project:
    """The directory that holds `.nbrepro/`."""

    root: Path

    @property
    def home(self) -> Path:
        """Give the `.nbrepro` directory."""
        return self.root / DIRECTORY

    @property
    def runs(self) -> Path:
        """Give the directory of run directories."""
        return self.home / "runs"

    @property
    def store(self) -> Path:
        """Give the embedded store's directory."""
        return self.home / "store"


def find_project(start: Path) -> Project | None:
    """Find the nearest directory upwards from `start` that holds `.nbrepro/`."""
    start = start.resolve()
    for directory in (start, *start.parents):
        if (directory / DIRECTORY).is_dir():
            return Project(directory)
    return None


def read_settings(project: Project) -> Settings:
    """Read `[tool.nbrepro]` from the project's pyproject.toml. Raises UsageError."""
    path = project.root / "pyproject.toml"
    if not path.is_file():
        return Settings()
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}).get("nbrepro", {})
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read ({error}); mend or remove it") from None
    return parse_settings(table, str(path))


def parse_settings(table: dict[str, Any], where: str) -> Settings:
    """Check a `[tool.nbrepro]` table. Raises UsageError that names the key."""
    unknown = set(table) - {"digest-limit", "roles"}
    if unknown:
        raise UsageError(f"{where}: [tool.nbrepro] does not know {sorted(unknown)[0]!r}")
    limit = table.get("digest-limit", DIGEST_LIMIT_BYTES)
    try:
        rules = tuple(RoleRule(str(r["pattern"]), Role(r["role"])) for r in table.get("roles", ()))
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{where}: [[tool.nbrepro.roles]] wants a pattern and a role ({error})"
        ) from None
    return Settings(parse_size(limit, where), rules)


_UNITS = {"": 1, "b": 1, "k": 10**3, "kb": 10**3, "m": 10**6, "mb": 10**6, "g": 10**9, "gb": 10**9,
          "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40}  # fmt: skip


def parse_size(text: int | str, where: str) -> int:
    """Turn `2 GiB`, `500MB` or a number into bytes. Raises UsageError."""
    if isinstance(text, int) and not isinstance(text, bool) and text >= 0:
        return text
    digits = str(text).rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
    unit = str(text)[len(digits) :].strip().lower()
    try:
        return int(float(digits) * _UNITS[unit])
    except (KeyError, ValueError):
        raise UsageError(f"{where}: {text!r} is not a size; write for example '2 GiB'") from None
