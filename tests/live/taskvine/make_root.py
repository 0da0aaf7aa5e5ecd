#!/usr/bin/env python3
"""Make a directory that holds a small Debian 13 with TaskVine, for a machine that has neither.

    root=$(tests/live/taskvine/make_root.py)          # once: some 400 MB and a minute
    bwrap --ro-bind "$root" / --proc /proc --dev /dev --tmpfs /tmp --bind "$PWD" /work \\
        --chdir /work --setenv HOME /work --setenv PATH /usr/local/bin:/usr/bin \\
        jupyter execute notebook.ipynb                # or vine_worker HOST PORT, or python3

It needs apt, dpkg-deb and tar of any Debian or Ubuntu that has a Debian mirror, and pip; no
debootstrap, and no privilege. apt resolves against an empty status file in a private state, the
packages are unpacked without their maintainer scripts, and pip adds what nbrepro and notebooks
import inside. Without ROOT the result is cached by the digest of its ingredients, so that the
second call only prints its path. `--with PACKAGE` adds Python packages, `--alone PACKAGE` one
without what it depends on.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

SUITE, PYTHON = "trixie", "3.13"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
DEBIAN_PACKAGES = (
    "coop-computing-tools", "python3-workqueue", "strace", "base-files", "bash", "dash",
    "coreutils", "findutils", "sed", "grep", "mawk", "hostname", "gzip", "tar", "libc-bin",
    "libstdc++6", "procps",
)  # fmt: skip
# TaskVine's Python tasks and libraries need the first three without declaring them, and its
# DaskVine works with this dask but not with later ones.
ENGINE_PACKAGES = ("cloudpickle", "threadpoolctl", "conda-pack", "numpy", "dask==2024.12.1")
SITE = f"usr/local/lib/python{PYTHON}/dist-packages"
# What the notebooks of the use cases import. ESMValTool's sample data are files; the climate tools
# that it depends on are not wanted.
USE_CASE_PACKAGES = (
    "matplotlib", "scipy", "scikit-image", "uproot", "awkward", "hist", "pandas", "netCDF4",
)  # fmt: skip
USE_CASE_DATA = ("esmvaltool_sample_data",)
# Nothing reads them, and they are a third of the size.
LEFT_OUT = ("./usr/share/doc", "./usr/share/man", "./usr/share/locale", "./usr/share/info")
ACCOUNTS = """root:x:0:0:root:/root:/bin/sh
observer:x:1000:1000:an ordinary user:/home/observer:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/bin/false
"""
GROUPS = "root:x:0:\nobserver:x:1000:\nnogroup:x:65534:\n"
STEP_LIMIT_S = 600
ROOTS_KEPT = 3

Say = Callable[[str], None]


class RootError(Exception):
    """The root cannot be made; the text says why, and what to do."""


@dataclass(frozen=True)
class Recipe:
    """What goes into a root."""

    debian: tuple[str, ...]
    python: tuple[str, ...]
    alone: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Identify the ingredients and the way they are put together."""
        words = [SUITE, platform.machine(), *self.debian, "", *self.python, "", *self.alone]
        text = Path(__file__).read_bytes() + "\n".join(words).encode()
        return hashlib.sha256(text).hexdigest()[:12]


def recipe(extra: Sequence[str] = (), alone: Sequence[str] = ()) -> Recipe:
    """Give the recipe for TaskVine and nbrepro, with `extra` Python packages.

    Those that are to stand `alone` come without what they depend on.
    """
    own = Path(__file__).resolve().parents[3] / "pyproject.toml"
    needed = tomllib.loads(own.read_text())["project"]["dependencies"] if own.is_file() else []
    python = (*needed, *ENGINE_PACKAGES, *sorted(extra))
    return Recipe(DEBIAN_PACKAGES, python, tuple(sorted(alone)))


def cache_directory() -> Path:
    """Give the directory that keeps roots and downloads between test sessions."""
    chosen = os.environ.get("NBREPRO_TEST_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(chosen) if chosen else Path(base) / "nbrepro-tests"


def lack_of_tools() -> str:
    """Say why no root can be made on this machine; empty where one can."""
    missing = [name for name in ("apt-get", "dpkg-deb", "tar") if not shutil.which(name)]
    if missing:
        return f"{', '.join(missing)} not found: a root is made from Debian's packages"
    if not KEYRING.is_file():
        return f"{KEYRING} is missing: install the package debian-archive-keyring"
    return ""


def cached_root(
    extra: Sequence[str] = (), alone: Sequence[str] = (), say: Say = lambda text: None
) -> Path:
    """Give the cached root of the recipe, made first where it is not there yet.

    Sessions that ask at the same time wait for the one that makes it. An interrupted one leaves
    only a directory that the next one removes.
    """
    wanted, cache = recipe(extra, alone), cache_directory()
    cache.mkdir(parents=True, exist_ok=True)
    root = cache / f"taskvine-root-{wanted.digest}"
    with _locked(cache / "lock", say):
        if not root.is_dir():
            for stale in cache.glob("building-*"):
                shutil.rmtree(stale, ignore_errors=True)
            make_root(wanted, root, cache, say)
        os.utime(root)
        _forget_old(cache)
    return root


def make_root(wanted: Recipe, root: Path, downloads: Path, say: Say) -> None:
    """Make `root`, which must not exist; whole or, when this fails, not at all."""
    reason = lack_of_tools()
    if reason:
        raise RootError(reason)
    if root.exists():
        raise RootError(f"{root} exists: name a new directory, or remove it")
    aside = root.with_name(f"building-{root.name}-{os.getpid()}")
    started = time.monotonic()

    def tell(text: str) -> None:
        say(f"[{time.monotonic() - started:5.1f} s] {text}")

    (aside / SITE).mkdir(parents=True)
    try:
        with ThreadPoolExecutor(1) as beside:
            installing = beside.submit(_install_python, wanted, aside, tell)
            archives = _download(wanted.debian, downloads / f"apt-{SUITE}", tell)
            _unpack(archives, aside, tell)
            installing.result()
        _finish(aside, tell)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    aside.rename(root)
    tell(f"made {root}")


@contextlib.contextmanager
def _locked(path: Path, say: Say) -> Iterator[None]:
    with path.open("w") as lock:
        deadline, told = time.monotonic() + 2 * STEP_LIMIT_S, False
        while not _lock_is_mine(lock):
            if time.monotonic() > deadline:
                raise RootError(f"{path} is held too long: end what holds it")
            if not told:
                say("waiting for another session that makes a root")
            told = True
            time.sleep(1)
        yield


def _lock_is_mine(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _forget_old(cache: Path) -> None:
    """Remove roots that are neither among the last used nor used within a day."""
    roots = sorted(cache.glob("taskvine-root-*"), key=lambda path: -path.stat().st_mtime)
    for root in roots[ROOTS_KEPT:]:
        if time.time() - root.stat().st_mtime > 86_400:
            shutil.rmtree(root)


def _run(words: Sequence[str], failure: str) -> str:
    """Run a command; give its output. `failure` begins the sentence of the error."""
    environment = os.environ | {"LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            words, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", timeout=STEP_LIMIT_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise RootError(f"{failure}: no end within {STEP_LIMIT_S} s; is there a network?") from None
    except OSError as error:
        raise RootError(f"{failure}: {error}") from error
    if done.returncode:
        last = " ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise RootError(f"{failure}: {last[:600]}; check the network and the sources of apt")
    return done.stdout


def _mirror() -> str:
    """Find the Debian mirror that this machine's apt uses, lists fetched or not."""
    targets = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(LABEL)"]
    for line in _run(targets, "apt's sources cannot be listed").splitlines():
        uri, _, label = line.partition(" ")
        if label == "Debian":
            return uri
    sources = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*.*s*")]
    for path in filter(Path.is_file, sources):
        text = re.sub(r"(?m)^\s*#.*", "", path.read_text(errors="replace"))
        found = re.search(r"https?://\S+/debian/?(?=\s|$)", text)
        if found:
            return found[0]
    raise RootError("apt's sources name no Debian mirror: add one for any Debian suite")


def _download(packages: Sequence[str], state: Path, say: Say) -> list[Path]:
    """Fetch packages and all that they depend on; give the archives."""
    for folder in ("lists/partial", "archives/partial", "parts"):
        (state / folder).mkdir(parents=True, exist_ok=True)
    (state / "status").write_text("")
    (state / "sources.list").write_text(f"deb [signed-by={KEYRING}] {_mirror()} {SUITE} main\n")
    (state / "apt.conf").write_text(_apt_configuration(state))
    apt = ["env", f"APT_CONFIG={state / 'apt.conf'}", "apt-get", "-q", "-y"]
    say(f"apt: the package lists of {SUITE}")
    _run([*apt, "update"], f"the package lists of {SUITE} cannot be fetched")
    here = len(list((state / "archives").glob("*.deb")))
    say(f"apt: the packages; {here} archives are here already")
    fetch = ["--download-only", "--verbose-versions", "install", *packages]
    plan = _run([*apt, *fetch], "packages cannot be fetched")
    new = re.search(r"(?m)^The following NEW packages will be installed:\n((?: .*\n)+)", plan)
    listed = re.findall(r"(\S+) \((\S+)\)", new[1] if new else "")
    return _planned(listed, state / "archives")


def _apt_configuration(state: Path) -> str:
    """Give a configuration with this machine's proxies, but without what it does after updates."""
    settings = {
        "Dir::Etc::main": state / "main", "Dir::Etc::parts": state / "parts",
        "Dir::Etc::sourcelist": state / "sources.list", "Dir::Etc::sourceparts": "-",
        "Dir::State": state, "Dir::State::lists": state / "lists",
        "Dir::State::status": state / "status", "Dir::Cache": state,
        "APT::Install-Recommends": "false", "APT::Sandbox::User": "root",
        "Acquire::Languages": "none", "Acquire::Retries": "3", "Acquire::http::Timeout": "30",
        "Debug::NoLocking": "1", "APT::Update::Error-Mode": "any",
    }  # fmt: skip
    dumped = _run(["apt-config", "dump"], "apt's configuration cannot be read").splitlines()
    kept = [line for line in dumped if re.match(r"Acquire::(https?|socks5h?)\b", line)]
    return "\n".join([*kept, *(f'{name} "{value}";' for name, value in settings.items()), ""])


def _planned(planned: Sequence[tuple[str, str]], archives: Path) -> list[Path]:
    """Find the archives of what apt planned to install: the cache may hold older ones too."""
    found = []
    for name, version in planned:
        escaped = version.replace(":", "%3a")
        matching = list(archives.glob(f"{name}_{escaped}_*.deb"))
        if not matching:
            raise RootError(f"apt fetched no archive of {name} {version} into {archives}")
        found.append(matching[0])
    return found


def _unpack(archives: Sequence[Path], root: Path, say: Say) -> None:
    """Extract the packages and record them in dpkg's database, as installing would."""
    say(f"unpacking {len(archives)} packages")
    _lay_out(root)
    with ThreadPoolExecutor(2) as pool:
        entries = list(pool.map(lambda archive: _unpack_one(archive, root), archives))
    (root / "var/lib/dpkg/status").write_text("\n".join(entries))


def _lay_out(root: Path) -> None:
    """Make what maintainer scripts would have made, and what a host mounts on."""
    for folder in (
        "usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "etc", "tmp", "var/tmp", "var/log", "proc",
        "dev", "sys", "run", "mnt", "root", "work", "home/observer", "var/lib/dpkg/info",
    ):  # fmt: skip
        (root / folder).mkdir(parents=True, exist_ok=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    for name in ("tmp", "var/tmp"):
        (root / name).chmod(0o1777)
    if os.geteuid() == 0:
        os.chown(root / "home/observer", 1000, 1000)
    (root / "etc/passwd").write_text(ACCOUNTS)
    (root / "etc/group").write_text(GROUPS)
    (root / "etc/nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    (root / "usr/bin/python").symlink_to("python3")
    (root / "usr/bin/awk").symlink_to("mawk")


def _unpack_one(archive: Path, root: Path) -> str:
    """Extract one package; give its entry in dpkg's status file."""
    left_out = " ".join(f"--exclude={path}" for path in LEFT_OUT)
    failure = f"{archive} cannot be unpacked"
    unpack = (
        'set -o pipefail; dpkg-deb --fsys-tarfile "$0" | '
        f'tar -xv -C "$1" --keep-directory-symlink --no-same-owner {left_out}'
    )
    names = _run(["bash", "-c", unpack, str(archive), str(root)], failure).splitlines()
    control = _run(["dpkg-deb", "--field", str(archive)], failure)
    fields = dict(re.findall(r"(?m)^(\S+): (.*)$", control))
    shared = fields.get("Multi-Arch") == "same"
    label = fields["Package"] + (f":{fields['Architecture']}" if shared else "")
    listed = ["/." if name == "./" else name[1:].rstrip("/") for name in names]
    info = root / "var/lib/dpkg/info"
    (info / f"{label}.list").write_text("\n".join(listed) + "\n")
    sums = ["sh", "-c", 'dpkg-deb --ctrl-tarfile "$0" | tar -xO ./md5sums || true', str(archive)]
    (info / f"{label}.md5sums").write_text(_run(sums, failure))
    return control.replace("\n", "\nStatus: install ok installed\n", 1)


def _install_python(wanted: Recipe, root: Path, say: Say) -> None:
    """Install wheels for the root's Python by the pip that runs this script."""
    machine = platform.machine()
    glibc = [f"manylinux_2_{n}_{machine}" for n in (41, 39, 36, 35, 34, 31, 28, 17)]
    platforms = [*glibc, f"manylinux2014_{machine}", "any"]
    pip = [
        sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--no-input",
        "--disable-pip-version-check", "--root-user-action=ignore", "--no-warn-conflicts",
        "--target", str(root / SITE), "--python-version", PYTHON, "--implementation", "cp",
        "--only-binary=:all:", *(f"--platform={name}" for name in platforms),
    ]  # fmt: skip
    say(f"pip: {len(wanted.python)} packages and what they depend on")
    _run([*pip, *wanted.python], "the Python packages cannot be installed")
    if wanted.alone:
        say(f"pip: {', '.join(wanted.alone)}")
        _run([*pip, "--no-deps", *wanted.alone], "the Python packages cannot be installed")
    say("pip: done")


def _finish(root: Path, say: Say) -> None:
    """Place scripts, compile modules, make the linker's cache, and see that it all works."""
    scripts = root / SITE / "bin"
    for script in scripts.iterdir() if scripts.is_dir() else ():
        content = script.read_bytes()
        if content.startswith(b"#!"):
            content = re.sub(rb"\A#!.*", b"#!/usr/bin/python3", content, count=1)
        placed = root / "usr/local/bin" / script.name
        placed.parent.mkdir(parents=True, exist_ok=True)
        placed.write_bytes(content)
        placed.chmod(0o755)
    shutil.rmtree(scripts, ignore_errors=True)
    if (root / SITE / "share").is_dir():
        shutil.copytree(root / SITE / "share", root / "usr/local/share", dirs_exist_ok=True)
        shutil.rmtree(root / SITE / "share")
    say("compiling modules")
    folders = (f"/usr/lib/python{PYTHON}", f"/{SITE}", "/usr/lib/python3/dist-packages")
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda folder: _compile(root, folder), folders))
    _inside(root, ["/usr/sbin/ldconfig"], "the linker's cache cannot be made")
    check = "import ndcctools.taskvine, cloudpickle, ipykernel, nbclient, pyoxigraph"
    _inside(root, ["python3", "-B", "-c", check], "TaskVine does not work in the root")
    version = _inside(root, ["vine_worker", "--version"], "vine_worker does not start")
    say(version.splitlines()[0])


def _compile(root: Path, folder: str) -> None:
    """Compile modules, those of other Pythons that packages carry for their tests excepted."""
    words = ["python3", "-m", "compileall", "-q", "-x", r"/tests?/|lib2to3|/templates/", folder]
    _inside(root, words, f"{folder} cannot be compiled")


def _inside(root: Path, words: Sequence[str], failure: str) -> str:
    prefix = [] if os.geteuid() == 0 else ["unshare", "--map-root-user"]
    environment = ["env", "-i", "PATH=/usr/local/bin:/usr/bin:/usr/sbin", "HOME=/root"]
    return _run([*prefix, "chroot", str(root), *environment, *words], failure)


def main() -> int:
    """Make or find the root and print its path."""
    summary, _, rest = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", nargs="?", type=Path, help="a new directory; otherwise the cache")
    parser.add_argument("--with", dest="extra", action="append", default=[], metavar="PACKAGE")
    parser.add_argument("--alone", action="append", default=[], metavar="PACKAGE")
    options = parser.parse_args()

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    try:
        if options.root:
            root = options.root.resolve()
            root.parent.mkdir(parents=True, exist_ok=True)
            make_root(recipe(options.extra, options.alone), root, cache_directory(), say)
        else:
            root = cached_root(options.extra, options.alone, say)
    except RootError as error:
        say(f"make_root: {error}")
        return 1
    print(root)
    return 0


if __name__ == "__main__":
    sys.exit(main())
