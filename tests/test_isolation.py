"""A root of files of this host, and commands that see nothing else: they say so themselves."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
import time
from pathlib import Path

import pytest

from nbrepro.errors import MachineError
from nbrepro.packaging import isolation
from nbrepro.packaging.isolation import Bind, run_isolated
from nbrepro.packaging.root import PackagingError, fill_root

pytestmark = pytest.mark.live("isolation")
PATH = {"PATH": "/bin:/usr/bin"}
PROGRAMS = [f"/bin/{name}" for name in ("sh", "cat", "ls", "touch", "sleep", "mount", "id", "ln")]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    filled = fill_root(root, PROGRAMS)
    assert not filled.missing
    return root


@pytest.fixture(params=["launcher", "bwrap"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "bwrap" and not shutil.which("bwrap"):
        pytest.skip("bubblewrap is not installed")
    monkeypatch.setattr(isolation, "find_way", lambda: request.param)
    return request.param


def say(root: Path, script: str, **more: object) -> list[str]:
    done = run_isolated(root, ["/bin/sh", "-c", script], environment=PATH, timeout=30, **more)
    assert done.code == 0, done
    return done.stdout.decode().split("\n")[:-1]


def test_a_root_holds_its_programs_and_nothing_else(root: Path, way: str):
    assert set(say(root, "ls /")) <= {"bin", "etc", "lib", "lib64", "usr", "proc", "dev", "tmp"}
    assert say(root, "ls /tmp; ls /etc") == ["ld.so.cache"]


def test_links_on_the_way_are_kept_and_files_are_equal(tmp_path: Path):
    source, root = tmp_path / "source", tmp_path / "root"
    (source / "real").mkdir(parents=True)
    root.mkdir()
    (source / "real/data.bin").write_bytes(b"\0content")
    (source / "way").symlink_to("real")
    (source / "latest").symlink_to(source / "way/data.bin")
    filled = fill_root(root, [f"{source}/latest", f"{source}/way/../real/data.bin"])
    copy = root / str(source)[1:]
    assert os.readlink(copy / "latest") == f"{source}/way/data.bin"
    assert os.readlink(copy / "way") == "real"
    assert (copy / "real/data.bin").read_bytes() == b"\0content"
    assert list(filled.files) == [f"{source}/real/data.bin"]
    assert (copy / "real/data.bin").stat().st_mtime_ns == (
        source / "real/data.bin"
    ).stat().st_mtime_ns


def test_what_cannot_be_taken_is_told(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "root").mkdir()
    paths = [f"{tmp_path}/{name}" for name in ("absent", "pipe", "loop")]
    filled = fill_root(tmp_path / "root", [*paths, "/proc/self/status", "/developer"])
    assert filled.missing == {
        paths[0]: "no such file or directory",
        paths[1]: "neither a file nor a directory",
        paths[2]: "too many levels of symbolic links",
        "/proc/self/status": "made anew in every root",
        "/developer": "no such file or directory",
    }


def test_set_user_id_is_not_taken_along(tmp_path: Path):
    program, root = tmp_path / "program", tmp_path / "root"
    program.write_text("x")
    program.chmod(0o4755)
    root.mkdir()
    fill_root(root, [str(program)])
    assert stat.S_IMODE((root / str(program)[1:]).stat().st_mode) == 0o755


def test_a_root_with_a_link_in_it_is_not_written_through(tmp_path: Path):
    outside, root = tmp_path / "outside", tmp_path / "root"
    outside.mkdir()
    root.mkdir()
    (root / "etc").symlink_to(outside)
    with pytest.raises(PackagingError, match="lead out of the root"):
        fill_root(root, ["/etc/hostname"])
    assert not list(outside.iterdir())


def test_interpreters_of_scripts_and_their_libraries_come_along(tmp_path: Path, way: str):
    script, root = tmp_path / "hello", tmp_path / "root"
    script.write_text("#!/bin/sh\necho from a script\n")
    script.chmod(0o755)
    root.mkdir()
    filled = fill_root(root, [str(script)])
    assert run_isolated(root, [str(script)]).stdout == b"from a script\n"
    assert "interpreter of" in filled.added[os.path.realpath("/bin/sh")]


def test_nothing_but_writable_places_can_be_changed(root: Path, tmp_path: Path, way: str):
    refused = "touch /x 2>/dev/null || echo refused; touch /tmp/y && ls /tmp"
    assert say(root, refused) == ["refused", "y"]
    own = tmp_path / "root"
    own.mkdir()
    fill_root(own, PROGRAMS)
    (own / "home").mkdir()
    say(own, "touch /home/kept /tmp/kept", writable=("/home", "/tmp"))
    assert (own / "home/kept").exists() and (own / "tmp/kept").exists()


def test_lent_files_are_read_only_unless_said(root: Path, tmp_path: Path, way: str):
    (tmp_path / "in").write_text("lent")
    (tmp_path / "out").mkdir()
    own = tmp_path / "root"
    own.mkdir()
    fill_root(own, PROGRAMS)
    binds = [Bind(tmp_path / "in", "/a/in"), Bind(tmp_path / "out", "/b", writable=True)]
    said = say(own, "cat /a/in; echo; touch /b/made; (>/a/in) 2>/dev/null || echo no", binds=binds)
    assert said == ["lent", "no"]
    assert (tmp_path / "out/made").exists() and (tmp_path / "in").read_text() == "lent"


def test_a_layer_takes_what_is_changed(root: Path, tmp_path: Path):
    if not isolation.can_layer():
        pytest.skip("no overlay in a user name space here")
    say(root, "echo changed > /etc/new; ls /etc > /tmp/list", layer=tmp_path)
    upper = tmp_path / "upper"
    assert (upper / "etc/new").read_text() == "changed\n"
    assert (upper / "tmp/list").read_text() == "ld.so.cache\nnew\n"
    assert not (root / "etc/new").exists()
    isolation.open_layer(tmp_path)


def test_there_is_a_network_only_when_asked(tmp_path: Path, way: str):
    root = tmp_path / "root"
    root.mkdir()
    fill_root(root, ["/bin/cat"])
    with socket.socket() as server:
        alone = run_isolated(root, ["/bin/cat", "/proc/net/dev"])
        shared = run_isolated(root, ["/bin/cat", "/proc/net/dev"], network=True)
        server.close()
    assert [line.split(":")[0].strip() for line in alone.stdout.decode().split("\n")[2:-1]] == [
        "lo"
    ]
    assert shared.stdout.count(b"\n") == Path("/proc/net/dev").read_bytes().count(b"\n")


def test_environment_directory_and_exit_code_are_as_given(root: Path, way: str):
    done = run_isolated(
        root,
        ["/bin/sh", "-c", 'echo "$A $HOME"; pwd; exit 7'],
        cwd="/usr",
        environment={**PATH, "A": "5 ünï"},
    )
    assert (done.code, done.stdout.decode()) == (7, "5 ünï \n/usr\n")
    assert run_isolated(root, ["/bin/sh", "-c", "kill -9 $$"]).code == 137


def test_time_is_bounded_and_nothing_lives_on(root: Path, way: str):
    began = time.monotonic()
    script = "sleep 987.5 & sleep 987.25"
    done = run_isolated(root, ["/bin/sh", "-c", script], environment=PATH, timeout=0.7)
    assert done.timed_out and time.monotonic() - began < 20
    time.sleep(0.1)
    left = subprocess.run(["pgrep", "-f", "sleep 987"], capture_output=True, text=True)
    assert left.stdout == ""


def test_a_command_that_is_not_there_is_an_error_of_one_sentence(root: Path):
    with pytest.raises(MachineError, match="cannot be started in it"):
        run_isolated(root, ["/bin/absent"])
    with pytest.raises(MachineError, match="is no directory"):
        run_isolated(root / "absent", ["/bin/sh"])


def test_no_capability_is_left(root: Path, way: str):
    status = say(root, "cat /proc/self/status; mount -o remount,rw / 2>/dev/null || echo refused")
    held = {line.split(":")[0]: line.split()[-1] for line in status if line.startswith("Cap")}
    assert int(held["CapEff"], 16) == int(held["CapPrm"], 16) == 0
    assert status[-1] == "refused"


def test_links_of_a_hostile_root_lead_nowhere(tmp_path: Path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    fill_root(root, PROGRAMS)
    (root / "lent").symlink_to(outside)
    (root / "usr/way").symlink_to("../" * 30 + str(outside)[1:])
    lent = tmp_path / "in"
    lent.mkdir()
    for target in ("/lent/deep", "/usr/way/deep"):
        with pytest.raises(MachineError, match="cannot be started in it"):
            run_isolated(root, ["/bin/sh", "-c", ":"], binds=[Bind(lent, target)])
    assert not list(outside.iterdir())


def test_an_ordinary_user_can_do_it(tmp_path: Path):
    if os.getuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("needs root, to become another user")
    root = Path("/tmp") / f"nbrepro-root-{os.getpid()}"
    launcher = root.with_suffix(".py")
    root.mkdir(mode=0o755)
    try:
        fill_root(root, PROGRAMS)
        shutil.copyfile(isolation._LAUNCHER, launcher)
        launcher.chmod(0o644)
        wanted = isolation.Isolation(root, ("/bin/id", "-u"))
        source = f"""
import os, sys
fd = os.memfd_create("x", 0)
os.write(fd, sys.argv[2].encode())
os.lseek(fd, 0, 0)
os.execv("/usr/bin/python3", ["python3", "-I", "-S", {str(launcher)!r}, str(fd), "2"])
"""
        words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3"]
        done = subprocess.run(
            [*words, "-c", source, "", json.dumps(isolation._specification(wanted))],
            capture_output=True, text=True, timeout=30, cwd="/",
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (0, "65534\n"), done.stderr
    finally:
        shutil.rmtree(root)
        launcher.unlink(missing_ok=True)
