"""Real SPARQL servers for tests, each on a free loopback port: Oxigraph's, and Jena Fuseki."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

FUSEKI = "org.apache.jena:jena-fuseki-server:5.1.0"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "nbrepro-tests" / "fuseki"
READY_S = 180


class LackError(Exception):
    """What a server needs is not on this machine."""


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@dataclass
class SparqlServer:
    """A server with one dataset; it can be ended and started again on the same data and port."""

    words: list[str]
    port: int
    path: str
    directory: Path
    auth: tuple[str, str] | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.path}"

    @property
    def location(self) -> str:
        return f"sparql+{self.url}"

    def start(self) -> None:
        log = (self.directory / "log").open("ab")
        with log:
            self._process = subprocess.Popen(
                self.words, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.directory
            )
        until = time.monotonic() + READY_S
        while time.monotonic() < until and self._process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                if self.post("query", "ASK {}", "query").status_code < 500:
                    return
            time.sleep(0.1)
        text = (self.directory / "log").read_text(errors="replace")[-2000:]
        self.kill()
        raise AssertionError(f"{self.words[0]} did not start: {text}")

    def is_up(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait(timeout=30)
            self._process = None

    def post(self, path: str, text: str, kind: str) -> httpx.Response:
        headers = {"Content-Type": f"application/sparql-{kind}"}
        return httpx.post(
            f"{self.url}/{path}", content=text.encode(), headers=headers, auth=self.auth,
            timeout=60,
        )  # fmt: skip

    def empty(self) -> None:
        self.post("update", "DROP ALL", "update").raise_for_status()


@contextlib.contextmanager
def running(server: SparqlServer) -> Iterator[SparqlServer]:
    try:
        server.start()
        yield server
    finally:
        server.kill()


@contextlib.contextmanager
def opened(make: Callable[[Path], SparqlServer], directory: Path) -> Iterator[SparqlServer]:
    """Run a server for tests, which are skipped where the machine lacks what it needs."""
    try:
        made = make(directory)
    except LackError as lack:
        pytest.skip(str(lack))
    with running(made) as server:
        yield server


def oxigraph_server(directory: Path) -> SparqlServer:
    """Give Oxigraph's own server, as PyPI's package `oxigraph` brings it."""
    beside = Path(sys.executable).parent / "oxigraph"
    program = str(beside) if beside.exists() else shutil.which("oxigraph")
    if not program:
        raise LackError("Oxigraph's server is not installed (pip install oxigraph)")
    port = free_port()
    words = [program, "serve", "--location", str(directory / "data"), "--bind", f"127.0.0.1:{port}"]
    return SparqlServer(words, port, "", directory)


def fuseki_server(directory: Path, auth: tuple[str, str] | None = None) -> SparqlServer:
    """Give Apache Jena Fuseki with one dataset on disk; `auth` makes it ask for a user."""
    java = shutil.which("java")
    if not java:
        raise LackError("java is not installed")
    port = free_port()
    (directory / "data").mkdir(exist_ok=True)
    words = [java, "-Xmx512m", "-jar", str(_fuseki_jar()), "--localhost", "--port", str(port)]
    words += ["--update", "--tdb2", "--loc", str(directory / "data")]
    if auth:
        (directory / "passwd").write_text(f"{auth[0]}: {auth[1]}\n")
        words += ["--passwd", str(directory / "passwd"), "--auth", "basic"]
    return SparqlServer([*words, "/ds"], port, "/ds", directory, auth)


def _fuseki_jar() -> Path:
    """Give the one jar that Fuseki is, fetched by Maven where the cache is empty."""
    CACHE.mkdir(parents=True, exist_ok=True)
    _, artifact, version = FUSEKI.split(":")
    jar = CACHE / f"{artifact}-{version}.jar"
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not jar.exists():
            _fetch(jar)
    return jar


def _fetch(jar: Path) -> None:
    maven = shutil.which("mvn")
    if not maven:
        raise LackError("Fuseki is not in the cache and Maven, which fetches it, not installed")
    words = [maven, "-q", "-B", "dependency:copy", f"-Dartifact={FUSEKI}"]
    done = subprocess.run(
        [*words, f"-DoutputDirectory={jar.parent}"], capture_output=True, text=True, timeout=600,
        stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    if done.returncode or not jar.exists():
        raise LackError(f"Maven could not fetch Fuseki: {(done.stdout + done.stderr)[-500:]}")
