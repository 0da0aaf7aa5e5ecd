"""Prove a slice: run it in an empty root with only its inputs and packages, compare what it shows.

The root holds the interpreter with its standard library, the distributions that the slice imports
with what those require, the kernel, and what the slice's executions were seen to open of the
system. Inputs are copies, at their own absolute paths; there is no network.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from packageurl import PackageURL

from nbrepro.errors import NotFoundError
from nbrepro.lineage import GENERATED
from nbrepro.outputs import Difference, compare_outputs
from nbrepro.packaging.isolation import Isolation, can_layer, open_layer
from nbrepro.packaging.root import Filling
from nbrepro.rundir import Manifest
from nbrepro.slicing.choosing import Slice, Slicer
from nbrepro.slicing.distributions import (
    KERNEL,
    Installed,
    Interpreter,
    ask_interpreter,
    imported_modules,
)
from nbrepro.slicing.kernel import SOCKETS, Cell, Executed, lend_sockets, run_cells
from nbrepro.slicing.minimising import minimise
from nbrepro.variables import EXACT, POSSIBLE

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from nbrepro.runs import Run

_KEPT_VARIABLES = ("LANG", "LC_ALL", "LC_CTYPE", "TZ", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS",
                   "MKL_NUM_THREADS", "PYTHONHASHSEED")  # fmt: skip
_SYSTEM = ("/etc/passwd", "/etc/localtime", "/etc/timezone", "/etc/mime.types", "/bin/sh",
           "/usr/lib/locale/C.utf8", "/usr/bin/env")  # fmt: skip
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a slice shows what the run did: `differences` say how not, `reason` why not at all.

    `packages` are the distributions that it had, as `name version`.
    """

    equal: bool
    differences: tuple[Difference, ...] = ()
    reason: str = ""
    packages: tuple[str, ...] = ()


@dataclass
class Verifier:
    """A root for one slice, in which it and any part of it can be run."""

    slicer: Slicer
    run: Run
    timeout_s: float = 600.0
    tell: Callable[[str], None] = lambda _: None
    tell_cell: Callable[[int], None] = lambda _: None
    _made: list[Path] = field(default_factory=list)
    _packages: tuple[str, ...] = ()

    def __enter__(self) -> Verifier:
        return self

    def __exit__(self, *_: object) -> None:
        for folder in self._made:
            open_layer(folder)
            shutil.rmtree(folder, ignore_errors=True)

    @cached_property
    def _manifest(self) -> Manifest:
        manifest = self.slicer.history.manifest
        if manifest is None:
            raise NotFoundError(
                f"the directory of run {self.slicer.run} is not here, and with it what its cells "
                "showed; verify where the run was made"
            )
        return manifest

    @cached_property
    def _interpreter(self) -> Interpreter:
        manifest = self._manifest
        return ask_interpreter(manifest.roots.get("prefix", ""), manifest.kernel.executable)

    def recorded(self, chosen: Slice) -> list[NotebookNode]:
        """Give what the slice must show. Raises NotFoundError where the run did not keep it."""
        outputs = self.slicer.history.outputs(chosen.goal)
        if outputs is None:
            raise NotFoundError(
                f"what execution {chosen.goal.execution} showed was not kept: a later execution of "
                "its cell replaced it, or the run directory is not here; verify the last execution"
            )
        return outputs

    def make_root(self, chosen: Slice) -> Path:
        """Fill a root with what a slice needs. Raises MachineError where that cannot be."""
        self.tell("filling an empty root")
        root = self._folder("root")
        manifest, python = self._manifest, self._interpreter
        installed = Installed(python)
        names = self._distributions(chosen, installed)
        self._packages = tuple(f"{name} {installed.version(name)}" for name in names)
        software = Filling(root, link=True)
        software.add([python.executable, os.path.join(python.prefix, "pyvenv.cfg"), *_SYSTEM])
        software.add(python.stdlib_files())
        for name in names:
            software.add(installed.files(name))
        software.add(self._opened(chosen, installed, names))
        self._add_inputs(root, chosen)
        for directory in (manifest.cwd, manifest.roots.get("home", "/root"), SOCKETS):
            Path(root, directory.lstrip("/")).mkdir(parents=True, exist_ok=True)
        return root

    def _distributions(self, chosen: Slice, installed: Installed) -> list[str]:
        """Choose by what the code imports, and what it opened without naming it (plugins)."""
        modules = imported_modules(record.source for record in chosen.records)
        executions = {record.execution for record in chosen.records}
        opened = {
            PackageURL.from_string(row.package).name
            for row in self.run.software()
            if row.execution in executions and row.package and row.package.startswith("pkg:pypi/")
        }
        return installed.needed(modules, [KERNEL, *sorted(opened)])

    def _opened(self, chosen: Slice, installed: Installed, names: list[str]) -> Iterator[str]:
        """List what the executions and the kernel's start opened of the system."""
        executions = {record.execution for record in chosen.records} | {None}
        sites = tuple(f"{one}/" for one in installed.interpreter.path if "-packages" in one)
        for row in self.run.software():
            if row.execution in executions and not row.path.startswith(sites):
                yield row.path

    def _add_inputs(self, root: Path, chosen: Slice) -> None:
        filling = Filling(root)
        for one in chosen.inputs:
            filling.add([one.path], needs=False)
        for directory in chosen.directories:
            Path(root, directory.lstrip("/")).mkdir(parents=True, exist_ok=True)

    def changed_inputs(self, chosen: Slice) -> list[str]:
        """List the inputs that are gone, or are not what the run read."""
        return [one.path for one in chosen.inputs if one.sha256 and _sha256(one.path) != one.sha256]

    def verify(self, chosen: Slice, root: Path | None = None) -> Verdict:
        """Run a slice, in `root` if that is given, and compare."""
        recorded = self.recorded(chosen)
        changed = self.changed_inputs(chosen)
        if changed:
            told = ", ".join(changed[:3])
            return Verdict(False, reason=f"an input is not what the run read: {told}")
        root = root or self.make_root(chosen)
        executed = self._run(chosen, root)
        if executed.reason:
            return Verdict(False, reason=executed.reason, packages=self._packages)
        differences = tuple(compare_outputs(recorded, executed.outputs))
        return Verdict(not differences, differences, packages=self._packages)

    def minimise(self, chosen: Slice, seconds: float) -> tuple[Slice, Verdict]:
        """Drop executions from a slice that holds, for at most `seconds`, while it still does.

        The slice that is left is verified once more, in a root of its own.
        """
        ends = time.monotonic() + seconds
        root = self.make_root(chosen) if can_layer() else None
        tried = 0

        def holds(dropped: frozenset[int]) -> bool:
            nonlocal tried
            tried += 1
            left = len(chosen.kept) - len(dropped)
            self.tell(f"minimising, try {tried}: {left} of {len(chosen.kept)} executions")
            return self.verify(self.slicer.without(chosen, dropped), root).equal

        early = [one for one in chosen.kept if one.execution != chosen.goal.execution]
        possible = [one.execution for one in early if one.certainty == POSSIBLE]
        exact = [one.execution for one in early if one.certainty == EXACT]
        dropped = minimise(possible, exact, holds, lambda: time.monotonic() > ends)
        smaller = self.slicer.without(chosen, dropped)
        return smaller, self.verify(smaller)

    def _run(self, chosen: Slice, root: Path) -> Executed:
        self.tell(f"running {len(chosen.records)} cells in it")
        sockets = self._folder("s")
        cells = list(to_cells(chosen))
        wanted = self._isolation(root, sockets)
        return run_cells(cells, wanted, sockets, self.timeout_s, self.tell_cell)

    def _isolation(self, root: Path, sockets: Path) -> Isolation:
        manifest, python = self._manifest, self._interpreter
        home = manifest.roots.get("home", "/root")
        command = (python.executable, "-m", "ipykernel_launcher", "-f", f"{SOCKETS}/inside.json")
        environment = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        environment |= {"HOME": home, "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
                        "TERM": "dumb", "PYTHONDONTWRITEBYTECODE": "1"}  # fmt: skip
        wanted = Isolation(root, command, manifest.cwd, environment,
                           binds=(lend_sockets(sockets),))  # fmt: skip
        if can_layer():
            return replace(wanted, layer=self._folder("layer"))
        return replace(wanted, writable=self._writable(root, manifest.cwd, home))

    def _writable(self, root: Path, cwd: str, home: str) -> tuple[str, ...]:
        """List where the slice may write, if no layer can be laid over the root."""
        made = {os.path.dirname(edge.path) for edge in self.slicer.edges if edge.mode == GENERATED}
        there = {path for path in made if Path(root, path.lstrip("/")).is_dir()}
        return tuple(sorted({cwd, home, *there}))

    def _folder(self, name: str) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="nbrepro-")) / name
        folder.mkdir()
        self._made.append(folder.parent)
        return folder


def to_cells(chosen: Slice) -> Iterator[Cell]:
    """Give the code of a slice as it is run; what is left out is counted where that matters."""
    before = 0
    for record in chosen.records:
        if chosen.numbered:
            for number in range(before + 1, record.execution):
                yield Cell(f"# execution {number} is not needed", f"counted-{number}")
        before = record.execution
        yield Cell(record.source, record.cell_id, record.status != "ok")


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    except OSError:
        return ""
    return digest.hexdigest()
