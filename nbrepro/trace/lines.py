"""Lines of a trace, in blocks: reading line by line would cost as much as understanding them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

from nbrepro.rundir import open_trace

BLOCK_BYTES = 1 << 16


def read_lines(source: Path | IO[bytes], block_bytes: int = BLOCK_BYTES) -> Iterator[bytes]:
    """Yield the trace as blocks of whole lines, each ending in a newline.

    `source` is a trace file (compressed or not) or a binary stream. The last block lacks its
    newline where the trace ends in a half-written line.
    """
    if isinstance(source, Path):
        with open_trace(source) as stream:
            yield from _whole_lines(stream, block_bytes)
    else:
        yield from _whole_lines(source, block_bytes)


def _whole_lines(stream: IO[bytes], block_bytes: int) -> Iterator[bytes]:
    kept: list[bytes] = []
    while block := stream.read(block_bytes):
        end = block.rfind(b"\n") + 1
        if end:
            yield b"".join((*kept, block[:end]))
            kept = []
        if end < len(block):
            kept.append(block[end:])
    if kept:
        yield b"".join(kept)
