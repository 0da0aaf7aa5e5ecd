"""Separate hosts on one machine, for what a notebook and its workers do across machines.

Each host has its own network, UTS, PID, IPC and mount namespaces and an overlay over one root. A
bridge in one more network namespace joins them as 10.77.0.0/24; nothing of it is visible outside.
An overlay's upper directory holds what its host wrote, and nothing else: the ground truth.

No namespace has a name and nothing is mounted outside of them. They last as long as the first
process of each host, which ends when the test's end of a pipe closes, however the test ends. So
nothing is left over and sessions cannot meet. network_namespaces(7), pid_namespaces(7),
https://docs.kernel.org/filesystems/overlayfs.html
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

from namespaces import (
    FIRST_PROCESS,
    HOST,
    READY_LIMIT_S,
    SWITCH,
    HostError,
    enter_words,
    find_child,
    start_first,
    stop_first,
)  # fmt: skip

Tracing = Literal["allowed", "forbidden", "no strace"]

NETWORK = "10.77.0"
MANAGER = "mgr"
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}
USERS = {"root": (0, "/root"), "observer": (1000, "/home/observer")}
PROGRAMS = ("ip", "unshare", "nsenter", "mount", "pivot_root")


@dataclass
class Program:
    """A program that runs on a host; its output goes to `log`, outside of the host."""

    host: str
    words: tuple[str, ...]
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def output(self) -> str:
        """Give what it printed so far."""
        return self.log.read_text(errors="replace")

    def wait(self, timeout_s: float) -> int:
        """Wait for its end; give the exit code (negative: the signal). HostError if it goes on."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.end()
            message = f"{self.host}: {self.words} ran for more than {timeout_s} s: {self.output}"
            raise HostError(message) from None

    def signal(self, number: int) -> None:
        """Send a signal to the program itself."""
        os.kill(find_child(self.process), number)

    def end(self) -> None:
        """Kill the program and what is still in its process group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(READY_LIMIT_S)


@dataclass
class Host:
    """One host: its name and address on the network, what a test put there and started there."""

    name: str
    address: str
    base: Path
    tracing: Tracing
    given: set[str] = field(default_factory=set)
    programs: list[Program] = field(default_factory=list)
    _first: subprocess.Popen[bytes] | None = None
    _pid: int = 0
    _network: int = -1

    @property
    def upper(self) -> Path:
        """Give the directory of what was written on the host; readable after its end too."""
        return self.base / "upper"

    @property
    def alive(self) -> bool:
        """Say whether the host runs."""
        return self._first is not None and self._first.poll() is None

    def path_inside(self, path: str | Path) -> Path:
        """Give the local path of a host's absolute path, as its processes see it; while it runs."""
        if not self.alive:
            raise HostError(f"{self.name} runs no more; look into its upper directory")
        return Path(f"/proc/{self._pid}/root") / str(path).lstrip("/")

    def put(self, path: str, content: str | bytes) -> None:
        """Write a file on the host, as something that the host did not write itself."""
        place = self.path_inside(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.given.add(path)

    def run(
        self,
        words: Sequence[str],
        env: Mapping[str, str] | None = None,
        timeout_s: float = 60,
        *,
        user: str = "root",
        cwd: str = "/work",
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end and give its exit code, output and errors."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = self._popen(words, env, user, cwd, out.fileno(), err.fileno())
            try:
                code = process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(READY_LIMIT_S)
                message = f"{self.name}: {words} ran for more than {timeout_s} s"
                raise HostError(f"{message}: {_text(err)[-2000:]}") from None
            return subprocess.CompletedProcess(list(words), code, _text(out), _text(err))

    def start(
        self,
        words: Sequence[str],
        env: Mapping[str, str] | None = None,
        *,
        user: str = "root",
        cwd: str = "/work",
    ) -> Program:
        """Start a program and go on; it ends with the host at the latest."""
        log = self.base / f"program-{len(self.programs) + 1}.log"
        with log.open("wb") as output:
            process = self._popen(words, env, user, cwd, output.fileno(), output.fileno())
        program = Program(self.name, tuple(words), process, log)
        self.programs.append(program)
        return program

    def kill(self) -> None:
        """End the host at once, as a machine that loses its power: SIGKILL to all its processes.

        The network stays until the last process is gone, so that the others see its connections
        close, as with a worker that an operating system kills.
        """
        if self._first is None:
            return
        if self.alive:
            os.kill(self._pid, signal.SIGKILL)
        self._first.wait(READY_LIMIT_S)
        for program in self.programs:
            program.end()
        if self._network >= 0:
            os.close(self._network)
            self._network = -1

    def written(self) -> dict[str, str]:
        """Give what the host wrote: paths, and for each file, directory, link, removed or other.

        A directory that existed before is listed too where something in it changed. What a test
        put there is left out.
        """
        found = {}
        for folder, folders, files in os.walk(self.upper):
            for name in folders + files:
                path = Path(folder, name)
                inside = "/" + str(path.relative_to(self.upper))
                if inside not in self.given:
                    found[inside] = _kind(path)
        return found

    def _popen(
        self,
        words: Sequence[str],
        env: Mapping[str, str] | None,
        user: str,
        cwd: str,
        out: int,
        err: int,
    ) -> subprocess.Popen[bytes]:
        if not self.alive:
            raise HostError(f"{self.name} runs no more; {words} cannot start there")
        number, home = USERS[user]
        identity = [] if user == "root" else [f"--setuid={number}", f"--setgid={number}"]
        filtered = [sys.executable, "-I", str(Path(__file__).with_name("forbid_ptrace.py"))]
        return subprocess.Popen(
            [
                *(filtered if self.tracing == "forbidden" else []),
                *enter_words(self._pid, "mount", "uts", "ipc", "net", "pid"), *identity,
                f"--wdns={cwd}", "--", *words,
            ],
            env={**ENVIRONMENT, "HOME": home, **(env or {})},
            stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True,
        )  # fmt: skip

    def _boot(self, lowers: Sequence[Path]) -> None:
        for name in ("upper", "work", "root"):
            (self.base / name).mkdir()
        self._first = start_first(
            [
                "unshare", "--net", "--uts", "--ipc", "--mount", "--pid", "--fork",
                "--kill-child=KILL", "--propagation=private", "sh", "-c", HOST, "sh",
                ":".join(map(str, lowers)), str(self.upper), str(self.base / "work"),
                str(self.base / "root"), self.name, FIRST_PROCESS,
            ],
            self.name,
        )  # fmt: skip
        self._pid = find_child(self._first)
        self._network = os.open(f"/proc/{self._pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    def _plug_in(self, switch: int) -> None:
        """Connect the host with the bridge of the network namespace of process `switch`."""
        port, own = f"v-{self.name}", enter_words(self._pid, "net")
        for words in (
            [*enter_words(switch, "net"), "ip", "link", "add", port, "type", "veth", "peer", "name",
             "eth0", "netns", str(self._pid)],
            [*enter_words(switch, "net"), "ip", "link", "set", port, "master", "br0", "up"],
            [*own, "ip", "address", "add", f"{self.address}/24", "dev", "eth0"],
            [*own, "ip", "link", "set", "lo", "up"],
            [*own, "ip", "link", "set", "eth0", "up"],
        ):  # fmt: skip
            done = subprocess.run(words, capture_output=True, text=True, timeout=READY_LIMIT_S)
            if done.returncode:
                raise HostError(f"{self.name} gets no network: {words}: {done.stderr.strip()}")


@dataclass(frozen=True)
class Hosts:
    """A manager's host and the hosts of workers, by name: `mgr`, `w1`, `w2`, ..."""

    all: dict[str, Host]

    @property
    def manager(self) -> Host:
        """Give the host for the notebook."""
        return self.all[MANAGER]

    @property
    def workers(self) -> list[Host]:
        """Give the other hosts."""
        return [host for host in self.all.values() if host.name != MANAGER]

    def __getitem__(self, name: str) -> Host:
        return self.all[name]


OpenHosts = Callable[..., Hosts]


@contextlib.contextmanager
def open_hosts(
    root: Path,
    base: Path,
    workers: int = 3,
    layers: Sequence[Path] = (),
    tracing: Mapping[str, Tracing] | None = None,
) -> Iterator[Hosts]:
    """Start a manager's host and `workers` more over `root`, and end them all in the end.

    `layers` are directories seen on top of the root by every host, the first uppermost. `base` is
    an existing directory for the hosts' own; it outlives them, to be looked at. `tracing` names
    hosts where ptrace is forbidden (strace fails with EPERM) or that have no strace.
    """
    modes = tracing or {}
    addresses = {MANAGER: f"{NETWORK}.1"}
    addresses |= {f"w{n}": f"{NETWORK}.{10 + n}" for n in range(1, workers + 1)}
    unknown = set(modes) - set(addresses)
    if unknown:
        raise HostError(f"no hosts are named {', '.join(sorted(unknown))}")
    with contextlib.ExitStack() as stack:
        switch = start_first(["unshare", "--net", "sh", "-c", SWITCH], "the switch")
        stack.callback(stop_first, switch)
        hosts = {}
        for name, address in addresses.items():
            host = Host(name, address, base / name, modes.get(name, "allowed"))
            host.base.mkdir()
            own = _own_layer(host, addresses)
            stack.callback(_stop_host, host)
            host._boot([own, *layers, root])
            host._plug_in(switch.pid)
            hosts[name] = host
        yield Hosts(hosts)


def lack_of_hosts(base: Path) -> str:
    """Say why hosts cannot be made here, over directories in `base`; empty where they can."""
    if os.geteuid() != 0:
        return "separate hosts need root, for their networks and overlays"
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    if missing:
        return f"{', '.join(missing)} not found: install util-linux and iproute2"
    with tempfile.TemporaryDirectory(dir=base) as scratch:
        attempt = (
            'set -e; cd "$0"; mkdir lower upper work root; '
            "mount -t overlay x -o lowerdir=lower,upperdir=upper,workdir=work root; "
            "ip link add br0 type bridge; ip link add v0 type veth peer name v1"
        )
        namespaces = ["unshare", "--net", "--mount", "--pid", "--uts", "--ipc", "--fork"]
        done = subprocess.run(
            [*namespaces, "sh", "-c", attempt, scratch], capture_output=True, text=True, timeout=60
        )
    reason = " ".join(done.stderr.split())
    return f"no namespaces, overlay or bridge here: {reason}" if done.returncode else ""


def _own_layer(host: Host, addresses: Mapping[str, str]) -> Path:
    """Make the layer of what only this host has: its name, and perhaps no strace."""
    layer = host.base / "given"
    (layer / "etc").mkdir(parents=True)
    (layer / "etc/hostname").write_text(f"{host.name}\n")
    known = [f"127.0.0.1 localhost {host.name}"]
    known += [f"{address} {name}" for name, address in addresses.items()]
    (layer / "etc/hosts").write_text("\n".join(known) + "\n")
    if host.tracing == "no strace":
        (layer / "usr/bin").mkdir(parents=True)
        os.mknod(layer / "usr/bin/strace", stat.S_IFCHR | 0o600, os.makedev(0, 0))
    return layer


def _stop_host(host: Host) -> None:
    host.kill()
    if host._first:
        stop_first(host._first)


def _kind(path: Path) -> str:
    status = path.lstat()
    if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
        return "removed"
    names = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}
    return names.get(stat.S_IFMT(status.st_mode), "other")


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode(errors="replace")
