"""Each file gets one role, and the rule that gave it."""

from __future__ import annotations

import pytest

from nbrepro.config import RoleRule
from nbrepro.model import Package, Role
from nbrepro.roles import RULES, FileFacts, Places, classify

PLACES = Places(
    project="/home/ann/study",
    prefix="/home/ann/study/.venv",
    home="/home/ann",
    temporary="/tmp",
    run="/home/ann/study/.nbrepro/runs/r1",
)


def file(path, package=None, kind="file", **known):
    return FileFacts(path, kind, package, **known)


NUMPY = Package("numpy", "2.1.0", "pip", "pkg:pypi/numpy@2.1.0")
MINE = Package("mine", "1", "pip", "pkg:pypi/mine@1", source="file:///src/my%20tool")
LIBC = Package("libc6", "2.36", "dpkg", "pkg:deb/debian/libc6@2.36")
SITE = "/home/ann/study/.venv/lib/python3.12/site-packages"


@pytest.mark.parametrize(
    ("facts", "role", "rule"),
    [
        (file("/home/ann/study/in.csv"), Role.DATA, "otherwise-data"),
        (file("/data/in"), Role.DATA, "otherwise-data"),
        (file("/home/ann/study/lib/tool.py"), Role.CODE, "code-of-project"),
        (file("/home/ann/study/run", executed=True), Role.CODE, "code-of-project"),
        (file("/home/ann/study/params.toml"), Role.CONFIG, "configuration-by-name"),
        (file("/home/ann/study/data", kind="directory"), Role.DIRECTORY, "directory"),
        (file("/home/ann/study/pipe", kind="fifo"), Role.DATA, "otherwise-data"),
        (file(SITE + "/numpy/linalg.py", NUMPY), Role.PACKAGE, "library-of-package"),
        (file(SITE + "/numpy/x.so.1", NUMPY), Role.PACKAGE, "library-of-package"),
        (file(SITE + "/numpy/LICENSE", NUMPY), Role.PACKAGE_DATA, "file-of-package"),
        (
            file(SITE + "/numpy-2.dist-info/entry_points.txt", NUMPY),
            Role.PACKAGE_DATA,
            "metadata-of-package",
        ),
        (file(SITE + "/skimage/data/cat.png", NUMPY), Role.DATA, "dataset-of-package"),
        (
            file("/usr/lib/python3/dist-packages/skimage/data/cat.png", NUMPY),
            Role.DATA,
            "dataset-of-package",
        ),
        (file(SITE + "/mpl/mpl-data/a.png", NUMPY), Role.PACKAGE_DATA, "file-of-package"),
        (file(SITE + "/stray.py"), Role.UNRESOLVED, "library-without-owner"),
        (file("/opt/x/libfoo.so.2"), Role.UNRESOLVED, "library-without-owner"),
        (file("/home/ann/study/.venv/pyvenv.cfg"), Role.SYSTEM, "environment-file"),
        (file("/usr/lib/libc.so.6", LIBC), Role.PACKAGE, "library-of-package"),
        (file("/etc/passwd", LIBC), Role.SYSTEM, "system-directory"),
        (file("/usr/local/bin/mine", executed=True), Role.UNRESOLVED, "program"),
        (file("/proc/cpuinfo"), Role.SYSTEM, "kernel-file-system"),
        (file("/dev/urandom", kind="device"), Role.SYSTEM, "device"),
        (file("/dev/shm/psm_1"), Role.TEMPORARY, "shared-memory"),
        (file("/home/ann/.ipython/profile_default/history.sqlite"), Role.RUNTIME,
         "jupyter-runtime"),
        (file("/home/ann/.local/share/jupyter/runtime/kernel-1.json"),
         Role.RUNTIME, "jupyter-runtime"),
        (file("/data/jupyter/in.csv"), Role.DATA, "otherwise-data"),
        (file("/home/ann/study/.nbrepro/runs/r1/x"), Role.RUNTIME, "of-this-tool"),
        (file("/home/ann/study/__pycache__/tool.cpython-312.pyc"), Role.CACHE,
         "bytecode"),
        (file("/home/ann/study/__pycache__/tool.cpython-312.pyc.140568509667152"), Role.CACHE,
         "bytecode"),
        (file("/home/ann/.cache/matplotlib/fontlist.json"), Role.CACHE,
         "user-cache"),
        (file("/home/ann/.config/matplotlib/matplotlibrc"), Role.CONFIG,
         "user-configuration"),
        (file("/home/ann/study/a.tmp", passing=True, removed=True),
         Role.TEMPORARY, "made-and-removed-in-one-cell"),
        (file("/home/ann/study/a.csv", removed=True), Role.DATA, "otherwise-data"),
        (file("/tmp/a", removed=True), Role.TEMPORARY,
         "made-and-removed-in-temporary-directory"),
        (file("/tmp/out.csv"), Role.DATA, "otherwise-data"),
        (file("/tmp/#12", kind="deleted"), Role.TEMPORARY, "file-without-a-name"),
        (file("/tmp/worker-0-1/task.4/scratch"), Role.TEMPORARY, "sandbox-of-task"),
        (file("/tmp/worker-0-1/cache/file-md5-1"), Role.RUNTIME, "engine-of-tasks"),
        (file("/home/ann/study/task.4/scratch"), Role.DATA, "otherwise-data"),
        (file("/home/ann/.pyenv/version"), Role.SYSTEM, "tool-of-user"),
        (file("/src/my tool/mine/a.py", MINE), Role.PACKAGE, "library-of-package"),
        (file("/src/my tool/data/a.csv", MINE), Role.DATA, "otherwise-data"),
        (file("10.0.0.1", kind="inet"), Role.NETWORK, "connection"),
    ],
    ids=lambda value: value.path if isinstance(value, FileFacts) else "",
)  # fmt: skip
def test_role_and_rule(facts, role, rule):
    assert classify(facts, PLACES) == (role, rule)


def test_what_a_project_below_the_temporary_directory_removed_again_is_data():
    places = Places("/tmp/study", "/v", "/root", "/tmp")
    assert classify(file("/tmp/study/a.csv", removed=True), places).role is Role.DATA


def test_project_inside_the_interpreters_prefix_keeps_its_data():
    places = Places("/opt/conda/work", "/opt/conda", "/root", "/tmp")
    assert classify(file("/opt/conda/work/a.csv"), places).role is Role.DATA
    assert classify(file("/opt/conda/x.txt"), places).role is Role.SYSTEM


def test_configured_rule_comes_first_and_names_its_pattern():
    own = [RoleRule("lookup/*.csv", Role.CONFIG)]
    codes = file("/home/ann/study/lookup/codes.csv")
    assert classify(codes, PLACES, own) == (Role.CONFIG, "configured: lookup/*.csv")
    other = file("/data/lookup/codes.csv")
    assert classify(other, PLACES, own).role is Role.DATA


def test_rules_have_distinct_names():
    names = [rule.name for rule in RULES]
    assert len(names) == len(set(names))
