"""Layers and images: bytes that depend on their content alone, and images that mean harm."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbrepro.errors import NotFoundError
from nbrepro.packaging.images import ImageError, open_image
from nbrepro.packaging.layers import FIXED_TIME, Entry, to_timeless, write_layer
from nbrepro.packaging.oci import ImageConfig, write_archive, write_layout
from nbrepro.packaging.unpacking import unpack

CONFIG = ImageConfig(("/bin/true",), "/", {"PATH": "/bin"}, {"a": "b"}, "x86_64", 10**18, "small")


def tree(folder: Path) -> Path:
    """Make files as a machine has them: any times, owners and modes."""
    (folder / "deep/er").mkdir(parents=True)
    (folder / "deep/er/data.csv").write_text("1,2\n")
    (folder / "run").write_text("#!/bin/sh\n")
    (folder / "run").chmod(0o4750)
    (folder / "latest").symlink_to("/deep/er/data.csv")
    return folder


def entries(folder: Path) -> list[Entry]:
    return [
        Entry("/deep"), Entry("/deep/er"),
        Entry("/deep/er/data.csv", folder / "deep/er/data.csv"),
        Entry("/run", folder / "run", mode=0o755), Entry("/latest", target="/deep/er/data.csv"),
    ]  # fmt: skip


@pytest.mark.parametrize("compress", ["gzip", "zstd", "none"])
def test_equal_content_makes_equal_bytes(tmp_path: Path, compress: str):
    one, other = tree(tmp_path / "one"), tree(tmp_path / "other")
    os.utime(other / "run", (5, 5))
    first = write_layer("data", entries(one), tmp_path / "1", compress)
    second = write_layer("data", entries(other)[::-1], tmp_path / "2", compress)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()
    assert first.digest == second.digest and first.diff_id == second.diff_id
    assert first.files["/deep/er/data.csv"] == (4, hashlib.sha256(b"1,2\n").hexdigest())


def test_a_layer_is_what_tar_reads(tmp_path: Path):
    layer = write_layer("data", entries(tree(tmp_path / "one")), tmp_path / "layer.tar", "none")
    assert layer.diff_id == layer.digest
    listed = subprocess.run(
        ["tar", "--numeric-owner", "--full-time", "-tvf", tmp_path / "layer.tar"],
        capture_output=True, text=True, check=True, env={"TZ": "UTC", "PATH": os.defpath},
    ).stdout.splitlines()  # fmt: skip
    assert [line.split()[-1] for line in listed] == [
        "deep/", "deep/er/", "deep/er/data.csv", "/deep/er/data.csv", "run",
    ]  # fmt: skip
    assert all("0/0" in line and "2000-01-01" in line for line in listed)
    assert listed[-1].startswith("-rwxr-xr-x")


def test_byte_code_in_a_layer_is_valid_without_the_time_of_its_source(tmp_path: Path):
    module = tmp_path / "module.py"
    module.write_text("VALUE = 5\n")
    subprocess.run([sys.executable, "-m", "compileall", "-q", module], check=True)
    code = Path(importlib.util.cache_from_source(str(module)))
    timeless = to_timeless(code.read_bytes())
    code.write_bytes(timeless)
    os.utime(module, (FIXED_TIME, FIXED_TIME))
    said = subprocess.run(
        [sys.executable, "-v", "-c", "import module; print(module.VALUE)"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout == "5\n" and f"{code} matches {module}" in said.stderr
    assert code.read_bytes() == timeless
    assert to_timeless(timeless) == timeless and to_timeless(b"short") == b"short"


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1)
        .filter(lambda name: name not in (".", "..") and not name.startswith(".wh."))
        .filter(lambda name: len(name.encode()) < 200),
        st.binary(max_size=300),
        max_size=6,
    )
)
def test_what_is_packed_is_unpacked(files: dict[str, bytes]):
    with _scratch() as folder:
        packed = [Entry(f"/{name}", content=content) for name, content in files.items()]
        image = _image(folder, packed)
        root = folder / "root"
        root.mkdir()
        unpack(open_image(image), root)
        assert {path.name: path.read_bytes() for path in root.iterdir()} == files


def _scratch():
    return contextlib.closing(_Folder(tempfile.mkdtemp()))


class _Folder(type(Path())):
    def close(self) -> None:
        shutil.rmtree(self)


def _image(folder: Path, packed: list[Entry]) -> Path:
    layer = write_layer("data", packed, folder / "layer", "gzip")
    write_layout(folder / "layout", [layer], CONFIG)
    write_archive(folder / "layout", folder / "image.tar")
    return folder / "image.tar"


# Images that mean harm: their layer is written by hand.


def hostile(folder: Path, *records: tuple[str, bytes, dict[str, object]]) -> Path:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for name, content, more in records:
            record = tarfile.TarInfo(name)
            record.size = len(content)
            for key, value in more.items():
                setattr(record, key, value)
            archive.addfile(record, io.BytesIO(content))
    return _with_layer(folder, raw.getvalue())


def _with_layer(folder: Path, data: bytes) -> Path:
    image = _image(folder, [])
    layout = folder / "layout"
    digest = hashlib.sha256(data).hexdigest()
    (layout / "blobs/sha256" / digest).write_bytes(data)
    index = json.loads((layout / "index.json").read_text())
    old = layout / "blobs/sha256" / index["manifests"][0]["digest"][7:]
    manifest = json.loads(old.read_text())
    manifest["layers"] = [
        {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": f"sha256:{digest}",
         "size": len(data)}
    ]  # fmt: skip
    text = json.dumps(manifest).encode()
    index["manifests"][0]["digest"] = f"sha256:{hashlib.sha256(text).hexdigest()}"
    (layout / "blobs/sha256" / index["manifests"][0]["digest"][7:]).write_bytes(text)
    (layout / "index.json").write_text(json.dumps(index))
    image.unlink()
    write_archive(layout, image)
    return image


LINK = {"type": tarfile.SYMTYPE, "linkname": "/nowhere"}
HARM: dict[str, list[tuple[str, bytes, dict[str, object]]]] = {
    "dots": [("../outside", b"x", {})],
    "dots-within": [("a/../../outside", b"x", {})],
    "through-a-link": [("a", b"", {**LINK, "linkname": "OUTSIDE"}), ("a/file", b"x", {})],
    "through-a-relative-link": [("a", b"", {**LINK, "linkname": "../../.."}), ("a/b", b"x", {})],
    "hard-link": [("a", b"", {"type": tarfile.LNKTYPE, "linkname": "/etc/passwd"})],
    "device": [("a", b"", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3})],
    "block-device": [("a", b"", {"type": tarfile.BLKTYPE, "devmajor": 8, "devminor": 0})],
    "pipe": [("a", b"", {"type": tarfile.FIFOTYPE})],
    "whiteout": [(".wh.a", b"", {})],
    "file-then-directory": [("a", b"x", {}), ("a/b", b"x", {})],
    "directory-then-link": [("a/b", b"x", {}), ("a", b"", LINK)],
}


@pytest.mark.parametrize("name", HARM)
def test_an_image_that_would_escape_is_refused(tmp_path: Path, name: str):
    outside, root = tmp_path / "outside", tmp_path / "room/root"
    outside.mkdir()
    root.mkdir(parents=True)
    records = [
        (n, c, {k: str(outside) if v == "OUTSIDE" else v for k, v in more.items()})
        for n, c, more in HARM[name]
    ]
    with pytest.raises(ImageError):
        unpack(open_image(hostile(tmp_path, *records)), root)
    assert not list(outside.iterdir())
    assert sorted(path.name for path in (tmp_path / "room").iterdir()) == ["root"]
    assert not (tmp_path / "file").exists() and not (tmp_path / "outside/file").exists()


def test_links_are_kept_as_text_and_rights_are_reduced(tmp_path: Path):
    image = hostile(
        tmp_path, ("way", b"", {**LINK, "linkname": "/etc"}), ("tool", b"x", {"mode": 0o6755}),
        ("/absolute", b"y", {}),
    )  # fmt: skip
    root = tmp_path / "root"
    root.mkdir()
    unpack(open_image(image), root)
    assert os.readlink(root / "way") == "/etc"
    assert (root / "tool").stat().st_mode & 0o7777 == 0o755
    assert (root / "absolute").read_text() == "y"


def test_more_than_there_is_space_for_is_refused_before_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    record = tarfile.TarInfo("huge")
    record.size = 1 << 50
    image = _with_layer(tmp_path, record.tobuf() + bytes(512))
    root = tmp_path / "root"
    root.mkdir()
    with pytest.raises(ImageError, match="larger than the space"):
        unpack(open_image(image), root)
    assert not list(root.iterdir())


def test_a_sparse_file_is_refused(tmp_path: Path):
    (tmp_path / "sparse").touch()
    os.truncate(tmp_path / "sparse", 1 << 40)
    subprocess.run(["tar", "-C", tmp_path, "-Scf", tmp_path / "s.tar", "sparse"], check=True)
    root = tmp_path / "root"
    root.mkdir()
    with pytest.raises(ImageError, match="sparse"):
        unpack(open_image(_with_layer(tmp_path, (tmp_path / "s.tar").read_bytes())), root)
    assert not list(root.iterdir())


@pytest.mark.parametrize("where", ["blob", "layer", "config"])
def test_a_damaged_image_is_noticed(tmp_path: Path, where: str):
    image = _image(tmp_path, [Entry("/a", content=b"content" * 100)])
    layout = tmp_path / "layout"
    index = json.loads((layout / "index.json").read_text())
    digest = index["manifests"][0]["digest"][7:]
    manifest = json.loads((layout / "blobs/sha256" / digest).read_text())
    names = {"blob": digest, "layer": manifest["layers"][0]["digest"][7:],
             "config": manifest["config"]["digest"][7:]}  # fmt: skip
    blob = layout / "blobs/sha256" / names[where]
    data = bytearray(blob.read_bytes())
    data[len(data) // 2] ^= 1
    blob.write_bytes(data)
    image.unlink()
    write_archive(layout, image)
    root = tmp_path / "root"
    root.mkdir()
    with pytest.raises(ImageError):
        unpack(open_image(image), root)


def _text_file(path: Path) -> None:
    path.write_text("no image")


def _empty_tar(path: Path) -> None:
    tarfile.open(path, "w").close()


def _no_json(path: Path) -> None:
    path.mkdir()
    (path / "index.json").write_text("[" * 100_000)


@pytest.mark.parametrize("make", [_text_file, _empty_tar, _no_json, Path.mkdir])
def test_what_is_no_image_is_told_in_one_sentence(tmp_path: Path, make: Callable[[Path], None]):
    make(tmp_path / "x")
    with pytest.raises(ImageError) as told:
        open_image(tmp_path / "x")
    assert "\n" not in str(told.value)
    with pytest.raises(NotFoundError):
        open_image(tmp_path / "absent")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_mangled_images_raise_nothing_else(data: st.DataObject):
    with _scratch() as folder:
        image = _image(folder, [Entry("/a", content=b"content"), Entry("/b", target="a")])
        mangled = bytearray(image.read_bytes())
        for _ in range(data.draw(st.integers(1, 5))):
            mangled[data.draw(st.integers(0, len(mangled) - 1))] = data.draw(st.integers(0, 255))
        image.write_bytes(mangled[: data.draw(st.integers(0, len(mangled)))])
        root = folder / "root"
        root.mkdir()
        with contextlib.suppress(ImageError):
            unpack(open_image(image), root)
        assert {path.name for path in folder.iterdir()} <= {"root", "layout", "image.tar"}


@pytest.mark.live("skopeo")
def test_other_tools_read_the_image(tmp_path: Path):
    image = _image(tmp_path, [Entry("/a", content=b"content")])
    done = subprocess.run(
        ["skopeo", "inspect", f"oci-archive:{image}"], capture_output=True, text=True, check=True
    )
    told = json.loads(done.stdout)
    assert told["Digest"] == open_image(image).digest
    assert told["Labels"] == {"a": "b"} and told["Architecture"] == "amd64"
    assert told["Layers"] == [layer.digest for layer in open_image(image).layers]
