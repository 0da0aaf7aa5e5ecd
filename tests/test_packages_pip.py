"""Distributions that pip installed into a real environment, and odd or broken metadata."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from nbrepro.packages import owners

CASES = Path(__file__).parent / "cases" / "packages"

SPACE = {
    "tinyns/part/__init__.py": "import os\n",
    "tinyns/part/tafel, größer.txt": "x\n",
    "Tiny_Space.Kit.libs/libtiny-1a2b.so.3": "\x7fELF\n",
    "Tiny_Space.Kit-1.2.data/scripts/run-tiny": "#!python\nprint()\n",
    "Tiny_Space.Kit-1.2.data/data/share/tiny/table.csv": "1,2\n",
    "Tiny_Space.Kit-1.2.data/headers/tiny.h": "/* */\n",
    "Tiny_Space.Kit-1.2.dist-info/entry_points.txt": "[console_scripts]\ntiny = tinyns.part:f\n",
}
OTHER = {"tinyns/other.py": "\n", "vendoring/_vendor/tinyns/part/__init__.py": "\n"}

BACKEND = """
import base64, hashlib, os, zipfile
INFO = "in_place-0.3.dist-info"
def build_editable(directory, config_settings=None, metadata_directory=None):
    files = {
        "in_place.pth": os.path.join(os.getcwd(), "src") + "\\n",
        INFO + "/METADATA": "Metadata-Version: 2.1\\nName: in-place\\nVersion: 0.3\\n",
        INFO + "/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    files[INFO + "/RECORD"] = "".join(f"{name},,\\n" for name in [*files, INFO + "/RECORD"])
    name = "in_place-0.3-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(directory, name), "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return name
"""


def build_wheel(directory: Path, name: str, version: str, files: dict[str, str]) -> Path:
    """Write a wheel by hand (PEP 427)."""
    stem = f"{name}-{version}"
    info = f"{stem}.dist-info"
    contents = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = []
    path = directory / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for member, text in contents.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
            listed = f'"{member}"' if "," in member else member
            lines.append(f"{listed},sha256={digest.rstrip(b'=').decode()},{len(text.encode())}\n")
            wheel.writestr(member, text)
        wheel.writestr(f"{info}/RECORD", "".join(lines) + f"{info}/RECORD,,\n")
    return path


def pip(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--isolated", "--no-input", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """An environment with two wheels of ours and a project installed in place."""
    if importlib.util.find_spec("pip") is None:
        pytest.skip("this environment has no pip to install wheels with")
    root = tmp_path_factory.mktemp("env").resolve()
    prefix = root / "odd name"
    venv.create(prefix, with_pip=False)
    wheels = [
        build_wheel(root, "Tiny_Space.Kit", "1.2", SPACE),
        build_wheel(root, "vendoring", "2.0", OTHER),
    ]
    project = root / "project"
    (project / "src").mkdir(parents=True)
    (project / "src" / "in_place.py").write_text("\n")
    (project / "backend.py").write_text(BACKEND)
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    python = prefix / "bin" / "python"
    install = ("install", "--no-index", "--no-deps", "--no-build-isolation")
    pip("--python", python, *install, *wheels)
    pip("--python", python, *install, "-e", project)
    return prefix


def site_of(prefix: Path) -> Path:
    (site,) = prefix.glob("lib/python*/site-packages")
    return site


def test_files_of_every_kind_belong_to_the_distribution(environment):
    expected = {
        os.path.normpath(d.locate_file(str(f))): d.metadata["Name"]
        for d in importlib.metadata.distributions(path=[str(site_of(environment))])
        for f in d.files or ()
    }
    found = {o.path: o.package.name if o.package else o.reason for o in owners(expected)}
    assert found == expected
    suffixes = {Path(path).name for path in expected}
    assert {"run-tiny", "tiny", "table.csv", "tiny.h", "libtiny-1a2b.so.3"} <= suffixes


def test_scripts_alone_lead_to_their_environment(environment):
    (ownership,) = owners([str(environment / "bin" / "tiny")])
    assert ownership.package.purl == "pkg:pypi/tiny-space.kit@1.2"
    assert ownership.package.name == "Tiny_Space.Kit"


def test_parts_of_one_namespace_belong_to_different_distributions(environment):
    site = site_of(environment)
    paths = [str(site / "tinyns/other.py"), str(site / "tinyns/part/__init__.py")]
    assert [o.package.name for o in owners(paths)] == ["vendoring", "Tiny_Space.Kit"]


def test_a_wheel_from_a_file_names_its_source(environment):
    (ownership,) = owners([str(site_of(environment) / "tinyns/other.py")])
    assert ownership.package.source.startswith("file:///")
    assert "vendoring-2.0-py3-none-any.whl#sha256=" in ownership.package.source


def test_a_vendored_distribution_belongs_to_the_one_that_vendors_it(environment, tmp_path):
    site = tmp_path / "site"
    shutil.copytree(site_of(environment), site)
    inner = site / "vendoring" / "_vendor"
    shutil.copytree(site / "Tiny_Space.Kit-1.2.dist-info", inner / "Tiny_Space.Kit-1.2.dist-info")
    path = inner / "tinyns/part/__init__.py"
    assert [o.package.name for o in owners([str(path)])] == ["vendoring"]


def test_a_project_installed_in_place_owns_its_directory(environment):
    project = environment.parent / "project"
    paths = [str(project / "src" / "in_place.py"), str(project / "pyproject.toml")]
    by_url, by_pth = owners(paths, [str(environment / "bin" / "python")])
    assert by_url.package == by_pth.package
    assert (by_url.package.name, by_url.package.version) == ("in-place", "0.3")
    assert by_url.package.source == f"file://{project}"
    assert by_url.reason == "in place by in_place-0.3.dist-info/direct_url.json"
    assert by_pth.reason == "in place by in_place.pth of in_place-0.3.dist-info"
    assert {o.package for o in owners(paths)} == {None}


def test_a_pth_file_is_enough_where_direct_url_is_missing(environment, tmp_path):
    site = tmp_path / "lib/python3.12/site-packages"
    shutil.copytree(site_of(environment), site)
    (site / "in_place-0.3.dist-info" / "direct_url.json").unlink()
    inside = str(environment.parent / "project/src/in_place.py")
    outside = str(environment.parent / "project/pyproject.toml")
    found = {o.path: o for o in owners([inside, outside], [str(tmp_path / "bin/python")])}
    assert found[inside].package.name == "in-place"
    assert "in_place.pth" in found[inside].reason
    assert found[outside].package is None


def test_pip_target_directories_own_their_moved_scripts(environment, tmp_path):
    wheel = environment.parent / "Tiny_Space.Kit-1.2-py3-none-any.whl"
    pip("install", "--no-index", "--no-deps", "--target", tmp_path / "t", wheel)
    paths = [tmp_path / "t/tinyns/part/__init__.py", tmp_path / "t/bin/tiny"]
    assert [p.exists() for p in paths] == [True, True]
    assert {o.package.name for o in owners(map(str, paths))} == {"Tiny_Space.Kit"}


def test_a_project_within_a_project_is_the_nearer_ones(tmp_path):
    site = tmp_path / "all/.venv/lib/python3.12/site-packages"
    site.mkdir(parents=True)
    for name, place in (("outer", tmp_path / "all"), ("inner", tmp_path / "all/in ner")):
        info = write_distribution(site, name, [])
        place.mkdir(exist_ok=True)
        url = place.as_uri()
        (info / "direct_url.json").write_text(
            f'{{"url": "{url}", "dir_info": {{"editable": true}}}}'
        )
    executable = str(tmp_path / "all/.venv/bin/python")
    cases = {"all/x.csv": "outer", "all/in ner/y.py": "inner"}
    found = {
        o.path: o.package.name for o in owners([str(tmp_path / c) for c in cases], [executable])
    }
    assert found == {str(tmp_path / c): name for c, name in cases.items()}
    (tmp_path / "all/.venv/pyvenv.cfg").write_text("home = /nowhere\n")
    (activate,) = owners([str(tmp_path / "all/.venv/bin/activate")], [executable])
    assert activate.package is None, "an environment inside a project is none of its files"
    (stray,) = owners([str(site / "stray.py")], [executable])
    assert stray.package is None
    assert stray.reason == f"no distribution's RECORD in {site} lists it"


def write_distribution(site: Path, name: str, files: list[str], hashes: str = "") -> Path:
    """Write a distribution `name` 1.0 that lists `files`."""
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "RECORD").write_text("".join(f"{file},{hashes},\n" for file in files))
    return info


def test_finder_modules_of_build_backends_are_read_not_run(tmp_path):
    site = tmp_path / "lib/python3.12/site-packages"
    package = tmp_path / "work/src/pkg"
    package.mkdir(parents=True)
    name = "__editable___pkg_1_0_finder.py"
    write_distribution(site, "pkg", [name])
    ran = tmp_path / "ran"
    (site / name).write_text(
        f"open({str(ran)!r}, 'w')\nMAPPING: dict[str, str] = {{'pkg': {str(package)!r}}}\n"
    )
    (ownership,) = owners([str(package / "a.py")], [str(tmp_path / "bin/python3")])
    assert ownership.package.name == "pkg"
    assert name in ownership.reason
    assert not ran.exists()


def test_legacy_links_lead_to_the_source_tree(tmp_path):
    site = tmp_path / "env/lib/python3.12/site-packages"
    write_distribution(site, "any", [])
    tree = tmp_path / "tree"
    (tree / "Leg_acy.egg-info").mkdir(parents=True)
    (tree / "Leg_acy.egg-info" / "PKG-INFO").write_text("Name: leg-acy\nVersion: 4\n")
    (site / "leg-acy.egg-link").write_text(f"{tree}\n.\n")
    path = str(tree / "leg_acy.py")
    (ownership,) = owners([path], [str(tmp_path / "env/bin/python3")])
    assert (ownership.package.name, ownership.package.version) == ("leg-acy", "4")
    assert next(iter(owners([path]))).package is None


def test_of_two_that_list_a_file_the_one_whose_hash_it_has_owns_it(tmp_path):
    content = b"second\n"
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    write_distribution(tmp_path, "first", ["cv2/__init__.py"], "sha256=other")
    write_distribution(tmp_path, "second", ["cv2/__init__.py"], f"sha256={digest}")
    (tmp_path / "cv2").mkdir()
    (tmp_path / "cv2/__init__.py").write_bytes(content)
    (ownership,) = owners([str(tmp_path / "cv2/__init__.py")])
    assert ownership.package.name == "second"
    assert ownership.reason == "listed by second-1.0.dist-info (also by first-1.0.dist-info)"


def test_older_forms_of_metadata(tmp_path):
    shutil.copytree(CASES / "egg", tmp_path, dirs_exist_ok=True)
    site = tmp_path / "site-packages"
    expected = {
        "oldie/__init__.py": ("Oldie", "1.4"),
        "sourced/__init__.py": ("sourced", "0.2"),
        "topped/__init__.py": ("topped", "3.0"),
        "whole-2.5-py3.11.egg/whole/__init__.py": ("whole", "2.5"),
        "stray.py": None,
    }
    found = {o.path: o for o in owners(str(site / name) for name in expected)}
    for name, key in expected.items():
        package = found[str(site / name)].package
        assert (package and (package.name, package.version)) == key, name
    assert "lists no files" in found[str(site / "topped/__init__.py")].reason


def test_a_zipped_egg_owns_itself(tmp_path):
    with zipfile.ZipFile(tmp_path / "zipped-1.1-py3.11.egg", "w") as egg:
        egg.writestr("EGG-INFO/PKG-INFO", "Name: zipped\nVersion: 1.1\n")
    (ownership,) = owners([str(tmp_path / "zipped-1.1-py3.11.egg")])
    assert (ownership.package.name, ownership.package.version) == ("zipped", "1.1")


def test_the_egg_info_of_a_build_is_no_installation(tmp_path):
    (tmp_path / "proj.egg-info").mkdir()
    (tmp_path / "proj.egg-info" / "PKG-INFO").write_text("Name: proj\nVersion: 1\n")
    (tmp_path / "proj.egg-info" / "top_level.txt").write_text("proj\n")
    assert next(iter(owners([str(tmp_path / "proj.py")]))).package is None


def test_broken_metadata_is_a_reason_not_an_error(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    torn = write_distribution(tmp_path, "torn", [])
    (torn / "RECORD").write_bytes(b'a.py,,\n"b.py,,\n\xff\xfe.py,,\n')
    (torn / "direct_url.json").write_text("{")
    blocked = write_distribution(tmp_path, "blocked", [])
    (blocked / "RECORD").unlink()
    os.mkfifo(blocked / "RECORD")
    nameless = write_distribution(tmp_path, "nameless", ["c.py"])
    (nameless / "METADATA").write_bytes(b"\xff\xff")
    raw = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.py")
    paths = [str(tmp_path / name) for name in ("a.py", "b.py", "c.py", "pipe")]
    found = {o.path: o for o in owners([*paths, raw])}
    assert found[paths[0]].package.name == found[raw].package.name == "torn"
    assert (found[paths[2]].package.name, found[paths[2]].package.version) == ("nameless", "1.0")
    reason = found[paths[1]].reason
    assert "torn-1.0.dist-info/RECORD: 1 lines that are not CSV" in reason
    assert "blocked-1.0.dist-info/RECORD: not a regular file" in reason
    assert found[paths[3]].package is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads what is forbidden")
def test_a_forbidden_record_is_a_reason(tmp_path):
    info = write_distribution(tmp_path, "shut", ["a.py"])
    (info / "RECORD").chmod(0)
    (ownership,) = owners([str(tmp_path / "a.py")])
    assert ownership.package is None
    assert "Permission denied" in ownership.reason
