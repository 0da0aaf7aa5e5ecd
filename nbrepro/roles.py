"""Give each touched file its role, by the first rule that fits.

The rules are a table: ordered, named, and each a small predicate over what is known of the file.
A project's own rules (`[[tool.nbrepro.roles]]`) come before them. The name of the rule that fired
is kept with the file, and `nbrepro why` tells it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase, translate
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote

from nbrepro.config import RoleRule
from nbrepro.model import Classification, Package, Role
from nbrepro.sandboxes import split_sandbox

METADATA_OF_PACKAGE = "metadata-of-package"
"""The rule of files that tell of a package: reading them does not count as using it."""


class FileFacts(NamedTuple):
    """What the rules may look at.

    `kind` is the file's kind as far as known; `package` its owner, if any; `looked_up` says that
    the package databases were asked; `executed` that it was run as a program; `passing` that the
    run made and removed it within one cell, and `removed` that the run made and removed it at all.
    """

    path: str
    kind: str
    package: Package | None
    executed: bool = False
    passing: bool = False
    removed: bool = False


@dataclass(frozen=True, slots=True)
class Places:
    """The directories that rules speak of: the run's roots and its own `.nbrepro` directory."""

    project: str
    prefix: str
    home: str
    temporary: str
    run: str = ""

    @classmethod
    def from_roots(cls, roots: Mapping[str, str]) -> Places:
        """Take the places from a manifest's roots; a missing one matches nothing."""
        return cls(*(roots.get(name, "") for name in cls.__slots__))


Predicate = Callable[[FileFacts, Places], bool]


class Rule(NamedTuple):
    """A named rule: files for which `fits` holds have `role`."""

    name: str
    role: Role
    fits: Predicate


_CODE = frozenset((
    ".py", ".pyx", ".pxd", ".pyi", ".ipynb", ".r", ".R", ".jl", ".sh", ".bash", ".pl", ".pm",
    ".rb", ".js", ".ts", ".c", ".h", ".cc", ".cpp", ".hpp", ".cu", ".f", ".f90", ".m", ".sql",
    ".java", ".go", ".rs", ".lua", ".awk", ".sed", ".cmake", ".mk", ".smk", ".nf", ".cwl",
    ".wdl",
))  # fmt: skip
_CONFIG = frozenset((
    ".ini", ".cfg", ".conf", ".toml", ".properties", ".env",
))  # fmt: skip
_CONFIG_NAMES = re.compile(
    "|".join(
        map(
            translate,
            ("config.*", "settings.*", "*.config.*", ".*rc", "*rc.json", "environment.y*ml"),
        )
    )
)
_LIBRARY = frozenset((
    ".py", ".pyc", ".pyo", ".pyi", ".so", ".pyd", ".a", ".pth", ".egg-link",
))  # fmt: skip
_DATASET = frozenset((
    ".csv", ".tsv", ".txt", ".dat", ".nc", ".nc4", ".cdf", ".h5", ".hdf5", ".hdf", ".root",
    ".parquet", ".feather", ".arrow", ".npy", ".npz", ".mat", ".jpg", ".jpeg", ".png", ".tif",
    ".tiff", ".gif", ".bmp", ".fits", ".grib", ".zarr", ".gz", ".bz2", ".xz", ".zip", ".json",
    ".geojson", ".shp", ".xls", ".xlsx", ".db", ".sqlite", ".sqlite3", ".wav", ".pkl",
))  # fmt: skip
_DATASET_DIRECTORIES = ("data", "datasets", "dataset", "sample_data", "sampledata", "*_data")
_SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/libx32", "/bin", "/sbin", "/etc", "/var/lib",
           "/run", "/opt", "/nix", "/snap", "/var/cache", "/var/log", "/boot")  # fmt: skip
_BELOW_SYSTEM = tuple(place + "/" for place in _SYSTEM)
_KERNEL_FILE_SYSTEMS = ("/proc", "/sys")
# Python writes it under a name with a number behind, and renames that.
_BYTECODE = re.compile(r"\.py[co](?:\.\d+)?\Z")
_RUNTIME_PLACES = ("/.ipython/", "/.jupyter/", "/share/jupyter/", "/etc/jupyter/",
                   "/jupyter/runtime/", "/etc/ipython/", "/.ipynb_checkpoints/")  # fmt: skip


_WORKSPACE = re.compile(r"/worker-\d+-\d+/")
_TOOL_PLACES = ("/.pyenv/", "/.rbenv/", "/.nvm/", "/.rustup/", "/.cargo/")
_ENGINE_PLACES = ("/vine-run-info/", "/dask-scratch-space/", "/dask-worker-space/")


def under(path: str, place: str) -> bool:
    """Tell whether `path` is `place` or below it; nothing is below an empty place."""
    if not place or not path.startswith(place):
        return False
    return len(path) == len(place) or place[-1] == "/" or path[len(place)] == "/"


def _name(path: str) -> str:
    return path[path.rfind("/") + 1 :]


def _suffix(path: str) -> str:
    """Give the last suffix of a name with its dot; a name that only begins with a dot has none."""
    name = _name(path)
    dot = name.rfind(".")
    return name[dot:] if dot > 0 else ""


def _connection(file: FileFacts, _: Places) -> bool:
    return file.kind in ("inet", "inet6", "unix")


def _of_this_tool(file: FileFacts, places: Places) -> bool:
    ours = ("/nbrepro/capture/probes/", "/nbrepro/workers/")
    return under(file.path, places.run) or any(part in file.path for part in ours)


def _shared_memory(file: FileFacts, _: Places) -> bool:
    return under(file.path, "/dev/shm")  # noqa: S108


def _socket(file: FileFacts, _: Places) -> bool:
    return file.kind == "socket"


def _sandbox_of_task(file: FileFacts, _: Places) -> bool:
    parts = split_sandbox(file.path)
    return parts is not None and _WORKSPACE.search(parts[0] + "/") is not None


def _engine_files(file: FileFacts, _: Places) -> bool:
    return _WORKSPACE.search(file.path) is not None or any(
        part in file.path for part in _ENGINE_PLACES
    )


def _kernel_file_system(file: FileFacts, _: Places) -> bool:
    return any(under(file.path, place) for place in _KERNEL_FILE_SYSTEMS)


def _device(file: FileFacts, _: Places) -> bool:
    return file.kind == "device" or under(file.path, "/dev")


def _deleted(file: FileFacts, _: Places) -> bool:
    return file.kind == "deleted"


def _made_and_removed_in_cell(file: FileFacts, _: Places) -> bool:
    return file.passing


def _temporary_directory(file: FileFacts, places: Places) -> bool:
    temporary = under(file.path, places.temporary) or under(file.path, "/tmp")  # noqa: S108
    return file.removed and temporary and not under(file.path, places.project)


def _jupyter_runtime(file: FileFacts, places: Places) -> bool:
    if file.package is not None:
        return False
    path = file.path
    if under(path, places.project):
        path = path[len(places.project.rstrip("/")) :]
    return any(part in path for part in _RUNTIME_PLACES) or (
        path.endswith(".json") and "/kernel-" in path and "jupyter" in path
    )


def _bytecode(file: FileFacts, places: Places) -> bool:
    return (
        _BYTECODE.search(file.path) is not None
        and (file.package is None or under(file.path, places.project))
        and not _in_prefix(file, places)
        and not _in_environment(file.path)
    )


def _cache(file: FileFacts, places: Places) -> bool:
    if file.package is not None:
        return False
    return (
        under(file.path, places.home.rstrip("/") + "/.cache" if places.home else "")
        or "/.cache/" in file.path
        or (under(file.path, places.temporary) and "/matplotlib-" in file.path)
        or file.path.endswith((".nbi", ".nbc"))
    )


def _dataset_of_package(file: FileFacts, places: Places) -> bool:
    if file.package is None and not under(file.path, places.prefix):
        return False
    if _suffix(file.path).lower() not in _DATASET:
        return False
    directories = PurePosixPath(file.path).parent.parts
    site = next((n for n in ("site-packages", "dist-packages") if n in directories), "")
    inside = directories[directories.index(site) + 1 :] if site else ()
    return any(fnmatchcase(d, pattern) for d in inside for pattern in _DATASET_DIRECTORIES)


def _own_code(file: FileFacts, places: Places) -> bool:
    # An editable install makes the project own its code as a package; to its author it is code.
    return (
        under(file.path, places.project)
        and not _in_prefix(file, places)
        and not _in_environment(file.path)
        and (_suffix(file.path) in _CODE or file.executed)
    )


def _in_environment(path: str) -> bool:
    return "/site-packages/" in path or "/dist-packages/" in path


def is_part_of_environment(path: str) -> bool:
    """Tell whether a directory is one of those that interpreters look for modules in."""
    return any(part in path for part in ("/site-packages", "/lib/python"))


def _metadata_of_package(file: FileFacts, _: Places) -> bool:
    # Read when somebody lists what is installed (entry points) or starts Python: no use of it.
    return file.package is not None and (
        ".dist-info/" in file.path
        or ".egg-info/" in file.path
        or "/conda-meta/" in file.path
        or file.path.endswith((".pth", ".egg-link", ".egg-info"))
    )


def _library_of_package(file: FileFacts, _: Places) -> bool:
    if file.package is None:
        return False
    name = _name(file.path)
    return _suffix(file.path) in _LIBRARY or ".so." in name or file.executed


def _file_of_package(file: FileFacts, places: Places) -> bool:
    return file.package is not None and not under(file.path, "/etc") and not _beside_source(file)


def _beside_source(file: FileFacts) -> bool:
    """Tell whether a file lies in the source tree of an editable install, which owns it all."""
    source = file.package.source.removeprefix("file://") if file.package else ""
    return under(file.path, unquote(source))


def _unowned_library(file: FileFacts, places: Places) -> bool:
    if file.path.endswith("pyvenv.cfg"):
        return False
    name = _name(file.path)
    if _in_environment(file.path):
        return _suffix(file.path) in _LIBRARY or ".so." in name
    library = _suffix(file.path) in (".so", ".pyd") or ".so." in name
    return library and not under(file.path, places.project)


def _environment_file(file: FileFacts, places: Places) -> bool:
    return file.path.endswith("pyvenv.cfg") or _in_prefix(file, places)


def _in_prefix(file: FileFacts, places: Places) -> bool:
    """Tell whether a file is in the interpreter's prefix and not in a project inside of that."""
    return under(file.path, places.prefix) and not (
        under(places.project, places.prefix) and under(file.path, places.project)
    )


def _program(file: FileFacts, _: Places) -> bool:
    return file.executed


def _system_file(file: FileFacts, places: Places) -> bool:
    within = file.path in _SYSTEM or file.path.startswith(_BELOW_SYSTEM)
    return within and not under(file.path, places.project)


def _tool_of_user(file: FileFacts, _: Places) -> bool:
    return any(part in file.path for part in _TOOL_PLACES)


def _user_configuration(file: FileFacts, places: Places) -> bool:
    return bool(places.home) and (
        under(file.path, places.home.rstrip("/") + "/.config")
        or under(file.path, places.home.rstrip("/") + "/.matplotlib")
    )


def _code(file: FileFacts, _: Places) -> bool:
    return _suffix(file.path) in _CODE


def _configuration(file: FileFacts, _: Places) -> bool:
    name = _name(file.path)
    return _suffix(file.path) in _CONFIG or _CONFIG_NAMES.match(name) is not None


def _directory(file: FileFacts, _: Places) -> bool:
    return file.kind == "directory"


def _anything(_: FileFacts, __: Places) -> bool:
    return True


RULES: tuple[Rule, ...] = (
    Rule("connection", Role.NETWORK, _connection),
    Rule("of-this-tool", Role.RUNTIME, _of_this_tool),
    Rule("directory", Role.DIRECTORY, _directory),
    Rule("shared-memory", Role.TEMPORARY, _shared_memory),
    Rule("socket", Role.TEMPORARY, _socket),
    Rule("sandbox-of-task", Role.TEMPORARY, _sandbox_of_task),
    Rule("engine-of-tasks", Role.RUNTIME, _engine_files),
    Rule("kernel-file-system", Role.SYSTEM, _kernel_file_system),
    Rule("device", Role.SYSTEM, _device),
    Rule("file-without-a-name", Role.TEMPORARY, _deleted),
    Rule("jupyter-runtime", Role.RUNTIME, _jupyter_runtime),
    Rule("bytecode", Role.CACHE, _bytecode),
    Rule("made-and-removed-in-one-cell", Role.TEMPORARY, _made_and_removed_in_cell),
    Rule("made-and-removed-in-temporary-directory", Role.TEMPORARY, _temporary_directory),
    Rule("user-cache", Role.CACHE, _cache),
    Rule("dataset-of-package", Role.DATA, _dataset_of_package),
    Rule("code-of-project", Role.CODE, _own_code),
    Rule(METADATA_OF_PACKAGE, Role.PACKAGE_DATA, _metadata_of_package),
    Rule("library-of-package", Role.PACKAGE, _library_of_package),
    Rule("file-of-package", Role.PACKAGE_DATA, _file_of_package),
    Rule("library-without-owner", Role.UNRESOLVED, _unowned_library),
    Rule("environment-file", Role.SYSTEM, _environment_file),
    Rule("program", Role.UNRESOLVED, _program),
    Rule("system-directory", Role.SYSTEM, _system_file),
    Rule("tool-of-user", Role.SYSTEM, _tool_of_user),
    Rule("user-configuration", Role.CONFIG, _user_configuration),
    Rule("code-by-suffix", Role.CODE, _code),
    Rule("configuration-by-name", Role.CONFIG, _configuration),
    Rule("otherwise-data", Role.DATA, _anything),
)


def classify(file: FileFacts, places: Places, own: Sequence[RoleRule] = ()) -> Classification:
    """Give the role of a file: the project's own rules first, then the table, first fit wins."""
    for rule in own:
        if _matches(file.path, rule.pattern, places.project):
            return Classification(rule.role, f"configured: {rule.pattern}")
    for entry in RULES:
        if entry.fits(file, places):
            return Classification(entry.role, entry.name)
    raise AssertionError("the last rule fits everything")


def _matches(path: str, pattern: str, project: str) -> bool:
    if pattern.startswith("/"):
        return fnmatchcase(path, pattern)
    return under(path, project) and fnmatchcase(path[len(project.rstrip("/")) + 1 :], pattern)
