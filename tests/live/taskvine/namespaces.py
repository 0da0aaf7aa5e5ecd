"""First processes of namespaces: how they start, how others join them, how they end.

A first process says `ready` and lives until its standard input closes.
"""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

READY_LIMIT_S = 60

# For sh: $1 lower directories, $2 upper, $3 work, $4 the overlay's place, $5 name, $6 what follows.
# The root has no mount program: its Python detaches the old root; -B keeps it from writing.
HOST = """set -e
mount -t overlay nbrepro-host -o "lowerdir=$1,upperdir=$2,workdir=$3" "$4"
cd "$4"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs tmpfs run
mount -t tmpfs -o mode=755 dev dev
for node in null zero full random urandom tty; do
    : > dev/$node
    mount --bind /dev/$node dev/$node
done
mkdir dev/shm dev/pts run/outside
mount -t tmpfs shm dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for n in 0:stdin 1:stdout 2:stderr; do ln -s /proc/self/fd/${n%:*} dev/${n#*:}; done
pivot_root . run/outside
cd /
exec /usr/bin/python3 -I -B -c "$6" "$5"
"""
# SIGCHLD ignored: the kernel reaps the orphans that a first process inherits.
FIRST_PROCESS = """
import ctypes, os, signal, socket, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
socket.sethostname(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
if libc.umount2(b"/run/outside", 2):
    raise OSError(ctypes.get_errno(), "the old root stays")
os.rmdir("/run/outside")
print("ready", flush=True)
sys.stdin.read()
"""
SWITCH = """set -e
ip link set lo up
ip link add br0 type bridge
ip link set br0 up
echo ready
read end
"""


class HostError(Exception):
    """A host, or a program on it, does not do what it must; the text says which and why."""


def enter_words(pid: int, *namespaces: str) -> list[str]:
    """Give the command that runs the words after it in namespaces of a process."""
    return ["nsenter", f"--target={pid}", *(f"--{name}" for name in namespaces)]


def start_first(words: Sequence[str], name: str) -> subprocess.Popen[bytes]:
    """Start a process that says `ready` and ends when its standard input does."""
    process = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout
    said, deadline = b"", time.monotonic() + READY_LIMIT_S
    while b"ready\n" not in said:
        waiting = max(0, deadline - time.monotonic())
        readable = select.select([process.stdout], [], [], waiting)[0]
        more = os.read(process.stdout.fileno(), 4096) if readable else b""
        if not more:
            stop_first(process)
            raise HostError(f"{name} does not start: {(said + more).decode(errors='replace')}")
        said += more
    return process


def stop_first(process: subprocess.Popen[bytes]) -> None:
    """Close the standard input of a first process and wait for its end."""
    assert process.stdin and process.stdout
    process.stdin.close()
    try:
        process.wait(2)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(READY_LIMIT_S)
    process.stdout.close()


def find_child(process: subprocess.Popen[bytes]) -> int:
    """Find the one child of a process that forks once, soon."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    deadline = time.monotonic() + READY_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        found = children.read_text().split()
        if found:
            return int(found[0])
        time.sleep(0.02)
    raise HostError(f"{process.args!r} has no child: it ended, or did not start")
