"""Find `queries/` and `schemas/`: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

from pathlib import Path

from nbrepro.errors import NotFoundError

_PACKAGE = Path(__file__).resolve().parent


def find_resources(name: str) -> Path:
    """Give the directory of our own data files called `name` (`queries` or `schemas`)."""
    for candidate in (_PACKAGE.parent / name, _PACKAGE / "_resources" / name):
        if candidate.is_dir():
            return candidate
    raise NotFoundError(f"{name}: not found beside {_PACKAGE}; reinstall nbrepro")
