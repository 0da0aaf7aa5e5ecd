"""Ownership by conda's and dpkg's databases, and interpreters that nobody packaged."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from nbrepro.packages import owners
from nbrepro.packages.dpkg import DpkgOwner
from nbrepro.packages.interpreters import Interpreter, read_version
from nbrepro.packages.surroundings import Surroundings

CASES = Path(__file__).parent / "cases" / "packages"


@pytest.fixture
def conda(tmp_path):
    """A conda prefix whose requests was replaced by pip."""
    shutil.copytree(CASES / "conda", tmp_path / "env")
    return tmp_path / "env"


def test_conda_owns_what_conda_meta_lists_though_a_record_lists_it_too(conda):
    site = conda / "lib/python3.11/site-packages"
    paths = [conda / "bin/f2py", site / "numpy/__init__.py"]
    for ownership in owners(map(str, paths)):
        assert ownership.package.purl == (
            "pkg:conda/numpy@2.1.0?build=py311h71ddf71_1&channel=conda-forge&subdir=linux-64"
        )
        assert ownership.package.manager == "conda"
        assert ownership.package.location == str(conda)
        assert len(ownership.package.record_digest) == 64
        assert ownership.package.source.endswith("numpy-2.1.0-py311h71ddf71_1.conda")


def test_pip_owns_what_it_replaced_within_a_conda_prefix(conda):
    path = conda / "lib/python3.11/site-packages/requests/__init__.py"
    (ownership,) = owners([str(path)])
    assert (ownership.package.manager, ownership.package.version) == ("pip", "2.32.3")


def test_conda_owns_its_interpreter_and_byte_code(conda):
    names = (
        "bin/python3.11",
        "lib/python3.11/os.py",
        "lib/python3.11/__pycache__/os.cpython-311.pyc",
    )
    purl = "pkg:conda/python@3.11.9?build=h955ad1f_0&channel=conda-forge&subdir=linux-64"
    assert {o.package.purl for o in owners(str(conda / n) for n in names)} == {purl}


def test_what_conda_does_not_list_says_which_record_is_torn(conda):
    (ownership,) = owners([str(conda / "share/stray.txt")])
    assert ownership.package is None
    assert ownership.reason.startswith(
        f"no conda package in {conda} lists it (unreadable: torn-1-0"
    )


def debian(*paths: str) -> dict[str, str]:
    root = str(CASES / "dpkg")
    claims = DpkgOwner(Surroundings(), root).find(paths)
    return {path: claim.package.purl for path, claim in claims.items()}


def test_dpkg_finds_a_library_by_both_of_its_spellings():
    purl = "pkg:deb/example/libold1@1:2.3-4%2Bb1?arch=amd64&distro=example-24.04"
    old = "/lib/x86_64-linux-gnu/libold.so.1"
    assert debian(old, "/usr" + old, "/opt" + old) == {old: purl, "/usr" + old: purl}


def test_a_diverted_file_belongs_to_the_diverter_and_its_copy_to_the_diverted():
    found = debian("/bin/sh", "/usr/bin/sh", "/bin/sh.distrib")
    names = {path: purl.partition("@")[0].rpartition("/")[2] for path, purl in found.items()}
    assert names == {"/bin/sh": "dash", "/usr/bin/sh": "dash", "/bin/sh.distrib": "bash"}


def test_a_removed_package_keeps_its_settings_and_an_unknown_one_owns_nothing():
    found = debian("/etc/nowhere.conf", "/etc/orphan.conf")
    assert found == {"/etc/nowhere.conf": "pkg:deb/example/nowhere@7?arch=all&distro=example-24.04"}


def test_directories_that_packages_share_are_nobodys():
    owner = DpkgOwner(Surroundings(), str(CASES / "dpkg"))
    assert owner.find(["/usr/share/doc"]) == {} or not os.path.isdir("/usr/share/doc")
    assert owner.find(["/"]) == {}


def test_a_machine_without_dpkg_has_no_claims(tmp_path):
    assert DpkgOwner(Surroundings(), str(tmp_path)).find(["/bin/sh"]) == {}


@pytest.mark.skipif(shutil.which("dpkg-query") is None, reason="this machine has no dpkg")
def test_dpkg_query_agrees_on_this_machines_files():
    sample = sorted(Path("/var/lib/dpkg/info").glob("*.list"))[::7]
    paths = [
        line for s in sample for line in s.read_text().splitlines()[::40] if os.path.isfile(line)
    ]
    paths = [path for path in paths if not os.path.islink(path)][:300]
    assert paths
    judge = subprocess.run(
        ["dpkg-query", "-S", *paths], capture_output=True, text=True, check=False, timeout=120
    ).stdout
    expected = {}
    for line in judge.splitlines():
        names, _, path = line.partition(": ")
        if not line.startswith("diversion"):
            expected[path] = {name.partition(":")[0] for name in names.split(", ")}
    found = {o.path: o.package for o in owners(expected)}
    wrong = {
        p: (found[p], n) for p, n in expected.items() if found[p] is None or found[p].name not in n
    }
    assert wrong == {}
    versions = {found[p].name: found[p].version for p in expected}
    judge = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package}\t${Version}\n", *versions],
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    assert {tuple(line.split("\t")) for line in judge.splitlines()} == set(versions.items())


@pytest.mark.skipif(
    not Path("/usr/lib/python3/dist-packages").is_dir() or shutil.which("dpkg-query") is None,
    reason="this machine has no Debian Python packages",
)
def test_debians_python_packages_belong_to_dpkg():
    files = sorted(Path("/usr/lib/python3/dist-packages").glob("*/__init__.py"))[:20]
    found = [o for o in owners(map(str, files)) if o.package]
    assert {o.package.manager for o in found} <= {"dpkg"}


def build_interpreter(prefix: Path, minor: str = "3.12") -> Interpreter:
    library = prefix / "lib" / f"python{minor}"
    (library / "lib-dynload").mkdir(parents=True)
    (library / "os.py").write_text("\n")
    (prefix / "bin").mkdir()
    (prefix / "bin" / f"python{minor}").write_text("\x7fELF")
    (prefix / "bin" / "python3").symlink_to(f"python{minor}")
    return Interpreter(str(prefix), "lib", f"python{minor}")


def test_an_interpreter_nobody_packaged_owns_its_parts_and_only_those(tmp_path):
    build_interpreter(tmp_path)
    header = tmp_path / "include/python3.12/patchlevel.h"
    header.parent.mkdir(parents=True)
    header.write_text('#define PY_MINOR_VERSION 12\n#define PY_VERSION      "3.12.4+"\n')
    own = ["bin/python3", "bin/python3.12", "lib/python3.12/json/__init__.py",
           "lib/python3.12/lib-dynload/_json.so", "lib/libpython3.12.so.1.0", "lib/libpython3.so",
           "include/python3.12/Python.h", "lib/python3.12/site-packages/README.txt"]  # fmt: skip
    others = ["bin/git", "lib/libz.so", "lib/python3.12/site-packages/x.py", "share/x"]
    found = {o.path: o.package for o in owners(str(tmp_path / n) for n in own + others)}
    assert {found[str(tmp_path / n)].purl for n in own} == {"pkg:generic/python@3.12.4"}
    assert {found[str(tmp_path / n)] for n in others} == {None}


def test_the_exact_version_is_found_without_headers(tmp_path):
    interpreter = build_interpreter(tmp_path)
    assert read_version(interpreter) == "3.12"
    (tmp_path / "lib/libpython3.12.so.1.0").write_bytes(b"\x7fELF\x003.12.0\x99\x003.12.11rc2\x00")
    assert read_version(interpreter) == "3.12.11rc2"


def test_environments_of_an_unpackaged_interpreter_belong_to_it(tmp_path):
    build_interpreter(tmp_path / "base")
    environment = tmp_path / "env"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python3.12").write_text("a copy")
    (environment / "pyvenv.cfg").write_text(f"home = {tmp_path}/base/bin\nversion = 3.12.1\n")
    paths = [str(environment / "pyvenv.cfg"), str(environment / "bin/python3.12")]
    assert {o.package.location for o in owners(paths)} == {str(tmp_path / "base")}
