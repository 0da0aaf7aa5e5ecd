"""Files of a package that are not as they were installed are found, and no others are read."""

from __future__ import annotations

import base64
import hashlib
import os

import pytest

from nbrepro.packages import owners

SOURCE = "value = 1\n"
TAGS = "Tag: cp311-cp311-linux_x86_64\nTag: cp311-cp311-any\n"


def recorded(text):
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
    return f"sha256={digest.decode()},{len(text)}"


@pytest.fixture
def module(tmp_path):
    """Install a package of one module as an installer does: the record last."""
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    metadata = site / "tiny-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "tiny.py").write_text(SOURCE)
    about = "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"
    (metadata / "METADATA").write_text(about)
    (metadata / "WHEEL").write_text(f"Wheel-Version: 1.0\n{TAGS}")
    rows = [f"tiny.py,{recorded(SOURCE)}", f"tiny-1.0.dist-info/METADATA,{recorded(about)}"]
    (metadata / "RECORD").write_text("\n".join([*rows, "tiny-1.0.dist-info/RECORD,,", ""]))
    return site / "tiny.py"


def found(path):
    [ownership] = owners([str(path)])
    assert ownership.package.name == "tiny"
    return ownership


def later(path, seconds):
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + int(seconds * 1e9)))


def test_a_file_as_it_was_installed_needs_no_digest(module):
    assert found(module).sha256 == ""
    assert found(module).package.build == "cp311-cp311-any cp311-cp311-linux_x86_64"


@pytest.mark.parametrize("text", ["value = 2\n", "value = 1 + 1\n"], ids=["same size", "other"])
def test_a_file_that_was_patched_is_known_by_its_content(module, text):
    module.write_text(text)
    later(module, 60)
    assert found(module).sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_a_file_that_was_only_touched_is_as_it_was(module):
    later(module, 60)
    assert found(module).sha256 == ""


def test_byte_code_answers_for_its_source(module):
    module.write_text("value = 3\n")
    later(module, 60)
    byte_code = module.parent / "__pycache__" / "tiny.cpython-311.pyc"
    byte_code.parent.mkdir()
    byte_code.write_bytes(b"")
    assert found(byte_code).sha256 == hashlib.sha256(b"value = 3\n").hexdigest()


def test_what_another_installer_rewrites_is_left_to_its_own_record(module):
    (module.parent / "tiny-1.0.dist-info" / "INSTALLER").write_text("conda\n")
    module.write_text("value = 4\n")
    later(module, 60)
    assert found(module).sha256 == ""


def test_a_record_that_cannot_be_read_tells_nothing(module):
    record = module.parent / "tiny-1.0.dist-info" / "RECORD"
    record.write_text(record.read_text() + '"torn,sha256=x,1\n')
    module.write_text("value = 5\n")
    later(module, 60)
    [ownership] = owners([str(module)])
    assert ownership.sha256 in ("", hashlib.sha256(b"value = 5\n").hexdigest())
