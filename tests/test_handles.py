"""Uses of handles and maps that earlier cells opened, told from outside of real programs."""

from __future__ import annotations

import hashlib
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nbrepro.capture.digests import FileKey
from nbrepro.capture.handles import Handles, Use, held_files, mapped_files
from nbrepro.capture.survey import Scope
from nbrepro.model import Evidence, Mode

pytestmark = pytest.mark.live

PROGRAM = """
import sys
for line in sys.stdin:
    exec(eval(line), globals())
    print("done", flush=True)
"""


class Program:
    """A process that executes what it is told, as a kernel does."""

    def __init__(self, folder: Path):
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder,
        )  # fmt: skip
        self.pid = self.process.pid

    def do(self, source: str) -> None:
        self.process.stdin.write(repr(source) + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n", source

    def end(self) -> None:
        self.process.communicate(timeout=20)


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    (tmp_path / "table.csv").write_text("1,2,3\n" * 20_000)
    started = Program(tmp_path)
    yield started
    started.end()


@pytest.fixture
def handles(tmp_path: Path, program: Program) -> Iterator[Handles]:
    made = Handles(scope(tmp_path))
    made.kernel_started(program.pid)
    yield made
    made.close()


def scope(folder: Path) -> Scope:
    return Scope({"project": str(folder), "prefix": sys.prefix}, str(folder / "run"))


def cell(handles: Handles, program: Program, source: str) -> list[Use]:
    handles.cell_started()
    program.do(source)
    return handles.cell_ended()


READ, WRITE, BOTH = Mode.READ, Mode.WRITE, Mode.READ_WRITE

CASES = {
    "plain-read": ("f = open('table.csv'); f.readline()", "f.read()", "table.csv", READ),
    "pread-keeps-offset": (
        "import os; f = open('table.csv', 'rb')", "os.pread(f.fileno(), 10, 5)", "table.csv", READ,
    ),
    "append": ("f = open('log.txt', 'a')", "f.write('x'); f.flush()", "log.txt", WRITE),
    "update": (
        "f = open('table.csv', 'r+b', 0)", "f.read(3); f.seek(0); f.write(b'9')", "table.csv", BOTH,
    ),
    "hdf5": (
        "import h5py\nwith h5py.File('d.h5', 'w') as f: f['x'] = range(100_000)\n"
        "f = h5py.File('d.h5')", "f['x'][50_000:50_010]", "d.h5", READ,
    ),
    "netcdf": (
        "import netCDF4, numpy\nf = netCDF4.Dataset('d.nc', 'w'); f.createDimension('t', 90_000)\n"
        "f.createVariable('v', 'f8', ('t',))[:] = numpy.arange(90_000.); f.close()\n"
        "f = netCDF4.Dataset('d.nc')", "f['v'][40_000:40_010]", "d.nc", READ,
    ),
    "sqlite-select": (
        "import sqlite3; c = sqlite3.connect('d.db'); c.execute('create table t (a)'); c.commit()",
        "c.execute('select * from t').fetchall()", "d.db", READ,
    ),
    "sqlite-insert": (
        "import sqlite3; c = sqlite3.connect('d.db'); c.execute('create table t (a)'); c.commit()",
        "c.execute('insert into t values (1)'); c.commit()", "d.db", BOTH,
    ),
    "removed-meanwhile": (
        "import os; f = open('table.csv'); os.remove('table.csv')", "f.read()", "table.csv", READ,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("opening", "using", "name", "mode"), CASES.values(), ids=CASES)
def test_use_of_earlier_handle_is_seen_and_idleness_is_not(
    handles: Handles, program: Program, tmp_path: Path, opening, using, name, mode
):
    assert cell(handles, program, opening) == []
    assert cell(handles, program, "1 + 1") == []
    assert cell(handles, program, using) == [Use(str(tmp_path / name), mode, Evidence.HANDLE)]
    assert cell(handles, program, "2 + 2") == []
    assert handles.gaps == []


MAPS = {
    "numpy-memmap": "import numpy; m = numpy.memmap('table.csv', mode='{mode}')",
    "mmap": (
        "import mmap; f = open('table.csv', 'r+b')\n"
        "m = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_{access}); f.close()"
    ),
}


@pytest.mark.parametrize("writable", [False, True], ids=["read-only", "writable"])
@pytest.mark.parametrize("opening", MAPS.values(), ids=MAPS)
def test_touch_of_earlier_map_is_seen_and_idleness_is_not(
    handles: Handles, program: Program, tmp_path: Path, opening: str, writable: bool
):
    mode, access = ("r+", "WRITE") if writable else ("r", "READ")
    assert cell(handles, program, opening.format(mode=mode, access=access)) == []
    assert cell(handles, program, "1 + 1") == []
    touched = Use(str(tmp_path / "table.csv"), READ, Evidence.MAP, unsure=writable)
    assert cell(handles, program, "m[70_000]") == [touched]
    assert cell(handles, program, "2 + 2") == []
    if writable:
        assert cell(handles, program, "m[70_000] = 65") == [touched]


def test_handle_opened_by_the_same_cell_is_not_an_earlier_one(handles: Handles, program: Program):
    assert cell(handles, program, "f = open('table.csv'); f.read()") == []


def test_own_reading_is_not_taken_for_the_kernels(
    handles: Handles, program: Program, tmp_path: Path
):
    path = tmp_path / "table.csv"
    program.do("import numpy; f = open('table.csv'); m = numpy.memmap('table.csv', mode='r'); m[0]")
    handles.cell_started()
    with handles.reading(key_of(path)):
        hashlib.sha256(path.read_bytes())
    assert handles.cell_ended() == []


def test_use_after_own_reading_is_seen(handles: Handles, program: Program, tmp_path: Path):
    path = tmp_path / "table.csv"
    program.do("import numpy; f = open('table.csv'); m = numpy.memmap('table.csv', mode='r'); m[0]")
    with handles.reading(key_of(path)):
        handles.cell_started()
        path.read_bytes()
    program.do("f.read(10); m[5]")
    assert {use.evidence for use in handles.cell_ended()} == {Evidence.HANDLE, Evidence.MAP}


def test_use_during_own_reading_shows_in_the_offset(
    handles: Handles, program: Program, tmp_path: Path
):
    path = tmp_path / "table.csv"
    program.do("f = open('table.csv')")
    handles.cell_started()
    with handles.reading(key_of(path)):
        program.do("f.read(10)")
    assert handles.cell_ended() == [Use(str(path), READ, Evidence.HANDLE)]


def test_offsets_stand_in_for_inotify(program: Program, tmp_path: Path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        handles = Handles(scope(tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    handles.kernel_started(program.pid)
    assert ["inotify is not available" in gap for gap in handles.gaps] == [True]
    program.do("f = open('table.csv'); g = open('log.txt', 'w'); h = open('table.csv', 'r+')")
    assert cell(handles, program, "1 + 1") == []
    used = cell(handles, program, "f.read(); g.write('x'); g.flush()")
    assert {(use.path, use.mode) for use in used} == {
        (str(tmp_path / "table.csv"), READ),
        (str(tmp_path / "log.txt"), WRITE),
    }


def test_background_process_of_an_earlier_cell_keeps_its_reading_to_itself(
    handles: Handles, program: Program
):
    program.do(
        "import subprocess; f = open('table.csv')\n"
        "b = subprocess.Popen('exec 3<table.csv; echo; while read line <&3; do sleep 0.01; done',"
        " shell=True, stdout=-1); b.stdout.readline()"
    )
    assert cell(handles, program, "import time; time.sleep(0.2)") == []
    assert len(cell(handles, program, "f.read()")) == 1
    program.do("b.kill(); b.communicate()")


def test_handle_of_a_forked_pool_worker_counts(handles: Handles, program: Program, tmp_path: Path):
    program.do(
        "import multiprocessing, os, time\n"
        "def begin():\n    global f\n    f = open('table.csv', 'rb')\n"
        "def work(i):\n    return len(os.pread(f.fileno(), 10, i))\n"
        "pool = multiprocessing.get_context('fork').Pool(1, begin); pool.map(time.sleep, [0])"
    )
    assert cell(handles, program, "1 + 1") == []
    used = cell(handles, program, "pool.map(work, range(3))")
    assert used == [Use(str(tmp_path / "table.csv"), READ, Evidence.HANDLE)]
    program.do("pool.terminate()")


def test_cell_of_a_kernel_that_ended_used_nothing(handles: Handles, program: Program):
    program.do("f = open('table.csv')")
    handles.cell_started()
    program.end()
    assert handles.cell_ended() == []
    handles.cell_started()
    assert handles.cell_ended() == []
    assert handles.gaps == []


def test_libraries_are_not_data(program: Program, tmp_path: Path):
    program.do("import numpy; m = numpy.memmap('table.csv', mode='r')")
    anywhere = Scope({}, str(tmp_path / "run"))
    assert {m.path for m in mapped_files(program.pid, anywhere)} == {str(tmp_path / "table.csv")}


def test_odd_names_survive(program: Program, tmp_path: Path):
    program.do(
        "import mmap; f = open(b'line\\nand \\xff \\\\ (deleted)', 'w+b'); f.write(b'x'); f.flush()"
        "; m = mmap.mmap(f.fileno(), 0)"
    )
    path = os.fsdecode(os.fsencode(tmp_path) + b"/line\nand \xff \\ (deleted)")
    assert {held.path for held in held_files(program.pid, scope(tmp_path))} == {path}
    assert {mapped.path for mapped in mapped_files(program.pid, scope(tmp_path))} == {path}


def test_cost_of_a_cell_is_printed(handles: Handles, program: Program, capsys):
    program.do("import numpy, pandas; f = [open('table.csv') for _ in range(20)]")
    began = time.perf_counter()
    for _ in range(20):
        handles.cell_started()
        handles.cell_ended()
    with capsys.disabled():
        print(f"\n20 open files: {(time.perf_counter() - began) / 20 * 1e3:.1f} ms a cell")
    assert handles.gaps == []


def key_of(path: Path) -> FileKey:
    facts = path.stat()
    return FileKey(facts.st_dev, facts.st_ino)
