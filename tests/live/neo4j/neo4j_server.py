"""A real Neo4j server for tests: Community Edition from its Maven artifact, on loopback.

Bolt only, with authentication on; data, logs and settings in a directory of the caller's. The jars
are fetched once into the user's cache.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import neo4j
from neo4j.exceptions import DriverError, Neo4jError

POM = Path(__file__).with_name("pom.xml")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nbrepro-tests/neo4j"
FETCH_S, START_S, STOP_S = 600, 300, 60
USER = "neo4j"

SETTINGS = """\
server.default_listen_address=127.0.0.1
server.bolt.listen_address=127.0.0.1:{port}
server.bolt.advertised_address=127.0.0.1:{port}
server.http.enabled=false
server.https.enabled=false
server.memory.pagecache.size=256m
dbms.usage_report.enabled=false
"""


class ServerError(Exception):
    """The server could not be fetched or started; the text says why."""


def lack_of_tools() -> str:
    """Say what the machine lacks to run a server; empty where nothing."""
    if not shutil.which("java"):
        return "no Java (17 or newer) to run Neo4j"
    if not any(CACHE.glob("*/neo4j-*.jar")) and not shutil.which("mvn"):
        return "no mvn to fetch Neo4j"
    return ""


def fetch_jars() -> Path:
    """Give the directory with the server's jars, fetched where no earlier session did."""
    lib = CACHE / "lib"
    if not lib.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        part = CACHE / f"lib.{os.getpid()}"
        command = ["mvn", "-q", "-B", "-f", POM, "dependency:copy-dependencies",
                   f"-DoutputDirectory={part}", "-DincludeScope=runtime"]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_S)
        if done.returncode:
            shutil.rmtree(part, ignore_errors=True)
            raise ServerError(f"mvn cannot fetch Neo4j: {done.stdout[-500:]}{done.stderr[-500:]}")
        try:
            part.rename(lib)
        except OSError:  # Another session was first.
            shutil.rmtree(part)
    return lib


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Server:
    """A server below `home`; it can be stopped and started again on the same data and port."""

    home: Path
    port: int = field(default_factory=free_port)
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"bolt://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the server and wait until it answers. Raises ServerError."""
        (self.home / "conf").mkdir(parents=True, exist_ok=True)
        (self.home / "conf/neo4j.conf").write_text(SETTINGS.format(port=self.port))
        with (self.home / "console.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["java", "-Xmx1g", "-cp", f"{fetch_jars()}/*",
                 "org.neo4j.server.CommunityEntryPoint", f"--home-dir={self.home}",
                 f"--config-dir={self.home}/conf"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self._wait()

    def stop(self) -> None:
        """End the server in good order, or by force where that takes too long."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self.process = None

    def kill(self) -> None:
        """End the server at once, as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(STOP_S)
            self.process = None

    def _wait(self) -> None:
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            if self.process is None or self.process.poll() is not None:
                break
            if self._listens() and self._answers():
                return
            time.sleep(0.5)
        said = (self.home / "console.log").read_text(errors="replace")[-2000:]
        self.kill()
        raise ServerError(f"Neo4j did not start: {said}")

    def _listens(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _answers(self) -> bool:
        try:
            self._log_in(self.password)
        except neo4j.exceptions.AuthError:
            self._set_password()
        except (DriverError, Neo4jError):
            return False
        return True

    def _log_in(self, password: str) -> None:
        with neo4j.GraphDatabase.driver(self.url, auth=(USER, password)) as driver:
            driver.execute_query("RETURN 1", database_="neo4j")

    def _set_password(self) -> None:
        """Replace the password of a new server, which lets nobody do anything else before."""
        with neo4j.GraphDatabase.driver(self.url, auth=(USER, USER)) as driver:
            driver.execute_query(
                "ALTER CURRENT USER SET PASSWORD FROM $old TO $new",
                old=USER, new=self.password, database_="system",
            )  # fmt: skip
        self._log_in(self.password)
