"""Open an archive of a run: every member is checked against what `archive.json` says of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nbrepro.archives.contents import (
    CONTENTS,
    CONTENTS_BYTES,
    MAGIC,
    UNPACKED_BYTES,
    Contents,
    Member,
    parse_contents,
)
from nbrepro.archives.tars import UNREADABLE, RefusedError, Source, decompressed
from nbrepro.errors import ArchiveError

Blocks = Iterator[bytes]


class Archive:
    """An open archive: its contents, and its members once, in order."""

    def __init__(self, source: Source) -> None:
        self._members = source.members()
        self.contents = self._read_contents()

    def _read_contents(self) -> Contents:
        header, blocks = next(self._members, (None, iter(())))
        if header is None or header.name != CONTENTS:
            raise RefusedError(f"{CONTENTS} is not its first member: it is no archive of a run")
        if header.size > CONTENTS_BYTES:
            raise RefusedError(f"{CONTENTS} is larger than {CONTENTS_BYTES >> 20} MiB")
        return parse_contents(b"".join(blocks))

    def members(self) -> Iterator[tuple[Member, Blocks]]:
        """Yield each member with its blocks; the last block is given after the check.

        Raises RefusedError for what is not as announced.
        """
        for announced in self.contents.members:
            header, blocks = next(self._members, (None, iter(())))
            if header is None:
                raise RefusedError(f"{announced.name!r} is missing")
            if header.name != announced.name:
                raise RefusedError(f"{header.name!r} is where {announced.name!r} should be")
            if header.size != announced.size:
                raise RefusedError(f"{announced.name!r} has another size than {CONTENTS} says")
            yield announced, _checked(announced, blocks)
        extra, _ = next(self._members, (None, iter(())))
        if extra is not None:
            raise RefusedError(f"{extra.name!r} is not in {CONTENTS}")


def _checked(member: Member, blocks: Blocks) -> Blocks:
    digest, held = hashlib.sha256(), b""
    for block in blocks:
        digest.update(block)
        if held:
            yield held
        held = block
    if digest.hexdigest() != member.sha256:
        raise RefusedError(f"{member.name!r} has another checksum than {CONTENTS} says")
    yield held


@contextmanager
def open_archive(path: Path, most_bytes: int = UNPACKED_BYTES) -> Iterator[Archive]:
    """Open an archive. Raises ArchiveError, also for what is found wrong while it is open."""
    try:
        with path.open("rb") as stream:
            yield Archive(Source(decompressed(stream), most_bytes))
    except RefusedError as error:
        raise ArchiveError(f"{path}: {error}; it was refused") from None
    except UNREADABLE as error:
        raise ArchiveError(f"{path}: is no archive of a run ({error}); it was refused") from None


def is_archive(path: Path) -> bool:
    """Tell whether a file begins as an archive does."""
    try:
        with path.open("rb") as stream:
            return stream.read(len(MAGIC)) == MAGIC
    except OSError:
        return False
