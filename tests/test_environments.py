"""Environment files, judged by the programs and libraries that read them."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import tomllib
import zipfile

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from nbrepro.dependencies import Dependency, DependencySet
from nbrepro.dependencies.environments import WRITERS, write_environment
from nbrepro.dependencies.environments.locks import find_hashes
from nbrepro.errors import UsageError
from nbrepro.packages import owners

ODD = "/opt/odd\nname\x1b[31m.so"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def pip(name, version, **more):
    return Dependency("package", name, version, "pip", digest="a" * 64, **more)


MEMBERS = [
    Dependency("interpreter", "python", "3.11.7", "python"),
    pip("numpy", "2.1.0"),
    pip("scikit.image", "0.24.0", certainty="possible", reason="lazily\nimported"),
    pip("tool", "1.0", source=f"git+https://example.org/tool.git@{COMMIT}"),
    pip("mine", "0.1", source="file:///home/u/mine"),
    Dependency("package", "hdf5", "1.14.3", "conda",
               purl="pkg:conda/hdf5@1.14.3?build=h1&channel=my-channel&subdir=linux-64"),
    Dependency("system", "libc6", "2.36-9", "dpkg",
               purl="pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12"),
    Dependency("system", "tzdata", "2025b", "dpkg", purl="pkg:deb/debian/tzdata@2025b?arch=all"),
    Dependency("unowned", ODD, role="unresolved"),
    Dependency("setting", "MODE", "fast"),
    Dependency("file", "/p/in.csv", digest="b" * 64, role="data"),
]  # fmt: skip
SET = DependencySet("cell 5, closure", MEMBERS)


def written(form, members=SET, hashes=None):
    return write_environment(members, form, hashes or {})


def code(text):
    return [line for line in text.splitlines() if line.strip() and line.strip()[0] != "#"]


@pytest.mark.parametrize("form", WRITERS)
def test_nothing_vanishes_and_nothing_is_smuggled_in(form):
    text = written(form)
    said = ["numpy", "2.1.0", "hdf5", "libc6", "python", "mine", "MODE", COMMIT]
    assert not [word for word in said if word not in text]
    assert "\x1b" not in text
    if form != "poncho":
        assert any(line.lstrip().startswith("#") and "odd" in line for line in text.splitlines())


def test_requirements_are_requirements_of_exactly_these_versions():
    found = [Requirement(line) for line in code(written("requirements"))]
    assert [(one.name, str(one.specifier) or one.url) for one in found] == [
        ("numpy", "==2.1.0"), ("scikit.image", "==0.24.0"),
        ("tool", f"git+https://example.org/tool.git@{COMMIT}"),
    ]  # fmt: skip


def test_a_pyproject_fragment_is_toml_with_valid_requirements():
    project = tomllib.loads(written("pyproject"))["project"]
    assert "3.11.99" in SpecifierSet(project["requires-python"])
    assert "3.12.0" not in SpecifierSet(project["requires-python"])
    assert [Requirement(line).name for line in project["dependencies"]] == [
        "numpy", "scikit.image", "tool",
    ]  # fmt: skip


CONDA = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "channels": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "dependencies": {
            "type": "array",
            "items": {
                "anyOf": [
                    {"type": "string", "pattern": "^[a-z0-9_.-]+(=[^=]+){0,2}$"},
                    {
                        "type": "object",
                        "properties": {"pip": {"type": "array", "items": {"type": "string"}}},
                        "required": ["pip"],
                        "additionalProperties": False,
                    },
                ]
            },
        },
    },
    "required": ["channels", "dependencies"],
}
PONCHO = {
    "type": "object",
    "properties": {
        "conda": CONDA,
        "git": {
            "additionalProperties": {
                "properties": {"remote": {"type": "string"}, "ref": {"type": "string"}},
                "required": ["remote"],
                "additionalProperties": False,
            }
        },
        "http": {"additionalProperties": {"required": ["type", "url"]}},
    },
    "required": ["conda"],
}


def test_an_environment_yml_is_what_conda_reads():
    environment = yaml.safe_load(written("conda"))
    jsonschema.validate(environment, CONDA)
    assert environment["channels"] == ["my-channel"]
    *packages, pips = environment["dependencies"]
    assert packages == ["python=3.11.7", "hdf5=1.14.3=h1", "pip"]
    assert [Requirement(line).name for line in pips["pip"]] == ["numpy", "scikit.image", "tool"]


def test_a_poncho_specification_has_the_manuals_form():
    spec = json.loads(written("poncho"))
    jsonschema.validate(spec, PONCHO)
    assert spec["git"] == {"tool": {"remote": "https://example.org/tool.git", "ref": COMMIT}}
    [pips] = [one["pip"] for one in spec["conda"]["dependencies"] if isinstance(one, dict)]
    # An installation in place is found by its name by poncho itself.
    assert pips == ["numpy==2.1.0", "scikit.image==0.24.0", "mine==0.1"]
    assert any("odd" in line for line in spec["nbrepro"])


def test_a_list_for_debian_names_package_architecture_and_version():
    assert code(written("debian")) == ["libc6:amd64=2.36-9", "tzdata=2025b"]


@pytest.mark.live("apt-get", "dpkg")
def test_apt_takes_the_list_of_a_machines_own_packages():
    libraries = ["/usr/bin/dpkg", "/bin/sh", "/usr/lib/x86_64-linux-gnu/libc.so.6", "/bin/gzip"]
    found = {own.package.purl: own.package for own in owners(libraries) if own.package}
    members = [Dependency("system", p.name, p.version, p.manager, purl=p.purl)
               for p in found.values()]  # fmt: skip
    assert len(members) >= 3
    packages = code(written("debian", DependencySet("machine", members)))
    command = ["apt-get", "--simulate", "--no-download", "install", *packages]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "0 newly installed" in done.stdout


@given(st.text(max_size=40), st.text(max_size=40))
def test_odd_names_stay_in_comments_and_strings(name, reason):
    odd = DependencySet("x", [Dependency("unowned", name),
                              pip("a", "1", certainty="possible", reason=reason)])  # fmt: skip
    assert code(written("requirements", odd)) == ["a==1"]
    assert tomllib.loads(written("pyproject", odd))["project"] == {"dependencies": ["a==1"]}
    assert yaml.safe_load(written("conda", odd))["dependencies"] == ["pip", {"pip": ["a==1"]}]
    assert json.loads(written("poncho", odd))["conda"]["channels"]


def test_another_format_is_refused():
    with pytest.raises(UsageError, match="requirements"):
        written("nix")


def make_wheel(folder, name, version):
    """Write a wheel that pip takes; give its sha256."""
    path, info = folder / f"{name}-{version}-py3-none-any.whl", f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": "VALUE = 1\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = []
    with zipfile.ZipFile(path, "w") as wheel:
        for file, text in files.items():
            wheel.writestr(file, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
            lines.append(f"{file},sha256={digest.rstrip(b'=').decode()},{len(text)}\n")
        wheel.writestr(f"{info}/RECORD", "".join([*lines, f"{info}/RECORD,,\n"]))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def dry_run(folder, text, *options):
    (folder / "requirements.txt").write_text(text)
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--no-index",
               "--disable-pip-version-check", "--no-cache-dir", "--find-links", folder,
               "--ignore-installed", *options, "-r", folder / "requirements.txt"]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheels")
    return folder, {f"{n}==1.0": make_wheel(folder, n, "1.0") for n in ("first", "second")}


PAIR = DependencySet("x", [pip("first", "1.0"), pip("Second", "1.0")])


@pytest.mark.live("pip")
def test_pip_takes_hashes_where_all_are_known(wheels):
    folder, digests = wheels
    packages = "".join(
        f'[[packages]]\nname = "{key[:-5]}"\nversion = "1.0"\n[[packages.wheels]]\n'
        f'url = "x"\nhashes = {{sha256 = "{digest}", md5 = "0"}}\n'
        for key, digest in digests.items()
    )
    (folder / "pylock.toml").write_text(f'lock-version = "1.0"\ncreated-by = "x"\n{packages}')
    text = written("requirements", PAIR, find_hashes(PAIR, [folder]))
    done = dry_run(folder, text, "--require-hashes")
    assert done.returncode == 0, done.stderr
    assert "first-1.0" in done.stdout.rpartition("Would install")[2]
    assert "second-1.0" in done.stdout.rpartition("Would install")[2].lower()
    wrong = dry_run(folder, text.replace(digests["first==1.0"], "0" * 64), "--require-hashes")
    assert wrong.returncode != 0
    assert "DO NOT MATCH" in wrong.stderr


@pytest.mark.live("pip")
def test_pip_takes_the_file_where_a_hash_is_unknown(wheels):
    folder, digests = wheels
    known = {"first==1.0": [f"sha256:{digests['first==1.0']}"]}
    text = written("requirements", PAIR, known)
    assert "--hash" not in text
    assert f"archive sha256:{digests['first==1.0']}" in text
    done = dry_run(folder, text)
    assert done.returncode == 0, done.stderr


def test_hashes_come_from_locks_and_from_addresses_and_broken_locks_tell_nothing(tmp_path):
    (tmp_path / "uv.lock").write_text(
        '[[package]]\nname = "First"\nversion = "1.0"\n'
        'sdist = {url = "x", hash = "sha256:aa"}\nwheels = [{url = "y", hash = "sha256:bb"}]\n'
    )
    (tmp_path / "pylock.a.toml").write_text("packages = 3")
    (tmp_path / "pylock.b.toml").write_text("half [")
    source = "https://example.org/second-1.0-py3-none-any.whl#sha256=cc"
    members = DependencySet("x", [pip("second", "1.0", source=source)])
    assert find_hashes(members, [tmp_path, tmp_path / "nowhere"]) == {
        "second==1.0": ["sha256:cc"], "first==1.0": ["sha256:bb", "sha256:aa"],
    }  # fmt: skip
