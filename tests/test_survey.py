"""Which files are worth a look, and what a whole trace says of names and packages."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbrepro.capture import survey as surveying
from nbrepro.capture.survey import (
    INVENTORY_FILES,
    Names,
    Scope,
    resolved_names,
    survey,
    take_inventory,
    without_imports,
    without_repeats,
    without_searches,
    workers,
)

ROOTS = {"project": "/home/u/work", "prefix": "/home/u/work/.venv", "home": "/home/u"}
RUN = "/home/u/work/.nbrepro/runs/r1"
SCOPE = Scope(ROOTS, RUN)

CANDIDATES = {
    "/home/u/work/data/a.csv": True,
    "/home/u/work/model.py": True,
    "/home/u/work/lib/data.nc": True,
    "/data/remote.root": True,
    "/opt/datasets/a.csv": True,
    "/tmp/a.csv": True,
    "/dev/shm/psm_1234": True,
    "/home/u/.cache/pooch/air.nc": True,
    "/home/u/work/with space/\udcff\n": True,
    "/home/u/work/.venv/lib/python3.11/site-packages/sklearn/datasets/data/iris.csv": True,
    "/usr/share/dataset/data/air.nc": True,
    "/home/u/work/.venv/lib/python3.11/site-packages/numpy/__init__.py": False,
    "/home/u/work/.venv/lib/python3.11/site-packages/data/code.py": False,
    "/home/u/work/.venv/bin/python": False,
    "/home/u/work/.venv/pyvenv.cfg": False,
    "/home/u/.pyenv/versions/3.12.1/lib/python3.12/os.py": False,
    "/home/u/.pyenv/versions/3.12.1/lib/libpython3.12.so.1.0": False,
    "/home/u/work/__pycache__/model.cpython-311.pyc": False,
    "/usr/lib/x86_64-linux-gnu/libc.so.6": False,
    "/etc/passwd": False,
    "/proc/1/status": False,
    "/dev/null": False,
    "/dev/shm/sem.abc": False,
    "/memfd:wayland": False,
    "/tmp/#12345": False,
    "/home/u/.ipython/profile_default/history.sqlite": False,
    f"{RUN}/manifest.json": False,
    "127.0.0.1": False,
    "socket:[12]": False,
    "": False,
}


@pytest.mark.parametrize(("path", "expected"), CANDIDATES.items())
def test_scope_tells_what_may_be_data(path: str, expected: bool):
    assert SCOPE.is_candidate(path) is expected
    assert SCOPE.is_candidate(path) is expected


def test_project_inside_a_prefix_is_a_project():
    nested = Scope({"project": "/opt/conda/share/work", "prefix": "/opt/conda"}, RUN)
    assert nested.is_candidate("/opt/conda/share/work/a.csv")
    assert not nested.is_candidate("/opt/conda/share/zoneinfo/UTC")


def test_project_below_usr_is_a_project():
    below = Scope({"project": "/usr/src/app", "prefix": "/usr/local"}, RUN)
    assert below.is_candidate("/usr/src/app/a.csv")
    assert not below.is_candidate("/usr/local/lib/libx.so")


PACKAGED = {
    "/home/u/work/.venv/lib/python3.11/site-packages/numpy/__init__.py": True,
    "/usr/bin/sort": True,
    "/home/u/work/model.py": True,
    "/data/remote.root": True,
    "/home/u/work/data/a.csv": False,
    "/proc/cpuinfo": False,
    f"{RUN}/manifest.json": False,
}


@pytest.mark.parametrize(("path", "expected"), PACKAGED.items())
def test_scope_tells_what_a_package_may_own(path: str, expected: bool):
    assert SCOPE.may_be_packaged(path) is expected


def test_names_are_freed_of_links_among_their_parents(tmp_path: Path):
    real = tmp_path / "real"
    real.mkdir()
    (tmp_path / "link").symlink_to(real)
    (real / "program").symlink_to("target")
    names = Names()
    assert names.resolve(f"{tmp_path}/link/gone") == f"{real}/gone"
    assert names.resolve(f"{tmp_path}/link/program") == f"{real}/program"
    assert names.resolve(f"{tmp_path}/real/plain") == f"{real}/plain"
    assert names.resolve("/vmlinuz") == "/vmlinuz"
    whole = Names()
    assert whole.resolve(f"{tmp_path}/link/program", whole=True) == f"{real}/target"
    assert [name.path for name in resolved_names(names)] == [f"{real}/gone", f"{real}/program"]


def test_name_keeps_what_it_was_when_the_link_was_there(tmp_path: Path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    names = Names()
    first = names.resolve(f"{tmp_path}/link/a")
    (tmp_path / "link").unlink()
    names.forget_parents()
    assert names.resolve(f"{tmp_path}/link/a") == first == f"{tmp_path}/real/a"
    assert names.resolve(f"{tmp_path}/link/b") == f"{tmp_path}/link/b"


def test_survey_collects_what_a_trace_touched(tmp_path: Path):
    project = tmp_path / "project"
    (project / "real").mkdir(parents=True)
    (project / "link").symlink_to("real")
    at = f"AT_FDCWD<{project}>"
    http = 'sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("10.0.0.1")'
    calls = [
        f'execve("{sys.executable}", ["python"], 0x7 /* 3 vars */) = 0',
        f'openat({at}, "a.csv", O_RDONLY|O_CLOEXEC) = 3<{project}/a.csv>',
        f'openat({at}, "b.csv", O_RDONLY) = -1 ENOENT (No such file or directory)',
        f'openat({at}, "c.csv", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 3<{project}/c.csv>',
        f'openat({at}, ".", O_RDONLY|O_DIRECTORY) = 3<{project}>',
        'rename("c.csv", "link/d.csv") = 0',
        f'openat({at}, "{os.__file__}", O_RDONLY) = 3<{os.__file__}>',
        f"connect(3<TCP:[1]>, {{{http}}}, 16) = 0",
    ]
    trace = tmp_path / "t.strace"
    trace.write_text("".join(f"10 1.{n:09d} {call}\n" for n, call in enumerate(calls)))
    names = Names()
    scope = Scope({"project": str(project), "prefix": sys.prefix}, str(tmp_path / "run"))
    found = survey(trace, "token", scope, names, str(project))
    real = os.path.realpath(sys.executable)
    data = {path: wrote for path, wrote in found.touched.items() if path.startswith(str(project))}
    assert data == {
        f"{project}/a.csv": False,
        f"{project}/c.csv": True,
        f"{project}/real/d.csv": True,
    }
    assert found.executables == {sys.executable, real}
    assert found.packaged == {real, os.__file__}
    owned = {o.path for o in found.ownerships() if o.package}
    assert {real, os.__file__} <= owned


NOT_FOUND = b"= -1 ENOENT (No such file or directory)\n"
KEPT = (
    b'7 1.000000001 openat(AT_FDCWD</>, "a", O_RDONLY) = 3</a>\n',
    b'7 1.000000001 openat(AT_FDCWD</>, "c", O_RDONLY <unfinished ...>\n',
    b"7 1.000000001 <... openat resumed>) " + NOT_FOUND,
    b'7 1.000000001 openat(AT_FDCWD</>, "d", O_RDONLY) = -1 EACCES (Permission denied)\n',
    b'7 1.000000001 openat(AT_FDCWD</>, "f", O_WRONLY|O_CREAT) = 3</x/lib/python3.11/f.py>\n',
    b'7 1.000000001 openat(AT_FDCWD</>, "g", O_RDONLY) = 3</work/g.py>\n',
)
SEARCH = b'7 1.000000001 openat(AT_FDCWD</>, "b", O_RDONLY) ' + NOT_FOUND
IMPORT = b'7 1.000000001 openat(AT_FDCWD</>, "e", O_RDONLY) = 3</x/lib/python3.11/e.pyc>\n'


@given(
    lines=st.lists(st.sampled_from((*KEPT, SEARCH, IMPORT))),
    torn=st.sampled_from((b"", b"7 1.0000")),
)
def test_only_searches_and_imports_are_dropped(lines: list[bytes], torn: bytes):
    block = b"".join(lines) + torn
    found = [line for line in lines if line != SEARCH]
    assert b"".join(without_searches([block])) == b"".join(found) + torn
    data = [line for line in found if line != IMPORT]
    noted: list[bytes] = []
    assert b"".join(without_imports([block], noted.append)) == b"".join(data) + torn
    assert noted == [b"</x/lib/python3.11/e.pyc>\n"] * lines.count(IMPORT)


def test_inventory_lists_the_nearest_files_within_bounds(tmp_path: Path, monkeypatch):
    for name in ("b.csv", "a.csv", "deep/c.csv", ".git/x", ".hidden/y", "__pycache__/z",
                 "node_modules/n", ".nbrepro/runs/r1/manifest.json"):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("12345")
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    scope = Scope({"project": str(tmp_path)}, str(tmp_path / ".nbrepro/runs/r1"))
    whole = take_inventory(str(tmp_path), scope)
    assert [Path(p).name for p in whole.paths] == ["a.csv", "b.csv", "c.csv"]
    assert whole.complete
    monkeypatch.setattr(surveying, "INVENTORY_BYTES", 12)
    part = take_inventory(str(tmp_path), scope)
    assert [Path(p).name for p in part.paths] == ["a.csv", "b.csv"]
    assert not part.complete
    assert take_inventory(str(tmp_path / "nowhere"), scope).paths == []


def test_inventory_of_many_files_is_bounded(tmp_path: Path):
    for number in range(INVENTORY_FILES + 5):
        (tmp_path / f"{number}.txt").touch()
    found = take_inventory(str(tmp_path), Scope({"project": str(tmp_path)}, "/run"))
    assert (len(found.paths), found.complete) == (INVENTORY_FILES, False)


def test_workers_begin_with_the_kernel():
    assert workers(os.getpid())[0] == os.getpid()
    assert workers(2**30) == [2**30]


def test_modules_that_were_opened_before_are_dropped_from_the_survey():
    def opened(path: str, flags: str = "O_RDONLY|O_CLOEXEC") -> bytes:
        return f'7 1.5 openat(AT_FDCWD</>, "{path}", {flags}) = 3<{path}>\n'.encode()

    module, data = opened("/e/lib/python3.11/a.pyc"), opened("/d/a.csv")
    written = opened("/e/lib/python3.11/a.pyc", "O_WRONLY|O_CREAT")
    blocks = [module + data + module, module + written + data]
    assert list(without_repeats(blocks)) == [module + data, written + data]
