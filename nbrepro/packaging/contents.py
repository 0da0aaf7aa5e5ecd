"""What a run needs on an empty machine: files with their layer, role and reason.

The evidence shows what was opened and executed. What follows from that by structure (the source
beside its byte code, a distribution's metadata, the entries of a directory that was listed) is
added here, each by a named rule; what only a replay can show is added by `proof`.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from nbrepro import ingest
from nbrepro.classifier import Classifier, file_of
from nbrepro.errors import NotFoundError
from nbrepro.graph import assign_versions
from nbrepro.model import Mode, Package, Role, Touch
from nbrepro.packaging.needs import find_all_needs
from nbrepro.resources import find_resources
from nbrepro.roles import under
from nbrepro.rundir import CellRecord, Manifest, RunDirectory
from nbrepro.versions import VersionedTouch
from nbrepro.walk import observe_all, touches_of

SYSTEM, ENVIRONMENT, CODE, DATA, RUN = "system", "environment", "code", "data", "run"
LAYERS = (SYSTEM, ENVIRONMENT, CODE, DATA, RUN)
"""The kinds of layers, from the least to the most often changed."""

_SKIPPED = (Role.RUNTIME, Role.TEMPORARY, Role.NETWORK)
_NOT_FILES = ("device", "kernel-file-system", "connection", "shared-memory", "socket")
_LISTED_AT_MOST = 2000
_OWN = (str(Path(__file__).parents[1]), str(find_resources("schemas")))
_LIBRARY = re.compile(r"(.*/lib/python3\.\d+)/(?!site-packages|dist-packages)")
_LOOKED_FOR = (
    ".config", ".config/matplotlib", ".ipython/profile_default/log", ".ipython/profile_default/pid",
    ".ipython/profile_default/security", ".ipython/profile_default/startup",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Item:
    """One file or directory that belongs into a package.

    `path` is as the run named it, and may lead through symbolic links. `package` is the purl of
    its owner. `sha256` is the content that the run saw, empty where nobody looked. `rule` says why
    it is there; `needed` that it was read, not only listed.
    """

    path: str
    layer: str
    role: str
    rule: str
    package: str = ""
    sha256: str = ""
    needed: bool = True


@dataclass(slots=True)
class Contents:
    """Everything that belongs into the package of a run.

    `outputs` maps the files that the run made, and that were there at its end, to their sha256.
    `lost` says of inputs why the run's content of them is not on this machine any more.
    `python` is the interpreter as the kernel was started, before symbolic links. `needs` maps
    executions to those that their results need. `perhaps` are entries of directories of which the
    trace cannot tell whether Python searched them for modules or the notebook listed them.
    """

    manifest: Manifest
    cells: list[CellRecord]
    python: str
    items: dict[str, Item] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)
    needs: dict[int, list[int]] = field(default_factory=dict)
    perhaps: list[Item] = field(default_factory=list)

    def add(self, item: Item) -> None:
        """Add an item, unless it is there already for a better reason."""
        known = self.items.get(item.path)
        if known is None or (item.needed and not known.needed):
            self.items[item.path] = item


def find_contents(directory: RunDirectory, cell: int | None = None) -> Contents:
    """Find what belongs into the package of a run, from its evidence and this machine's files.

    With `cell`, what the last execution of the cell at that position needs, and that of the
    executions that it needs. Raises NotFoundError.
    """
    return _Finder(directory).find(cell)


def choose_executions(
    cells: Sequence[CellRecord], needs: Mapping[int, Sequence[int]], cell: int
) -> list[CellRecord]:
    """Give the executions that a cell's last execution needs, and it. Raises NotFoundError."""
    own = [record.execution for record in cells if record.position == cell]
    if not own:
        raise NotFoundError(f"cell {cell}: was not executed in the run; nbrepro show lists those")
    wanted = set(needs[own[-1]])
    return [record for record in cells if record.execution in wanted]


class _Finder:
    def __init__(self, directory: RunDirectory) -> None:
        self._evidence = ingest.Evidence(directory)
        self._manifest = self._evidence.manifest
        # Without a judge of software, so that every file is a touch with its owner.
        sources = [replace(source, judge=None) for source in self._evidence.sources()]
        self._touches = touches_of(observe_all(sources))
        files, software = self._evidence.files(), self._evidence.software
        self._roles = Classifier(self._manifest, self._touches, files, software)
        self._host = self._manifest.host.name

    def find(self, cell: int | None) -> Contents:
        contents = Contents(self._manifest, self._evidence.cells, self._python())
        every = [t for t in self._touches if self._is_own_file(t)]
        versioned = assign_versions(every, self._evidence.files())
        contents.needs = find_all_needs(contents.cells, versioned)
        if cell is not None:
            contents.cells = choose_executions(contents.cells, contents.needs, cell)
            wanted = {0, *(record.execution for record in contents.cells)}
            self._touches = [t for t in self._touches if t.owner.execution in wanted]
            versioned = [one for one in versioned if one.touch.owner.execution in wanted]
        for touch in self._touches:
            if file_of(touch)[0] == self._host and self._roles.is_software(touch):
                self._add_software(contents, touch)
        made = {one.generated.number for one in versioned if one.generated}
        self._add_files(contents, versioned, made)
        self._add_directories(contents)
        for item in list(contents.items.values()):
            for more in completions(item):
                contents.add(more)
        for more in (
            *landmarks(list(contents.items.values())),
            *homes(self._manifest.roots["home"]),
        ):
            contents.add(more)
        return contents

    def _is_own_file(self, touch: Touch) -> bool:
        """Tell whether a touch is of a file of this machine that is no software."""
        return (
            touch.mode is not Mode.CONNECT
            and file_of(touch)[0] == self._host
            and not self._roles.is_software(touch)
        )

    def _python(self) -> str:
        """Give the kernel's interpreter as it was started: a virtual environment is known by it."""
        for touch in self._touches:
            if touch.mode is Mode.EXECUTE and touch.path == self._manifest.kernel.executable:
                return touch.named if touch.named.startswith("/") else touch.path
        return self._manifest.kernel.executable

    def _add_software(self, contents: Contents, touch: Touch) -> None:
        file = file_of(touch)
        role = self._roles.role(file)
        if role.rule in _NOT_FILES or role.role is Role.DIRECTORY:
            return
        package = self._roles.package(file)
        layer = self._software_layer(touch.path, package)
        for path in _names(touch, self._manifest.cwd):
            contents.add(
                Item(path, layer, role.role, "read in the run", package.purl if package else "")
            )

    def _software_layer(self, path: str, package: Package | None) -> str:
        if package is not None:
            return SYSTEM if package.manager == "dpkg" else ENVIRONMENT
        roots = self._manifest.roots
        places = (roots.get("prefix", ""), roots.get("home", ""))
        return ENVIRONMENT if any(under(path, place) for place in places) else SYSTEM

    def _add_files(
        self, contents: Contents, versioned: Sequence[VersionedTouch], made: set[int]
    ) -> None:
        for one in versioned:
            file = file_of(one.touch)
            role = self._roles.role(file)
            if one.generated is not None:
                contents.made.add(one.generated.path)
            if role.role in _SKIPPED or role.role is Role.DIRECTORY or role.rule in _NOT_FILES:
                continue
            if one.touch.owner.worker and any(under(one.touch.path, own) for own in _OWN):
                continue  # what observes a worker is not part of it
            if one.used is not None and one.used.number not in made:
                package = self._roles.package(file)
                layer = self._file_layer(one.touch.path, role.role, package)
                # The code of an editable installation is that of a distribution, wherever it lies.
                purl = package.purl if package and role.role is Role.CODE else ""
                sha256 = one.used.sha256
                for path in _names(one.touch, self._manifest.cwd):
                    contents.add(Item(path, layer, role.role, "read in the run", purl, sha256))
            if one.generated is not None:
                contents.outputs[one.generated.path] = one.generated.sha256
            if one.invalidated is not None:
                contents.outputs.pop(one.invalidated.path, None)

    def _file_layer(self, path: str, role: Role, package: Package | None) -> str:
        if role is Role.CODE:
            return CODE
        if role is Role.CACHE:
            return ENVIRONMENT
        if role in (Role.DATA, Role.CONFIG):
            return DATA
        return self._software_layer(path, package)

    def _add_directories(self, contents: Contents) -> None:
        """Add directories: where the kernel worked, and what was listed outside the software."""
        roots = self._manifest.roots
        for path in (self._manifest.cwd, roots.get("project", "")):
            if path:
                contents.add(Item(path, CODE, Role.DIRECTORY, "where the notebook works"))
        listed = [t for t in self._touches if self._is_listing(t) and t.path not in contents.made]
        searched = {touch.path for touch in listed if not touch.owner.execution}
        # Importing lists the directory of every module; what has none was listed for its names.
        modules = {_folder_of_module(touch.path) for touch in self._touches}
        for touch in listed:
            software = self._roles.is_software(touch) or not self._is_project(touch.path)
            layer = self._software_layer(touch.path, None) if software else DATA
            contents.add(Item(touch.path, layer, Role.DIRECTORY, "opened in the run"))
            if not touch.owner.execution:
                continue
            if software and (touch.path in modules or not self._is_installed(touch.path)):
                continue
            for item in _entries(touch.path, contents.made, layer):
                # Python lists its own path, and with it the notebook's folder, to find modules.
                if touch.path in searched:
                    contents.perhaps.append(item)
                else:
                    contents.add(item)

    def _is_installed(self, path: str) -> bool:
        """Tell whether a directory is one of installed software, not of the user's own files."""
        inside = under(path, self._manifest.roots.get("prefix", "")) or under(path, "/usr")
        return inside or "/site-packages/" in path or "/lib/python" in path

    def _is_listing(self, touch: Touch) -> bool:
        file = file_of(touch)
        directory = self._roles.role(file).role is Role.DIRECTORY
        return directory and file[0] == self._host and touch.mode is Mode.READ

    def _is_project(self, path: str) -> bool:
        roots = self._manifest.roots
        return under(path, roots.get("project", "")) or under(path, self._manifest.cwd)


def _names(touch: Touch, cwd: str) -> Iterator[str]:
    """Yield the path of a touch, and the name that led to it through symbolic links."""
    named = touch.named if touch.named.startswith("/") else f"{cwd}/{touch.named}"
    if named != touch.path and touch.named and os.path.realpath(named) == touch.path:
        yield named
    yield touch.path


def _folder_of_module(path: str) -> str:
    """Give the directory that a Python module lies in; empty for other files."""
    if not path.endswith((".py", ".pyc", ".so", ".pth")):
        return ""
    return os.path.dirname(path).removesuffix("/__pycache__")


def _entries(directory: str, made: Iterable[str], layer: str) -> Iterator[Item]:
    """Yield what a listed directory holds, so that a pattern matches the same names again."""
    try:
        found = sorted(os.scandir(directory), key=lambda entry: entry.name)[:_LISTED_AT_MOST]
    except OSError:
        return
    made = set(made)
    for entry in found:
        if entry.path in made or entry.name in (".nbrepro", "__pycache__"):
            continue
        if entry.is_symlink() or entry.is_file(follow_symlinks=False):
            role = Role.DATA if layer == DATA else Role.PACKAGE_DATA
            yield Item(entry.path, layer, role, "in a directory that was listed", needed=False)
        elif entry.is_dir(follow_symlinks=False) and not any(under(m, entry.path) for m in made):
            rule = "in a directory that was listed"
            yield Item(entry.path, layer, Role.DIRECTORY, rule, needed=False)


def completions(item: Item) -> Iterator[Item]:
    """Yield what an item entails without being opened; each by a named rule."""
    path = item.path
    folder, name = os.path.split(path)
    if folder.endswith("/__pycache__") and name.endswith(".pyc"):
        source = f"{folder[: -len('/__pycache__')]}/{name.split('.')[0]}.py"
        if Path(source).is_file():
            yield Item(source, item.layer, item.role, "source of its byte code", item.package)
    elif folder.endswith(".dist-info") and Path(folder, "METADATA").is_file():
        rule = "metadata of its distribution"
        yield Item(f"{folder}/METADATA", item.layer, Role.PACKAGE_DATA, rule, item.package)


def landmarks(items: Iterable[Item]) -> Iterator[Item]:
    """Yield what an interpreter knows its own standard library by, and never opens."""
    found = {_LIBRARY.match(item.path) for item in items if item.layer == ENVIRONMENT}
    for library in sorted({match[1] for match in found if match}):
        for path in (f"{library}/os.py", *glob.glob(f"{glob.escape(library)}/config-*")):
            if Path(path).exists():
                yield Item(path, ENVIRONMENT, Role.PACKAGE, "landmark of its interpreter")


def homes(home: str) -> Iterator[Item]:
    """Yield the folders that IPython and matplotlib look for in a home, without their files."""
    for name in _LOOKED_FOR:
        path = f"{home}/{name}"
        if home and Path(path).is_dir():
            yield Item(path, ENVIRONMENT, Role.DIRECTORY, "folder that Jupyter looks for")


def layer_of(path: str, contents: Contents, known: Mapping[str, Item]) -> str:
    """Give the layer of a path that a replay asked for: that of its neighbours, else by place."""
    roots = contents.manifest.roots
    folder = os.path.dirname(path)
    while len(folder) > 1:
        found = known.get(folder)
        if found is not None:
            return found.layer
        folder = os.path.dirname(folder)
    if under(path, roots.get("project", "")):
        return DATA
    inside = any(under(path, roots.get(name, "")) for name in ("prefix", "home"))
    return ENVIRONMENT if inside else SYSTEM
