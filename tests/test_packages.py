"""Which distribution owns a path: this environment itself, judged by importlib.metadata."""

from __future__ import annotations

import importlib.metadata
import os
import random
import sys
import sysconfig
from pathlib import Path

import pytest

from nbrepro.packages import OWNERS, owners
from nbrepro.packages.records import matches

SITE = Path(sysconfig.get_path("purelib"))


def installed():
    """List the distributions of this environment's own site-packages."""
    return list(importlib.metadata.distributions(path=[str(SITE)]))


def test_every_file_of_every_installed_distribution_maps_to_it():
    expected: dict[str, set[tuple[str, str]]] = {}
    for distribution in installed():
        key = (distribution.metadata["Name"], distribution.version)
        for file in distribution.files or ():
            path = os.path.normpath(SITE / str(file))
            expected.setdefault(path, set()).add(key)
    found = {o.path: o for o in owners(expected)}
    wrong = {
        path: (names, found[path])
        for path, names in expected.items()
        if (package := found[path].package) is None
        or package.manager != "pip"
        or (package.name, package.version) not in names
    }
    assert wrong == {}
    assert len(found) == len(expected) > 1000


def test_import_names_give_the_names_of_their_distributions():
    import packageurl
    import PIL
    import yaml

    paths = {PIL.__file__: "pillow", yaml.__file__: "pyyaml", packageurl.__file__: None}
    for ownership in owners(paths):
        name = paths[ownership.path] or "packageurl-python"
        assert ownership.package.name.lower() == name
        assert ownership.package.version == importlib.metadata.version(name)
        assert ownership.package.purl == f"pkg:pypi/{name}@{ownership.package.version}"
        assert len(ownership.package.record_digest) == 64
        assert ownership.package.location == str(SITE)


def test_byte_code_that_no_record_lists_belongs_to_its_source():
    source = SITE / "packaging" / "version.py"
    byte_code = SITE / "packaging" / "__pycache__" / "version.cpython-399.opt-2.pyc.14072"
    (ownership,) = owners([str(byte_code)])
    assert ownership.package.name == "packaging"
    assert ownership.reason.startswith(f"byte-code of {source}, listed by packaging-")


def test_standard_library_belongs_to_the_running_interpreters_version():
    standard = Path(os.__file__).resolve()
    (ownership,) = owners([str(standard)])
    assert ownership.package is not None
    if ownership.package.manager == "python":
        assert ownership.package.version == sys.version.split()[0]
    else:
        assert ownership.package.manager in ("conda", "dpkg")


@pytest.mark.skipif(sys.prefix == sys.base_prefix, reason="the tests run in no environment")
def test_files_of_the_environment_itself_belong_to_the_base_interpreter():
    base = Path(os.__file__).resolve()
    own = [f"{sys.prefix}/pyvenv.cfg", f"{sys.prefix}/bin/python", f"{sys.prefix}/bin/activate"]
    found = {o.path: o.package for o in owners([str(base), *own])}
    assert {found[p].manager for p in own} == {found[str(base)].manager}


def test_each_distinct_path_comes_once_and_in_order(tmp_path):
    paths = [str(SITE / "packaging" / "version.py"), str(tmp_path / "b"), str(tmp_path / "a")]
    random.shuffle(paths)
    assert [o.path for o in owners(paths * 2)] == sorted(paths)


def test_what_nobody_owns_says_why(tmp_path):
    stray = tmp_path / "data.csv"
    stray.write_text("1\n")
    reasons = {o.path: (o.package, o.reason) for o in owners([str(stray), str(tmp_path)])}
    assert reasons[str(stray)] == (None, "not in any package database")
    assert reasons[str(tmp_path)] == (None, "a directory: packages list files")
    (beside,) = owners([str(SITE / "nobody_installed_this.py")])
    assert beside.package is None
    assert beside.reason.startswith(f"no distribution's RECORD in {SITE} lists it")


@pytest.mark.parametrize("path", ["", "relative.py", "/", "//x", "/\udcff\udcfe/x.py", "/a\0b"])
def test_no_path_however_odd_raises(path):
    found = list(owners([path]))
    assert [o.path for o in found] == ([path] if path else [])
    assert all(o.package is None and o.reason for o in found)


def test_spelling_through_a_link_finds_the_same_owner(tmp_path):
    (tmp_path / "way").symlink_to(SITE)
    (ownership,) = owners([str(tmp_path / "way" / "packaging" / "version.py")])
    assert ownership.package.name == "packaging"


def test_recorded_hashes_of_an_installed_distribution_match_its_files():
    listed = importlib.metadata.distribution("packaging").files
    hashed = [f for f in listed if f.hash and f.suffix == ".py"]
    assert hashed
    assert all(matches(str(f.locate()), f"{f.hash.mode}={f.hash.value}") for f in hashed)


def test_the_managers_stand_in_their_order_of_preference():
    names = [owner.__name__ for owner in OWNERS]
    assert names.index("PipOwner") < names.index("DpkgOwner") < names.index("EditableOwner")
