"""The stores that a project calls by name, kept in `.nbrepro/stores.json`.

    {"format": 1, "default": "central", "stores": {"central": "neo4j://db.example:7687"}}

Locations are URLs, or paths: relative to the project where they lie in it. The name `project` is
that of the project's own embedded store.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbrepro.config import Project
from nbrepro.errors import NotFoundError, UsageError
from nbrepro.stores.credentials import check_no_credentials

FILE = "stores.json"
OWN = "project"
"""The name of the project's own store."""

_FORMAT = 1
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class StoreNames:
    """The named stores of a project: their locations, and which is used unless one is given."""

    locations: Mapping[str, str] = field(default_factory=dict)
    default: str = OWN


def read_names(project: Project) -> StoreNames:
    """Read the named stores of a project, its own among them. Raises UsageError."""
    path = project.home / FILE
    own = {OWN: str(project.store)}
    if not path.exists():
        return StoreNames(own)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        _check(record)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path}: the named stores cannot be read ({error}); mend or remove it"
        ) from None
    named = {name: _absolute(project, text) for name, text in record["stores"].items()}
    return StoreNames(own | named, record["default"])


def _check(record: Any) -> None:
    if not isinstance(record, dict) or record.get("format") != _FORMAT:
        raise ValueError(f"not of format {_FORMAT}")
    stores, default = record.get("stores"), record.get("default")
    if not isinstance(stores, dict) or not all(isinstance(text, str) for text in stores.values()):
        raise ValueError("`stores` is not a table of locations")
    if default != OWN and default not in stores:
        raise ValueError("`default` names none of the stores")


def add_name(project: Project, name: str, location: str) -> StoreNames:
    """Give a location a name, or another location to a known one. Raises UsageError, StoreError."""
    if not _NAME.fullmatch(name) or name == OWN:
        raise UsageError(
            f"{name!r} cannot name a store; use letters, digits, '.', '_' and '-', not {OWN!r}"
        )
    if "://" in location:
        check_no_credentials(location)
    names = read_names(project)
    kept = location if "://" in location else str(Path(location).resolve())
    return _write(project, StoreNames({**names.locations, name: kept}, names.default))


def use_name(project: Project, name: str) -> StoreNames:
    """Use a named store unless another is given. Raises NotFoundError."""
    names = read_names(project)
    if name not in names.locations:
        known = ", ".join(sorted(names.locations))
        raise NotFoundError(f"no store is called {name!r} here; there are: {known}")
    return _write(project, StoreNames(names.locations, name))


def _write(project: Project, names: StoreNames) -> StoreNames:
    project.home.mkdir(parents=True, exist_ok=True)
    stores = {
        name: _relative(project, location)
        for name, location in sorted(names.locations.items())
        if name != OWN
    }
    record = {"format": _FORMAT, "default": names.default, "stores": stores}
    path = project.home / FILE
    part = path.with_name(f"{FILE}.part")
    try:
        part.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise UsageError(
            f"{path}: the named stores cannot be written ({error.strerror}); check the permissions"
        ) from None
    return names


def _absolute(project: Project, location: str) -> str:
    return location if "://" in location else str(project.root / location)


def _relative(project: Project, location: str) -> str:
    root = project.root.resolve()
    path = Path(location)
    if "://" in location or not path.is_relative_to(root):
        return location
    return str(path.relative_to(root))


def locate(text: str | None, project: Project) -> str:
    """Give the location that `text` means: a name of the project, else a URL or path as it is.

    Without text it is the location of the project's default store. Raises UsageError.
    """
    if text is not None and ("://" in text or "/" in text):
        return text
    names = read_names(project)
    name = names.default if text is None else text
    return names.locations.get(name, name)
