"""Machines to compare runs of: each with a user, paths, packages and settings of its own.

A machine is a mount, UTS and user namespace of this one: its directory appears below /srv as the
user's home, with the project and the kernel's environment in it, both at paths of its own. What is
planted on it are real changes: another wheel, an edited file, another interpreter.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

from nbformat import v4

PLACE = "/srv"
_PACKAGE = "def total(values):\n    return sum(values)\n"
_SOURCES = {
    "imports": "import os\nimport tinystats\nfrom model import shape",
    "load": "rows = [float(word) for word in open('data/in.csv').read().split()]",
    "level": "level = 1",
    "total": "factor = int(os.environ.get('FACTOR', '1'))\n"
             "total = tinystats.total(rows) * factor\ntotal",
    "count": "import warnings\nwarnings.warn('seen from where the kernel is')\n"
             "print(len(rows), 'rows in', os.getcwd())",
    "write": "open('out.csv', 'w').write(str(shape(total, level)))",
    "end": "print(open('out.csv').read())",
}  # fmt: skip
CELLS = {name: position for position, name in enumerate(_SOURCES, 1)}


@dataclasses.dataclass(frozen=True)
class Planted:
    """What is not as on the first machine."""

    version: str = "1.0"
    wheel: str = _PACKAGE
    patch: str = ""
    data: str = "1 2 3\n"
    code: str = "def shape(value, level):\n    return [value] * level\n"
    count: str = _SOURCES["count"]
    settings: Mapping[str, str] = dataclasses.field(default_factory=dict)
    level: int = 1
    options: tuple[str, ...] = ()
    python: str = ""

    def __or__(self, other: Planted) -> Planted:
        """Plant both."""
        plain = Planted()
        theirs = {
            field.name: getattr(other, field.name)
            for field in dataclasses.fields(other)
            if getattr(other, field.name) != getattr(plain, field.name)
        }
        if "settings" in theirs:
            theirs["settings"] = {**self.settings, **other.settings}
        return dataclasses.replace(self, **theirs)


def lack_of_machines() -> str:
    """Say what this machine lacks for it; nothing where it can make machines."""
    if not Path(PLACE).is_dir():
        return f"no {PLACE} to mount on"
    if Path(sys.executable).is_relative_to(PLACE) or Path(__file__).is_relative_to(PLACE):
        return f"{PLACE} is in use"
    command = [*_namespaces(), "sh", "-c", f"mount -t tmpfs none {PLACE}"]
    try:
        tried = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except OSError as error:
        return f"unshare cannot be started ({error})"
    return f"no namespaces ({tried.stderr.strip()})" if tried.returncode else ""


def _namespaces() -> list[str]:
    return ["unshare", "--user", "--map-user=1001", "--map-group=1001", "--keep-caps", "--mount",
            "--uts"]  # fmt: skip


class Machine:
    """A machine of the user `user`, kept in `directory`; `host` is what it calls itself."""

    def __init__(self, directory: Path, user: str, host: str, project: str) -> None:
        self.directory = directory
        self.user = user
        self.host = host
        self.home = f"{PLACE}/{user}"
        self.project = project
        directory.mkdir(parents=True)

    def run(self, planted: Planted) -> Path:
        """Set the project and the environment up, run the notebook, give the run directory."""
        project = self.directory / self.project
        shutil.rmtree(project, ignore_errors=True)
        shutil.rmtree(self.directory / "env", ignore_errors=True)
        make_project(project, planted)
        make_environment(self.directory / "env", planted)
        self._make_kernel()
        return self.run_again(planted)

    def run_again(self, planted: Planted) -> Path:
        """Run the notebook as everything is, and give the run directory."""
        project = self.directory / self.project
        words = [sys.executable, "-m", "nbrepro", "run", "study.ipynb", "--kernel", "study",
                 "-p", f"level={planted.level}", *planted.options]  # fmt: skip
        script = (
            f"mount -t tmpfs none {PLACE} && mkdir {self.home} && "
            f"mount --bind {shlex.quote(str(self.directory))} {self.home} && "
            f"hostname {self.host} && cd {self.home}/{self.project} && exec {shlex.join(words)}"
        )
        environment = {
            "PATH": os.environ["PATH"], "HOME": self.home, "USER": self.user, "LANG": "C.UTF-8",
            "LOGNAME": self.user, "JUPYTER_PATH": f"{self.home}/jupyter", **planted.settings,
        }  # fmt: skip
        done = subprocess.run(
            [*_namespaces(), "sh", "-c", script], env=environment, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr + done.stdout
        return max(
            (project / ".nbrepro" / "runs").iterdir(), key=lambda run: run.stat().st_mtime_ns
        )

    def _make_kernel(self) -> None:
        spec = self.directory / "jupyter" / "kernels" / "study"
        spec.mkdir(parents=True, exist_ok=True)
        argv = [f"{self.home}/env/bin/python", "-m", "ipykernel_launcher", "-f",
                "{connection_file}"]  # fmt: skip
        about = {"argv": argv, "display_name": "study", "language": "python"}
        (spec / "kernel.json").write_text(json.dumps(about))


def make_project(project: Path, planted: Planted) -> None:
    """Write the notebook, its module and its data."""
    (project / "data").mkdir(parents=True)
    (project / "pyproject.toml").write_text("")
    (project / "data" / "in.csv").write_text(planted.data)
    (project / "model.py").write_text(planted.code)
    sources = _SOURCES | {"count": planted.count}
    cells = [v4.new_code_cell(source, id=name) for name, source in sources.items()]
    cells[CELLS["level"] - 1].metadata["tags"] = ["parameters"]
    (project / "study.ipynb").write_text(v4.writes(v4.new_notebook(cells=cells)))


def make_environment(directory: Path, planted: Planted) -> None:
    """Make the kernel's environment with our package in it."""
    python = planted.python or sys.executable
    asked = ("import sys, sysconfig; print(sys.version_info[1], getattr(sys, '_base_executable', "
             "sys.executable), sysconfig.get_path('purelib'))")  # fmt: skip
    said = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=True).stdout
    minor, base, site = said.split()
    base = os.path.realpath(base)
    mine = directory / "lib" / f"python3.{minor}" / "site-packages"
    mine.mkdir(parents=True)
    (directory / "bin").mkdir()
    (directory / "bin" / "python").symlink_to(base)
    home = os.path.dirname(base)
    (directory / "pyvenv.cfg").write_text(f"home = {home}\nversion = 3.{minor}\n")
    # The kernel itself comes from the environment that the interpreter was given with.
    (mine / "kernel.pth").write_text(site + "\n")
    install(make_wheel(directory, planted), mine)
    if planted.patch:
        (mine / "tinystats.py").write_text(planted.patch)


def find_other_python() -> str:
    """Find an interpreter of another minor version than ours; empty where there is none."""
    homes = sorted(Path.home().glob(".pyenv/versions/3.1[1-9]*/bin/python3"))
    named = [shutil.which(f"python3.{minor}") for minor in range(11, 20)]
    for candidate in [*map(str, homes), *filter(None, named)]:
        said = subprocess.run(
            [candidate, "-c", "import sys, venv, ensurepip; print(sys.version_info[1])"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if said.returncode == 0 and int(said.stdout) != sys.version_info[1]:
            return candidate
    return ""


def make_kernel_environment(python: str, directory: Path) -> str:
    """Install a kernel for the interpreter `python`; give the environment's own."""
    subprocess.run([python, "-m", "venv", str(directory)], check=True)
    own = str(directory / "bin" / "python")
    install = [own, "-m", "pip", "install", "-q", "--no-compile", "ipykernel"]
    subprocess.run(install, check=True, stdin=subprocess.DEVNULL, timeout=240)
    return own


def make_wheel(directory: Path, planted: Planted) -> Path:
    """Build the wheel of the package."""
    name = f"tinystats-{planted.version}"
    files = {
        "tinystats.py": planted.wheel,
        f"{name}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: tinystats\n"
                                      f"Version: {planted.version}\n",
        f"{name}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }  # fmt: skip
    rows = [f"{path},{_recorded(text)},{len(text)}" for path, text in files.items()]
    files[f"{name}.dist-info/RECORD"] = "\n".join([*rows, f"{name}.dist-info/RECORD,,", ""])
    wheel = directory / f"{name}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return wheel


def install(wheel: Path, site: Path) -> None:
    """Install a pure wheel as its specification says: unpack it."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    wheel.unlink()


def _recorded(text: str) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
    return f"sha256={digest.decode()}"
