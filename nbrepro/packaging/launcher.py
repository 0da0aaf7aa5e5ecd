"""Starts one command in a root file system of its own, with name spaces of the user's.

This runs as a script of its own, by the interpreter that runs the tool, and imports nothing of the
tool: `launcher.py SPECIFICATION-FD FAILURE-FD`. It needs no privilege and no ptrace:

1. a new user, mount, PID, IPC, UTS and, unless told otherwise, network name space;
2. the root, or a writable layer over it, becomes `/`, and the host's files go away;
3. mount points are made and used only after that: whatever links the root holds, they lead
   nowhere else;
4. `/proc`, `/dev` and, where the root has none, `/tmp` are fresh; every capability is dropped.

See user_namespaces(7), pivot_root(2), open_tree(2), capabilities(7). The numbers below are those of
the kernel's headers; the calls that take mounts apart (from 428 on) have the same number on every
architecture.
"""

import ctypes
import fcntl
import json
import os
import signal
import socket
import struct
import sys
from typing import Any

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 16384, 1 << 18
MNT_DETACH = 2
OPEN_TREE, MOVE_MOUNT, FSOPEN, FSCONFIG, FSMOUNT = 428, 429, 430, 431, 432
FSCONFIG_CMD_CREATE = 6
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "ppc64le": 203, "s390x": 217}
OPEN_TREE_CLONE, AT_EMPTY_PATH, AT_RECURSIVE, MOVE_MOUNT_F_EMPTY_PATH = 1, 0x1000, 0x8000, 4
AT_FDCWD = -100
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_SET_DUMPABLE = 1, 24, 38, 4
CAPSET = {"x86_64": 126, "aarch64": 91, "riscv64": 91, "ppc64le": 184, "s390x": 185}
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}

libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, what: str) -> int:
    """Turn -1 of a C call into an OSError that says what failed."""
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def mount(source: str, target: str, kind: str, flags: int = 0, data: str = "") -> None:
    """Mount as mount(2)."""
    words = [os.fsencode(word) for word in (source, target, kind)]
    check(libc.mount(*words, ctypes.c_ulong(flags), os.fsencode(data)), f"mount {kind} {target}")


def take_tree(path: str) -> int:
    """Give a descriptor of a copy of the mounts at `path`, which stays when the path goes away."""
    flags = OPEN_TREE_CLONE | AT_RECURSIVE | os.O_CLOEXEC
    tree = libc.syscall(OPEN_TREE, AT_FDCWD, os.fsencode(path), ctypes.c_uint(flags))
    return check(tree, f"open_tree {path}")


def take_processes() -> int:
    """Give a mount of the new name space's /proc, for `put_tree`.

    The kernel gives one only as long as the host's own /proc is there.
    """
    context = check(libc.syscall(FSOPEN, b"proc", 0), "fsopen proc")
    check(libc.syscall(FSCONFIG, context, FSCONFIG_CMD_CREATE, None, None, 0), "fsconfig proc")
    tree = libc.syscall(FSMOUNT, context, 0, MS_NOSUID | MS_NODEV | MS_NOEXEC)
    os.close(context)
    return check(tree, "fsmount proc")


def put_tree(tree: int, target: str) -> None:
    """Mount what `take_tree` gave."""
    arguments = (tree, b"", AT_FDCWD, os.fsencode(target), MOVE_MOUNT_F_EMPTY_PATH)
    check(libc.syscall(MOVE_MOUNT, *arguments), f"mount {target}")
    os.close(tree)


def make_read_only(target: str) -> None:
    """Remount read-only; what else restricts the mount is locked and must be said again."""
    held = os.statvfs(target).f_flag
    flags = MS_REMOUNT | MS_BIND | MS_RDONLY | (held & (MS_NOSUID | MS_NODEV | MS_NOEXEC))
    for bit, flag in ((1024, 1 << 10), (2048, 1 << 11), (4096, 1 << 21)):  # the access times'
        flags |= flag if held & bit else 0
    mount("none", target, "", flags)


def enter_user_namespace(network: bool) -> None:
    """Become the owner of new name spaces, under the same user and group as before."""
    user, group = os.getuid(), os.getgid()
    flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS
    check(libc.unshare(flags | (0 if network else CLONE_NEWNET)), "unshare")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as control:
            control.write(text)


def raise_loopback() -> None:
    """Kernels and workers talk over the loopback interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(control, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


def enter_root(wanted: dict[str, Any], trees: dict[str, int]) -> None:
    """Make the wanted root the root, with what belongs into it, and detach the host's files."""
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    root, layer = wanted["root"], wanted.get("layer")
    if layer:
        lower = root.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")
        options = f"lowerdir={lower},upperdir={layer}/upper,workdir={layer}/work,userxattr"
        mount("overlay", f"{layer}/merged", "overlay", 0, options)
        root = f"{layer}/merged"
    else:
        mount(root, root, "", MS_BIND | MS_REC)
    os.chdir(root)
    check(libc.syscall(PIVOT_ROOT[os.uname().machine], b".", b"."), "pivot_root")
    # Before anything is looked up in the root: `..` would still lead to the host's files.
    check(libc.umount2(b".", MNT_DETACH), "umount")
    fill(wanted, trees)
    if not layer:
        for path in wanted["writable"]:
            put_tree(take_tree(path), path)
        make_read_only("/")
    os.chdir("/")


def fill(wanted: dict[str, Any], trees: dict[str, int]) -> None:
    """Mount /proc, /dev, /tmp and what the host lends."""
    for path in ("/proc", "/dev", "/tmp"):
        make_directory(path)
    put_tree(trees.pop("proc"), "/proc")
    mount("tmpfs", "/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755")
    for name in DEVICES:
        if name in trees:
            os.close(os.open(f"/dev/{name}", os.O_CREAT | os.O_WRONLY))
            put_tree(trees.pop(name), f"/dev/{name}")
    for name in ("shm", "pts"):
        os.mkdir(f"/dev/{name}")
    mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666")
    for name, target in LINKS.items():
        os.symlink(target, f"/dev/{name}")
    if not wanted.get("layer") and "/tmp" not in wanted["writable"]:
        renew_temporary_directory()
    for bind in wanted["binds"]:
        make_mount_point(bind)
        put_tree(trees.pop(bind["source"]), bind["target"])
        if not bind["writable"]:
            make_read_only(bind["target"])


def renew_temporary_directory() -> None:
    """Mount a fresh /tmp, in which what the root has there can be read."""
    links, held = {}, {}
    for entry in os.scandir("/tmp"):
        if entry.is_symlink():
            links[entry.path] = os.readlink(entry.path)
        else:
            held[entry.path] = (entry.is_dir(), take_tree(entry.path))
    mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    for path, target in links.items():
        os.symlink(target, path)
    for path, (directory, tree) in held.items():
        make_mount_point({"target": path, "directory": directory})
        put_tree(tree, path)
        make_read_only(path)


def make_directory(path: str) -> None:
    """Make a directory and those above it, where they are missing."""
    if not os.path.isdir(path):
        os.makedirs(path)


def make_mount_point(bind: dict[str, Any]) -> None:
    """Make what a lent file or directory is mounted on."""
    target = bind["target"]
    if bind["directory"]:
        make_directory(target)
    elif not os.path.exists(target):
        make_directory(os.path.dirname(target))
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))


def drop_capabilities() -> None:
    """Give up everything that the user name space granted, for ever."""
    check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    capability = 0
    while libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0:
        capability += 1
    header = struct.pack("Ii", 0x20080522, 0)
    check(libc.syscall(CAPSET[os.uname().machine], header, bytes(24)), "capset")


def run_command(wanted: dict[str, Any], failure: int) -> int:
    """Be the first process of the name space: start the command, reap, and end as it ended."""
    child = os.fork()
    if child == 0:
        drop_capabilities()
        os.chdir(wanted["cwd"])
        command = wanted["command"]
        os.execvpe(command[0], command, wanted["environment"])
    os.close(failure)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda sent, _: os.kill(child, sent))
    while True:
        pid, status = os.wait()
        if pid == child:
            return os.waitstatus_to_exitcode(status)


def start(wanted: dict[str, Any], failure: int) -> int:
    """Prepare everything and run the command in it; what goes wrong before is told on `failure`."""
    check(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")
    trees = {}
    enter_user_namespace(wanted["network"])
    inner = os.fork()
    if inner:
        # The handlers stand in front of the first process, which gets no signal it does not catch.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda sent, _: os.kill(inner, sent))
        os.close(failure)
        return os.waitstatus_to_exitcode(os.waitpid(inner, 0)[1])
    check(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")
    if not wanted["network"]:
        raise_loopback()
    for name in DEVICES:
        if os.path.exists(f"/dev/{name}"):
            trees[name] = take_tree(f"/dev/{name}")
    for bind in wanted["binds"]:
        trees[bind["source"]] = take_tree(bind["source"])
    trees["proc"] = take_processes()
    enter_root(wanted, trees)
    return run_command(wanted, failure)


def main() -> None:
    """Read what is wanted and do it."""
    specification, failure = map(int, sys.argv[1:3])
    with os.fdopen(specification) as stream:
        wanted = json.load(stream)
    os.set_inheritable(failure, False)
    try:
        code = start(wanted, failure)
    except OSError as error:
        os.write(failure, str(error.strerror or error).encode())
        code = 125
    os._exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
