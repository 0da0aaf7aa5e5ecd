"""Reads images: what one says of itself, and what is in its layers. Every digest is checked."""

from __future__ import annotations

import gzip
import hashlib
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import zstandard

from nbrepro.errors import NbreproError, NotFoundError
from nbrepro.packaging.oci import KIND, MANIFEST_TYPE
from nbrepro.packaging.plan import CONTENTS, HOME, PACKAGE

_METADATA_AT_MOST = 64 << 20
_HASH = 64


class ImageError(NbreproError):
    """An image that cannot be read, or that may not be unpacked: what is wrong with it."""


@dataclass(frozen=True, slots=True)
class LayerRecord:
    """A layer as the image's manifest names it; `kind` is empty where it does not say."""

    digest: str
    media_type: str
    size_bytes: int
    kind: str


class Image:
    """An image archive or layout; open it with `open_image`."""

    def __init__(self, where: Path, blobs: _Blobs) -> None:
        self.where = where
        self._blobs = blobs
        index = self._read_json("index.json")
        found = [m for m in index.get("manifests", ()) if m.get("mediaType") == MANIFEST_TYPE]
        if len(found) != 1:
            raise ImageError(f"{where}: holds {len(found)} images; one is needed")
        self.digest = _digest(found[0], where)
        manifest = self._read_blob(self.digest)
        self.config: dict[str, Any] = self._read_blob(_digest(manifest["config"], where))
        self.layers = [_layer(record, where) for record in manifest["layers"]]

    @property
    def labels(self) -> dict[str, str]:
        """Give the labels of the image."""
        return dict(self.config.get("config", {}).get("Labels") or {})

    def _read_json(self, name: str) -> dict[str, Any]:
        with self._blobs.open(name) as stream:
            return _parse(stream.read(_METADATA_AT_MOST), self.where)

    def _read_blob(self, digest: str) -> dict[str, Any]:
        with self._blobs.open(_blob(digest)) as stream:
            text = stream.read(_METADATA_AT_MOST)
        if f"sha256:{hashlib.sha256(text).hexdigest()}" != digest:
            raise ImageError(f"{self.where}: blob {digest} is damaged; get the image again")
        return _parse(text, self.where)

    def read_package(self) -> dict[str, Any]:
        """Read what the package says of itself. Raises ImageError for images of others."""
        return _parse(self._read_own(PACKAGE), self.where)

    def read_contents(self) -> list[dict[str, Any]]:
        """Read what is in the package, and why."""
        lines = self._read_own(CONTENTS).splitlines()
        return [json.loads(line) for line in lines]

    def _read_own(self, name: str) -> bytes:
        wanted = f"{HOME}/{name}".lstrip("/")
        if self.layers and f"{_LABEL}package" in self.labels:
            for record in self.entries(self.layers[-1]):
                if record.name == wanted and record.isfile() and record.size <= _METADATA_AT_MOST:
                    stream = record.archive.extractfile(record.tarinfo)
                    assert stream is not None
                    return stream.read()
        raise ImageError(f"{self.where}: is no package of nbrepro ({wanted} is not in it)")

    def entries(self, layer: LayerRecord) -> Iterator[Found]:
        """Yield the entries of a layer, and check its digest at the end."""
        with self._blobs.open(_blob(layer.digest)) as raw:
            reading = _Hashing(raw)
            try:
                with (
                    _decompressed(reading, layer.media_type) as stream,
                    tarfile.open(fileobj=stream, mode="r|") as archive,
                ):
                    for record in archive:
                        yield Found(archive, record)
            except (tarfile.TarError, EOFError, OSError, zstandard.ZstdError) as error:
                if isinstance(error, OSError) and error.errno:
                    raise
                raise ImageError(f"{self.where}: layer {layer.digest}: {error}") from None
            if reading.rest() != layer.digest:
                raise ImageError(
                    f"{self.where}: layer {layer.digest} is damaged; get the image again"
                )


_LABEL = "io.github.nbrepro."


@dataclass(frozen=True, slots=True)
class Found:
    """One entry of a layer, to be read before the next one is asked for."""

    archive: tarfile.TarFile
    tarinfo: tarfile.TarInfo

    @property
    def name(self) -> str:
        """Give the name of the entry."""
        return self.tarinfo.name

    @property
    def size(self) -> int:
        """Give the size of its content, in bytes."""
        return self.tarinfo.size

    def isfile(self) -> bool:
        """Tell whether it is a plain file."""
        return self.tarinfo.isreg()


class _Hashing:
    """Reads and digests; enough of a file for what decompresses and unpacks streams."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._sha256 = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._sha256.update(data)
        return data

    def rest(self) -> str:
        """Read to the end and give the digest of all."""
        while self.read(1 << 20):
            pass
        return f"sha256:{self._sha256.hexdigest()}"


@contextmanager
def _decompressed(stream: Any, media_type: str) -> Iterator[Any]:
    if media_type.endswith("+zstd"):
        with zstandard.ZstdDecompressor().stream_reader(stream, closefd=False) as plain:
            yield plain
    elif media_type.endswith("+gzip"):
        with gzip.GzipFile(fileobj=stream, mode="rb") as unzipped:
            yield unzipped
    else:
        yield stream


class _Blobs:
    """The files of an image layout, in a directory or in a tar archive."""

    def __init__(self, where: Path) -> None:
        self._where = where
        self._members: dict[str, tuple[int, int]] = {}
        if not where.is_dir():
            with tarfile.open(where, "r:") as archive:
                for record in archive:
                    if record.isreg():
                        name = record.name.removeprefix("./")
                        self._members[name] = (record.offset_data, record.size)

    @contextmanager
    def open(self, name: str) -> Iterator[Any]:
        """Open one file of the layout."""
        if self._where.is_dir():
            if not (self._where / name).is_file():
                raise ImageError(f"{self._where}: has no {name}; it is no image layout")
            with (self._where / name).open("rb") as stream:
                yield stream
            return
        if name not in self._members:
            raise ImageError(f"{self._where}: has no {name}; it is no image archive")
        begin, size = self._members[name]
        with self._where.open("rb") as stream:
            stream.seek(begin)
            yield _Part(stream, size)


class _Part:
    """A part of a file, as a file."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream = stream
        self._left = size

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        data = self._stream.read(wanted)
        self._left -= len(data)
        return data


def open_image(where: Path) -> Image:
    """Open an image archive, or a directory in the same layout. Raises ImageError."""
    if not where.exists():
        raise NotFoundError(f"{where}: there is no such image")
    try:
        return Image(where, _Blobs(where))
    except (tarfile.TarError, OSError, KeyError, TypeError, AttributeError) as error:
        raise ImageError(f"{where}: is no image archive ({error})") from None


def _parse(text: bytes, where: Path) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ImageError(f"{where}: holds JSON that cannot be read ({error})") from None
    if not isinstance(record, dict):
        raise ImageError(f"{where}: holds JSON that is no object")
    return record


def _digest(record: Any, where: Path) -> str:
    digest = str(record["digest"])
    algorithm, _, value = digest.partition(":")
    if algorithm != "sha256" or len(value) != _HASH or set(value) - set("0123456789abcdef"):
        raise ImageError(f"{where}: {digest!r} is no digest that is understood")
    return digest


def _blob(digest: str) -> str:
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"


def _layer(record: Any, where: Path) -> LayerRecord:
    kind = (record.get("annotations") or {}).get(KIND, "")
    size = int(record["size"])
    return LayerRecord(_digest(record, where), str(record["mediaType"]), size, str(kind))
