"""Files that wait on disk to go into an archive or a crate, with their sizes and digests."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

from nbrepro.archives.contents import Member


class Staged(NamedTuple):
    """A file that waits: as what member, and where."""

    member: Member
    path: Path


class Staging:
    """Collects files in a folder, each under its name as a member."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.files: dict[str, Staged] = {}

    def write(self, name: str, write: Callable[[BinaryIO], object]) -> Member:
        """Stage what `write` writes."""
        path = self._folder / f"{len(self.files)}"
        with path.open("wb") as out:
            write(out)
        return self._stage(name, path)

    def add(self, name: str, path: Path) -> Member:
        """Stage a file as it is, from where it is."""
        return self._stage(name, path)

    def _stage(self, name: str, path: Path) -> Member:
        with path.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
            size = content.tell()
        self.files[name] = Staged(Member(name, size, digest), path)
        return self.files[name].member
