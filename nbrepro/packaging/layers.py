"""Layers of an image: archives whose bytes depend on nothing but what is in them.

Entries are sorted, times and owners fixed, modes reduced to whether a file can be executed. Byte
code names the time of its source, which differs between installations: it is rewritten to the form
that is valid without a time (PEP 552, unchecked), which also starts faster.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import stat
import struct
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import zstandard

MEDIA_TYPES = {
    "gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
    "zstd": "application/vnd.oci.image.layer.v1.tar+zstd",
    "none": "application/vnd.oci.image.layer.v1.tar",
}
FIXED_TIME = 946684800
"""The time of every entry: 2000-01-01, which archives of every kind can hold."""

_LEVELS = {"gzip": 3, "zstd": 6}
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a layer: what it is called in the image, and where its content is.

    `target` is the text of a symbolic link, `content` bytes that are in no file.
    """

    path: str
    source: Path | None = None
    target: str = ""
    content: bytes | None = None
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class Layer:
    """A written layer: its kind, the digest of its bytes and, uncompressed, its `diff_id`.

    `size_bytes` is the size of the compressed bytes, `files` maps paths to size and sha256.
    """

    kind: str
    media_type: str
    digest: str
    diff_id: str
    size_bytes: int
    path: Path
    files: Mapping[str, tuple[int, str]]


class _Hashing(io.RawIOBase):
    """Passes bytes on and digests them."""

    def __init__(self, sink: IO[bytes]) -> None:
        self._sink = sink
        self.sha256 = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.sha256.update(data)
        self.size += len(data)
        self._sink.write(data)
        return len(data)


def write_layer(
    kind: str, entries: Iterable[Entry], target: Path, compress: str,
    tell: Callable[[int], None] | None = None,
) -> Layer:  # fmt: skip
    """Write one layer to `target`; `tell` hears how many bytes of files were read."""
    files: dict[str, tuple[int, str]] = {}
    with target.open("wb") as sink:
        outer = _Hashing(sink)
        with _compressor(outer, compress) as compressed:
            inner = _Hashing(compressed)
            write_entries(entries, inner, files, tell)
    return Layer(
        kind, MEDIA_TYPES[compress], f"sha256:{outer.sha256.hexdigest()}",
        f"sha256:{inner.sha256.hexdigest()}", outer.size, target, files,
    )  # fmt: skip


@contextmanager
def _compressor(sink: Any, compress: str) -> Iterator[Any]:
    if compress == "gzip":
        with gzip.GzipFile("", "wb", _LEVELS["gzip"], sink, mtime=0) as stream:
            yield stream
    elif compress == "zstd":
        compressor = zstandard.ZstdCompressor(level=_LEVELS["zstd"], write_checksum=True)
        with compressor.stream_writer(sink, closefd=False) as stream:
            yield stream
    else:
        yield sink


def write_entries(
    entries: Iterable[Entry], sink: Any, files: dict[str, tuple[int, str]],
    tell: Callable[[int], None] | None = None,
) -> None:  # fmt: skip
    """Write entries in order of path as a tar archive; note the size and sha256 of each file."""
    with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for entry in sorted(entries, key=lambda one: one.path):
            _write_entry(archive, entry, files)
            if tell is not None and entry.path in files:
                tell(files[entry.path][0])


def _write_entry(archive: tarfile.TarFile, entry: Entry, files: dict[str, tuple[int, str]]) -> None:
    record = tarfile.TarInfo(entry.path.lstrip("/"))
    record.mtime = FIXED_TIME
    record.mode = entry.mode
    if entry.target:
        record.type, record.linkname, record.mode = tarfile.SYMTYPE, entry.target, 0o777
        archive.addfile(record)
    elif entry.source is None and entry.content is None:
        record.type = tarfile.DIRTYPE
        archive.addfile(record)
    else:
        _write_file(archive, record, entry, files)


def _write_file(
    archive: tarfile.TarFile, record: tarfile.TarInfo, entry: Entry,
    files: dict[str, tuple[int, str]],
) -> None:  # fmt: skip
    content = entry.content
    if content is None and entry.source is not None and entry.path.endswith(".pyc"):
        content = to_timeless(entry.source.read_bytes())
    if content is not None:
        record.size = len(content)
        archive.addfile(record, io.BytesIO(content))
        files[entry.path] = (record.size, hashlib.sha256(content).hexdigest())
        return
    assert entry.source is not None
    with entry.source.open("rb") as stream:
        record.size = os.fstat(stream.fileno()).st_size
        reading = _Reading(stream)
        archive.addfile(record, reading)
    files[entry.path] = (record.size, reading.sha256.hexdigest())


class _Reading:
    """Reads a file and digests what is read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.sha256 = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self.sha256.update(data)
        return data


def to_timeless(code: bytes) -> bytes:
    """Make byte code that names its source's time valid without it; leave all else as it is."""
    if len(code) < 16 or struct.unpack_from("<I", code, 4)[0] != 0:
        return code
    return code[:4] + struct.pack("<I", 1) + hashlib.sha256(code[16:]).digest()[:8] + code[16:]


def entry_of(root: Path, path: str) -> Entry:
    """Give the entry for what `root` has at `path`."""
    source = Path(f"{root}{path}")
    mode = source.lstat().st_mode
    if stat.S_ISLNK(mode):
        return Entry(path, target=os.readlink(source))  # noqa: PTH115 (kept as text)
    if stat.S_ISDIR(mode):
        return Entry(path, mode=0o1777 if path == "/tmp" else 0o755)  # noqa: S108
    return Entry(path, source, mode=0o755 if mode & 0o111 else 0o644)
