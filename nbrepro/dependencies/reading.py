"""What was read of module files, kept in the user's cache while size and time of a file stay."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from nbrepro.dependencies.modules import ImportStatement, read_imports, to_statements

T = TypeVar("T")

_VERSION = "4"
"""Changes with what is read of a file: what another version kept is not understood."""


class Readings:
    """Reads the imports of Python files, and the libraries that compiled ones ask for."""

    def __init__(self, directory: Path | None = None) -> None:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
        self._file = (directory or home / "nbrepro") / f"modules-{_VERSION}.json"
        self._known = _read_cache(self._file)
        self._fresh: dict[str, list[object]] = {}

    def imports(self, file: str) -> list[ImportStatement] | None:
        """Give the imports of a Python file; None where it cannot be read."""
        return self._read(file, read_imports, to_statements)

    def libraries(self, file: str) -> tuple[str, ...]:
        """Give the names of the libraries that a compiled file asks the loader for."""
        return self._read(file, _libraries, _to_names) or ()

    def _read(
        self, file: str, read: Callable[[str], T | None], restore: Callable[[object], T]
    ) -> T | None:
        try:
            status = Path(file).stat()
        except (OSError, ValueError):
            return None
        stamp = [status.st_size, status.st_mtime_ns]
        try:
            kept: Any = self._known[file]
            if kept[0] == stamp:
                return restore(kept[1])
        except (LookupError, TypeError, ValueError):
            # Whatever another program left in the cache is as good as nothing.
            pass
        found = read(file)
        if found is not None:
            self._fresh[file] = [stamp, found]
            self._known[file] = self._fresh[file]
        return found

    def keep(self) -> None:
        """Write what was read anew; a cache that cannot be written is none."""
        if not self._fresh:
            return
        part = self._file.with_name(f"{self._file.name}.{os.getpid()}.part")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(self._known), encoding="ascii")
            part.replace(self._file)
        except OSError:
            return
        self._fresh.clear()


def _libraries(file: str) -> tuple[str, ...] | None:
    from nbrepro.packaging.elf import read_needs

    needs = read_needs(file)
    return needs.libraries if needs else ()


def _to_names(record: object) -> tuple[str, ...]:
    return tuple(str(name) for name in record)  # type: ignore[attr-defined]


def _read_cache(file: Path) -> dict[str, object]:
    try:
        known = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
