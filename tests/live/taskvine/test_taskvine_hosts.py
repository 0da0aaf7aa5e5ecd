"""The hosts and the root work: isolation, killing, and TaskVine programs that add up by themselves.

These tests judge what the other tests of this folder stand on; nbrepro is hardly in them.
"""

from __future__ import annotations

import contextlib
import glob
import os
import subprocess
import sys
import time
from pathlib import Path

import hosts as simulated
import pytest
import scenarios
from hosts import HostError, OpenHosts

pytestmark = [pytest.mark.live(*simulated.PROGRAMS), pytest.mark.timeout(900)]


def wait_for(path: Path, limit_s: float = 60) -> None:
    deadline = time.monotonic() + limit_s
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.05)


def test_hosts_differ_in_everything_but_the_root(open_hosts: OpenHosts):
    opened = open_hosts(workers=2)
    kinds = ("net", "uts", "pid", "ipc", "mnt")
    look = f"hostname; cat /etc/hostname; cd /proc/self/ns; readlink {' '.join(kinds)}"
    views = [host.run(["sh", "-c", look]).stdout.split() for host in opened.all.values()]
    assert [view[:2] for view in views] == [["mgr"] * 2, ["w1"] * 2, ["w2"] * 2]
    for position in range(2, 2 + len(kinds)):
        assert len({view[position] for view in views}) == 3
    outside = {os.readlink(f"/proc/self/ns/{kind}") for kind in kinds}
    assert not outside & {word for view in views for word in view}


def test_upper_directory_is_what_a_host_wrote_and_nothing_else(open_hosts: OpenHosts):
    opened = open_hosts(workers=2)
    first, second = opened.workers
    first.put("/data/given.txt", "given")
    assert first.written() == {"/data": "directory"}
    first.run(["sh", "-c", "cat /data/given.txt > copy; rm /etc/group; ln -s copy link"])
    assert first.written() == {
        "/data": "directory", "/work": "directory", "/etc": "directory",
        "/work/copy": "file", "/work/link": "link", "/etc/group": "removed",
    }  # fmt: skip
    assert (first.upper / "work/copy").read_text() == "given"
    assert second.written() == {}


def test_a_killed_host_keeps_its_writes_and_closes_its_connections(open_hosts: OpenHosts):
    opened = open_hosts(workers=1)
    serve = (
        "import socket; server = socket.create_server(('', 5000)); "
        "peer = server.accept()[0]; print(peer.recv(9), peer.recv(9), flush=True)"
    )
    call = (
        "import socket, time; open('begun', 'w').close()\n"
        "for _ in range(100):\n"
        "    try: peer = socket.create_connection(('mgr', 5000)); break\n"
        "    except OSError: time.sleep(0.1)\n"
        "peer.send(b'hello'); open('sent', 'w').close(); time.sleep(100)"
    )
    server = opened.manager.start(["python3", "-c", serve])
    caller = opened["w1"].start(["python3", "-c", call])
    wait_for(opened["w1"].path_inside("/work/sent"))
    opened["w1"].kill()
    assert server.wait(20) == 0
    assert server.output == "b'hello' b''\n"
    assert caller.wait(5) == -9
    assert not opened["w1"].alive
    assert opened["w1"].written()["/work/begun"] == "file"
    with pytest.raises(HostError, match="runs no more"):
        opened["w1"].run(["true"])


@pytest.mark.parametrize("user", ["root", "observer"])
def test_tracing_works_is_forbidden_or_has_no_strace(open_hosts: OpenHosts, user: str):
    opened = open_hosts(workers=3, tracing={"w2": "forbidden", "w3": "no strace"})
    words = ["sh", "-c", "strace -f -o /dev/null true"]
    done = [host.run(words, user=user, cwd="/tmp") for host in opened.workers]
    assert [each.returncode for each in done] == [0, 1, 127]
    assert "PTRACE_TRACEME" in done[1].stderr and "not permitted" in done[1].stderr


def test_a_program_is_signalled_and_bounded(open_hosts: OpenHosts):
    (host,) = open_hosts(workers=1).workers
    script = "trap 'echo told; exit 7' TERM; : > ready; while :; do sleep 0.1; done"
    program = host.start(["sh", "-c", script])
    wait_for(host.path_inside("/work/ready"))
    program.signal(15)
    assert program.wait(20) == 7
    assert program.output == "told\n"
    with pytest.raises(HostError, match="ran for more than"):
        host.run(["sleep", "60"], timeout_s=0.5)
    assert "sleep 60" not in host.run(["ps", "ax"]).stdout


HOLD = """
import pathlib, sys
import hosts
root, base = map(pathlib.Path, sys.argv[1:])
with hosts.open_hosts(root, base, workers=1) as opened:
    opened["w1"].start(["sleep", "3141"])
    print(opened["w1"].run(["readlink", "/proc/1/ns/mnt"]).stdout.strip(), flush=True)
    sys.stdin.read()
"""


def holders_of(namespace: str) -> list[str]:
    """List the processes in a mount namespace."""
    found = []
    for path in glob.glob("/proc/[0-9]*/ns/mnt"):
        with contextlib.suppress(OSError):
            if os.readlink(path) == namespace:
                found.append(path)
    return found


def test_sessions_do_not_meet_and_a_killed_one_leaves_nothing(taskvine_root: Path, tmp_path: Path):
    sessions = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        words = [sys.executable, "-c", HOLD, str(taskvine_root), str(tmp_path / name)]
        session = subprocess.Popen(
            words, cwd=Path(__file__).parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        sessions.append(session)
    namespaces = [session.stdout.readline().decode().strip() for session in sessions]
    assert len(set(namespaces)) == 2
    assert all(len(holders_of(namespace)) >= 2 for namespace in namespaces)
    sessions[0].kill()
    sessions[1].stdin.close()
    deadline = time.monotonic() + 30
    while any(map(holders_of, namespaces)):
        assert time.monotonic() < deadline, "processes are left over"
        time.sleep(0.1)
    assert [session.wait(30) for session in sessions] == [-9, 0]
    for session in sessions:
        session.stdout.close()


def test_a_scenario_sees_the_packages_of_its_own_root(open_hosts: OpenHosts):
    manager = open_hosts(workers=1).manager
    done = manager.run(["nbrepro", "doctor"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7.14.5" in done.stdout


def test_an_observed_notebook_has_workers_that_nobody_observes(open_hosts: OpenHosts):
    fleet = open_hosts()
    scenarios.start_workers(fleet)
    play = scenarios.play(fleet, "plain-tasks", scenarios.OBSERVED)
    scenarios.check_truths(play, {"Task": 8, "PythonTask": 3})
    assert set(play.task_hosts()) == {"w1", "w2", "w3"}
    scenarios.check_outputs(play, fleet)
    for host in fleet.workers:
        assert {path.split("/")[1] for path in host.written()} == {"tmp"}
    answer = fleet.manager.run(["nbrepro", "data", "--cell", "2"])
    assert answer.returncode == 0, answer.stderr
    for n in range(6):
        assert f"data/{n}.txt" in answer.stdout
