"""Read a tar, compressed or not, that may come from anybody.

Headers are read one by one (POSIX ustar), so that no extension of tar is ever followed: members
are regular files, and what they are called is the caller's to judge.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import IO

import zstandard

BLOCK_BYTES = 1 << 20
_RECORD = 512
_END = bytes(_RECORD)
_WINDOW_BYTES = 1 << 27
"""The most memory that a compressed archive may ask for to be read."""


class RefusedError(Exception):
    """An archive that nobody's packing has written; the message goes on from its name."""


UNREADABLE = (OSError, EOFError, zstandard.ZstdError, tarfile.TarError, ValueError)
"""What reading what is no archive may raise besides RefusedError."""


class Source:
    """Reads exactly what is asked for, and no more than `most_bytes` in all."""

    def __init__(self, stream: IO[bytes], most_bytes: int) -> None:
        self._stream = stream
        self._left = most_bytes

    def blocks(self, size: int) -> Iterator[bytes]:
        """Yield the next `size` bytes in blocks. Raises RefusedError where there are fewer."""
        self._left -= size
        if self._left < 0:
            raise RefusedError("unpacks to more than is allowed")
        while size:
            block = self._stream.read(min(size, BLOCK_BYTES))
            if not block:
                raise RefusedError("is cut off")
            size -= len(block)
            yield block

    def members(self) -> Iterator[tuple[tarfile.TarInfo, Iterator[bytes]]]:
        """Yield the header of each member and the blocks of its content, which must be read
        before the next. Raises RefusedError for what is no regular file."""
        while (record := b"".join(self.blocks(_RECORD))) != _END:
            member = tarfile.TarInfo.frombuf(record, "utf-8", "strict")
            if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
                raise RefusedError(f"{member.name!r} is not a regular file")
            if member.size < 0:
                raise RefusedError(f"{member.name!r} has no size")
            yield member, self.blocks(member.size)
            for _ in self.blocks(-member.size % _RECORD):
                pass


def decompressed(stream: IO[bytes]) -> IO[bytes]:
    """Give what a stream of zstd unpacks to."""
    reader: IO[bytes] = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES).stream_reader(
        stream, read_across_frames=False
    )
    return reader
