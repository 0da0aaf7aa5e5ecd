"""Which files and processes are worth a look, and the survey of a run that has ended."""

from __future__ import annotations

import contextlib
import os
import os.path
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from nbrepro.model import Access, Mode, Ownership
from nbrepro.packages import owners
from nbrepro.processes import steps
from nbrepro.rundir import Resolved
from nbrepro.trace import births, events, read_lines
from nbrepro.trace.syscalls import OPENS

_SYSTEM = ("/usr/", "/lib/", "/lib32/", "/lib64/", "/libx32/", "/bin/", "/sbin/", "/etc/",
           "/boot/", "/nix/store/", "/var/lib/dpkg/", "/var/lib/apt/", "/var/cache/")  # fmt: skip
_WITHOUT_CONTENT = ("/proc/", "/sys/", "/dev/", "/memfd:", "/SYSV", "/anon_hugepage", "/[")
_SHARED_MEMORY = "/dev/shm/"  # noqa: S108
_SOFTWARE_OF_PREFIX = ("lib", "lib64", "bin", "include", "share", "etc", "conda-meta", "libexec",
                       "ssl", "pyvenv.cfg")  # fmt: skip
_SOFTWARE = re.compile(
    r"/(?:site|dist)-packages/|/lib(?:64)?/python\d[\d.]*(?:/|$)|/__pycache__/|/conda-meta/|\.pyc$"
)
_LIBRARY = re.compile(r"\.so(?:\.\d+)*$")
_RUNTIME = ("/.ipython/", "/.jupyter/", "/.local/share/jupyter/", "/.nbrepro/", "/.git/",
            "/.ipynb_checkpoints/", "/nbrepro/capture/probes/",
            "/nbrepro/workers/")  # fmt: skip
_DATASET_SUFFIXES = frozenset((
    ".csv", ".tsv", ".txt", ".dat", ".nc", ".nc4", ".cdf", ".h5", ".hdf5", ".hdf", ".root",
    ".parquet", ".feather", ".arrow", ".npy", ".npz", ".mat", ".jpg", ".jpeg", ".png", ".tif",
    ".tiff", ".gif", ".bmp", ".fits", ".grib", ".gz", ".bz2", ".xz", ".zip", ".json", ".geojson",
    ".shp", ".xls", ".xlsx", ".db", ".sqlite", ".sqlite3", ".wav", ".pkl",
))  # fmt: skip
_DATASET_DIRECTORIES = ("data", "datasets", "dataset", "sample_data", "sampledata", "*_data")
_CODE_SUFFIXES = frozenset((
    ".py", ".pyc", ".pyx", ".pyi", ".so", ".pth", ".egg-link", ".r", ".R", ".jl", ".js", ".sh",
))  # fmt: skip
_SOUGHT = b" = -1 ENOENT (No such file or directory)\n"
_MODULE_OPENED = (b".py>\n", b".pyc>\n", b".so>\n")
_INVENTORY_ENTRIES = 10_000
INVENTORY_FILES = 500
INVENTORY_BYTES = 256 << 20
"""How much of the project folder is digested beside the starting kernel."""
_MAX_WORKERS = 64
_POOL_MARKS = (b"multiprocessing", b"loky", b"joblib")
_DELETED = re.compile(r"/#\d+$")


class Scope:
    """Tells the files that may be data, which are digested, from software, which has records."""

    def __init__(self, roots: Mapping[str, str], run_directory: str) -> None:
        self._run = _slashed(run_directory)
        self._project = _slashed(roots.get("project", ""))
        prefix = _slashed(roots.get("prefix", ""))
        self._software = tuple(prefix + name for name in _SOFTWARE_OF_PREFIX) if prefix else ()
        runs = _slashed(roots.get("run", ""))
        self._ours = tuple(place for place in (self._run, runs) if place)
        # A project may itself lie in the prefix of its interpreter, as in some containers.
        self._nested = bool(prefix) and self._project.startswith(prefix)
        self._decided: dict[str, bool] = {}

    def is_candidate(self, path: str) -> bool:
        """Tell whether the file at `path` may be data; in doubt it may."""
        decided = self._decided.get(path)
        if decided is None:
            decided = self._decided[path] = self._decide(path)
        return decided

    def _decide(self, path: str) -> bool:
        if not path.startswith("/") or path.startswith(self._ours):
            return False
        if path.startswith(_WITHOUT_CONTENT):
            return path.startswith(_SHARED_MEMORY) and "/sem." not in path
        if any(part in path for part in _RUNTIME) or _DELETED.search(path):
            return False
        return not self.is_software(path) or _is_dataset(path)

    def is_software(self, path: str) -> bool:
        """Tell whether `path` lies where programs and libraries are installed."""
        if _SOFTWARE.search(path):
            return True
        of_project = bool(self._project) and path.startswith(self._project)
        if of_project and self._nested:
            return False
        if any(path == place or path.startswith(place + "/") for place in self._software):
            return True
        return not of_project and bool(path.startswith(_SYSTEM) or _LIBRARY.search(path))

    def may_be_packaged(self, path: str) -> bool:
        """Tell whether a package manager may own `path`; not so for the project's plain data."""
        if not path.startswith("/") or path.startswith((*self._ours, *_WITHOUT_CONTENT)):
            return False
        if self.is_software(path) or PurePosixPath(path).suffix in _CODE_SUFFIXES:
            return True
        return not (self._project and path.startswith(self._project))


def _slashed(path: str) -> str:
    return path.rstrip("/") + "/" if path else ""


def _is_dataset(path: str) -> bool:
    """Tell whether a file among software looks like a dataset that was shipped with it."""
    pure = PurePosixPath(path)
    return pure.suffix.lower() in _DATASET_SUFFIXES and any(
        fnmatchcase(part, pattern) for part in pure.parent.parts for pattern in _DATASET_DIRECTORIES
    )


def workers(kernel: int) -> list[int]:
    """List the kernel and those of its children that work for it, as pools do.

    Other children keep to the cell that started them, whatever happens in later cells.
    """
    own = _command(kernel)
    found = [kernel]
    for pid in found:
        children = (child for child in _children(pid) if _works_for(child, own))
        found.extend(children if len(found) < _MAX_WORKERS else ())
    return found


def descendants(kernel: int) -> list[int]:
    """List the kernel and all processes that it started, directly or not."""
    found = [kernel]
    for pid in found:
        found.extend(_children(pid) if len(found) < _MAX_WORKERS else ())
    return found


def _works_for(pid: int, kernel_command: bytes) -> bool:
    command = _command(pid)
    return command == kernel_command or any(mark in command for mark in _POOL_MARKS)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(word) for word in (task / "children").read_text().split()]
    return found


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def without_searches(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Drop the lines that say that a file was sought where it is not: most lines of an import."""
    for block in blocks:
        yield b"".join(line for line in block.splitlines(keepends=True) if not _is_search(line))


def without_imports(blocks: Iterable[bytes], note: Callable[[bytes], None]) -> Iterator[bytes]:
    """Drop searches, and the opening of modules, which are not data: their ends are noted."""
    for block in without_searches(blocks):
        kept = []
        for line in block.splitlines(keepends=True):
            if _is_import(line):
                note(line[line.rfind(b"<") :])
            else:
                kept.append(line)
        yield b"".join(kept)


def without_repeats(blocks: Iterable[bytes], opened: Iterable[bytes] = ()) -> Iterator[bytes]:
    """Drop searches, and the opening of modules that were opened before: tasks import the same.

    `opened` are the ends of lines that are known already.
    """
    seen = set(opened)
    for block in without_searches(blocks):
        kept = []
        for line in block.splitlines(keepends=True):
            module = line[line.rfind(b"<") :] if _is_import(line) else b""
            if module not in seen:
                kept.append(line)
            if module:
                seen.add(module)
        yield b"".join(kept)


def _is_search(line: bytes) -> bool:
    return line.endswith(_SOUGHT) and b"<... " not in line


def _is_import(line: bytes) -> bool:
    return line.endswith(_MODULE_OPENED) and b", O_RDONLY" in line and b"/lib/python" in line


class Names:
    """Frees paths of symbolic links while the links are still there."""

    def __init__(self) -> None:
        self._parents: dict[str, str] = {}
        self.found: dict[str, str] = {}

    def forget_parents(self) -> None:
        """Ask the file system anew from here on: links may have changed."""
        self._parents.clear()

    def resolve(self, path: str, whole: bool = False) -> str:
        """Give `path` without symbolic links among its parents, or, if `whole`, at all."""
        if path in self.found:
            return self.found[path]
        if whole:
            real = os.path.realpath(path)
        else:
            parent, _, name = path.rpartition("/")
            real = self._parent(parent).rstrip("/") + "/" + name
        if real != path:
            self.found[path] = real
        return real

    def _parent(self, parent: str) -> str:
        if parent not in self._parents:
            self._parents[parent] = os.path.realpath(parent or "/")
        return self._parents[parent]


def touched_paths(access: Access, names: Names) -> list[str]:
    """Give the paths that an access touched, free of symbolic links: one, or two if it renames.

    Directories that stay where they are have no content to look at, and are left out.
    """
    if access.mode is Mode.CONNECT or not access.path.startswith("/"):
        return []
    if access.call in OPENS:
        return [] if access.kind == "directory" else [access.path]
    if access.kind == "directory" and access.mode not in (Mode.REMOVE, Mode.RENAME):
        return []
    paths = [names.resolve(access.path, whole=access.mode is Mode.EXECUTE)]
    if access.target.startswith("/") and access.kind != "symlink":
        paths.append(names.resolve(access.target))
    return paths


@dataclass(slots=True)
class Inventory:
    """The files below a folder that may become inputs; `complete` unless there are too many."""

    paths: list[str] = field(default_factory=list)
    complete: bool = True


def take_inventory(root: str, scope: Scope) -> Inventory:
    """List the data files below `root`, the nearest first, within fixed bounds."""
    found = Inventory()
    folders, size_bytes, seen = [root], 0, 0
    for folder in folders:
        for entry in _entries(folder):
            seen += 1
            if entry.is_dir(follow_symlinks=False):
                folders += [entry.path] if _is_worth(entry.name) else []
            elif entry.is_file(follow_symlinks=False) and scope.is_candidate(entry.path):
                size = entry.stat(follow_symlinks=False).st_size
                fits = len(found.paths) < INVENTORY_FILES and size_bytes + size <= INVENTORY_BYTES
                found.complete = found.complete and fits
                if fits:
                    size_bytes += size
                    found.paths.append(entry.path)
        if seen > _INVENTORY_ENTRIES or len(found.paths) >= INVENTORY_FILES:
            found.complete = found.complete and folder is folders[-1]
            break
    return found


def _is_worth(folder: str) -> bool:
    return not folder.startswith(".") and folder not in ("__pycache__", "node_modules")


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []  # Removed meanwhile, or not ours to read; the kernel cannot read it either.


@dataclass(slots=True)
class Survey:
    """What a whole trace touched: paths (True where written), and the programs that ran."""

    touched: dict[str, bool] = field(default_factory=dict)
    packaged: set[str] = field(default_factory=set)
    executables: set[str] = field(default_factory=set)
    opened: set[tuple[str, Mode]] = field(default_factory=set)

    def ownerships(self) -> Iterator[Ownership]:
        """Yield which package owns each path that one may own."""
        return owners(self.packaged, self.executables)


def survey(
    trace: Path,
    token: str,
    scope: Scope,
    names: Names,
    cwd: str = "",
    ours: int = -1,
    opened: Collection[bytes] = (),
) -> Survey:
    """Read a complete trace and collect what it touched; `names` learns what it resolves.

    `ours` is the pid of a process whose accesses do not count, -1 for none. `opened` are the ends
    of lines that open modules which need not be collected any more.
    """
    found = Survey()
    # Origins are matched by line, so that both passes must drop the same lines.
    origins = births(without_repeats(read_lines(trace), opened))
    lines = without_repeats(read_lines(trace), opened)
    for step in steps(events(lines), origins, token=token, cwd=cwd):
        if isinstance(step, Access) and step.process.pid != ours:
            _collect(step, found, scope, names)
    return found


def _collect(access: Access, found: Survey, scope: Scope, names: Names) -> None:
    if access.call in OPENS:
        if (access.path, access.mode) in found.opened:
            return
        found.opened.add((access.path, access.mode))
    wrote = access.mode not in (Mode.READ, Mode.EXECUTE)
    if access.mode is Mode.EXECUTE:
        found.executables.add(access.path)
    for path in touched_paths(access, names):
        if access.mode is Mode.EXECUTE:
            found.executables.add(path)
        if scope.is_candidate(path):
            found.touched[path] = found.touched.get(path, False) or wrote
        if access.kind not in ("directory", "socket", "fifo") and (
            access.mode is Mode.EXECUTE or scope.may_be_packaged(path)
        ):
            found.packaged.add(path)


def resolved_names(names: Names) -> Iterable[Resolved]:
    """Give every name that was not free of symbolic links, in order."""
    return (Resolved(named, path) for named, path in sorted(names.found.items()))
