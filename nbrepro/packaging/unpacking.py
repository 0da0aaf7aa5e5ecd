"""Unpacks images so that nothing can escape.

An image comes from anywhere: names and links are taken as text and never followed, whatever is not
a directory, a plain file or a symbolic link is refused, and no more is written than there is space
for.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nbrepro.packaging.images import Found, Image, ImageError, open_image
from nbrepro.packaging.plan import HOME, PACKAGE

_SPARE = 64 << 20


def unpack(image: Image, root: Path) -> None:
    """Unpack every layer of an image into `root`, an empty directory. Raises ImageError."""
    _check_space(image, root)
    unpacking = _Unpacking(image.where, root)
    for layer in image.layers:
        for found in image.entries(layer):
            unpacking.add(found)


def _check_space(image: Image, root: Path) -> None:
    free = shutil.disk_usage(root).free
    wanted = sum(layer.size_bytes for layer in image.layers)
    if wanted > free - _SPARE:
        raise ImageError(f"{image.where}: needs more than the {free} bytes that {root} has left")


class _Unpacking:
    def __init__(self, where: Path, root: Path) -> None:
        self._where = where
        self._root = os.fspath(root)
        self._made = {""}
        self._left = shutil.disk_usage(root).free - _SPARE

    def add(self, found: Found) -> None:
        """Unpack one entry."""
        record = found.tarinfo
        path = self._checked(record.name)
        if not path:
            return
        parent, _, _ = path.rpartition("/")
        self._make_directory(parent)
        target = f"{self._root}{path}"
        if record.isdir():
            self._make_directory(path)
            os.chmod(target, 0o1777 if record.mode & 0o1000 else 0o755)
        elif record.issym():
            self._make_way(target)
            os.symlink(record.linkname, target)
        elif record.isreg() and not record.issparse():
            self._make_way(target)
            self._write(found, target)
        else:
            raise ImageError(
                f"{self._where}: {record.name}: is {_kind(record)}, and is not unpacked; only "
                "directories, files and symbolic links are"
            )

    def _checked(self, name: str) -> str:
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if ".." in parts or any(part.startswith(".wh.") for part in parts) or "\0" in name:
            raise ImageError(f"{self._where}: {name!r}: is no name of a file in a package")
        return "".join(f"/{part}" for part in parts)

    def _make_directory(self, path: str) -> None:
        """Make a directory; everything on the way must be a real one, never a link."""
        if path in self._made:
            return
        self._make_directory(path.rpartition("/")[0])
        target = self._root + path
        try:
            os.mkdir(target, 0o755)
        except FileExistsError:
            if os.path.islink(target) or not os.path.isdir(target):
                raise ImageError(
                    f"{self._where}: {path}: leads through a link or a file, out of the image"
                ) from None
        self._made.add(path)

    def _make_way(self, target: str) -> None:
        if os.path.lexists(target):
            if os.path.isdir(target) and not os.path.islink(target):
                raise ImageError(f"{self._where}: {target}: is both a directory and a file")
            os.unlink(target)

    def _write(self, found: Found, target: str) -> None:
        self._left -= found.size
        if self._left < 0:
            raise ImageError(f"{self._where}: {found.name}: is larger than the space that is left")
        stream = found.archive.extractfile(found.tarinfo)
        assert stream is not None
        with open(target, "xb") as sink:
            shutil.copyfileobj(stream, sink, 1 << 20)
            # Never set-user-id, set-group-id or sticky.
            os.fchmod(sink.fileno(), 0o755 if found.tarinfo.mode & 0o111 else 0o644)
        os.utime(target, (found.tarinfo.mtime, found.tarinfo.mtime))


def _kind(record: tarfile.TarInfo) -> str:
    if record.islnk():
        return "a hard link"
    if record.isdev():
        return "a device or a pipe"
    return "a sparse file" if record.issparse() else f"of type {record.type!r}"


@contextmanager
def unpacked(image: Image, keep: bool = True) -> Iterator[Path]:
    """Give the root of an image: from the cache, where it is kept by its digest, or a fresh one."""
    cache = cache_directory()
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    place = cache / image.digest.removeprefix("sha256:")
    if keep and place.is_dir():
        yield place
        return
    with tempfile.TemporaryDirectory(prefix=".part-", dir=cache, ignore_cleanup_errors=True) as new:
        root = Path(new, "root")
        root.mkdir()
        unpack(image, root)
        if not keep:
            yield root
            return
        with suppress(FileExistsError, OSError):  # another replay was quicker
            root.rename(place)
    yield place


def cache_directory() -> Path:
    """Give where unpacked images are kept: `nbrepro/images` in the user's cache directory."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base, "nbrepro", "images")


@contextmanager
def open_root(where: Path, keep: bool = True) -> Iterator[Path]:
    """Give the root of what is at `where`: an image, or a root that was written as a directory."""
    if Path(f"{where}{HOME}", PACKAGE).is_file():
        yield where.resolve()
        return
    with unpacked(open_image(where), keep) as root:
        yield root
