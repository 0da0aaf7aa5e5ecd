"""The distributions that a slice's code needs: what it imports, and what those require."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import Distribution, distributions

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from nbrepro.errors import MachineError
from nbrepro.variables.code import parse_cell

KERNEL = "ipykernel"
_QUESTION = (
    "import json, sys, sysconfig; paths = sysconfig.get_paths(); print(json.dumps({"
    "'path': sys.path, 'stdlib': [paths['stdlib'], paths['platstdlib']], 'prefix': sys.prefix,"
    " 'executable': sys.executable, 'version': sys.version.split()[0]}))"
)
_UNUSED = ("/test/", "/tests/", "/idlelib/", "/turtledemo/", "/ensurepip/", "/lib2to3/")


@dataclass(slots=True)
class Interpreter:
    """The Python of a kernel, as it describes itself: where it looks for modules."""

    executable: str
    prefix: str
    path: list[str]
    stdlib: list[str]
    version: str = ""

    def stdlib_files(self) -> Iterator[str]:
        """List the files of the standard library, without its own tests."""
        for top in sorted(set(self.stdlib)):
            for folder, folders, files in os.walk(top):
                folders[:] = [f for f in folders if not f.endswith("-packages")]
                if not any(part in f"{folder}/" for part in _UNUSED):
                    yield from (os.path.join(folder, name) for name in files)


def ask_interpreter(prefix: str, executable: str) -> Interpreter:
    """Ask the interpreter of an environment about itself. Raises MachineError."""
    own = os.path.join(prefix, "bin", "python3")
    program = own if os.access(own, os.X_OK) else executable
    try:
        done = subprocess.run(
            [program, "-I", "-c", _QUESTION], capture_output=True, check=True, timeout=60
        )
        told = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise MachineError(
            f"{program}: the run's interpreter does not answer ({error}); it is needed to verify"
        ) from None
    return Interpreter(program, told["prefix"], told["path"], told["stdlib"], told["version"])


@dataclass
class Installed:
    """The distributions that an interpreter finds."""

    interpreter: Interpreter
    _files: dict[str, list[str]] = field(default_factory=dict)

    @cached_property
    def _every(self) -> dict[str, Distribution]:
        paths = [one for one in self.interpreter.path if os.path.isdir(one)]
        found: dict[str, Distribution] = {}
        for one in distributions(path=paths):
            name = one.metadata["Name"]
            if name:
                found.setdefault(canonicalize_name(name), one)
        return found

    @cached_property
    def _importable(self) -> dict[str, set[str]]:
        """Map the names of top-level modules to the distributions that have them."""
        found: dict[str, set[str]] = {}
        for name, one in self._every.items():
            tops = (one.read_text("top_level.txt") or "").split()
            for file in one.files or ():
                top = file.parts[0]
                stem = top.partition(".")[0]
                tops += [stem] if top.endswith((".py", ".so")) or len(file.parts) > 1 else []
            for top in set(tops):
                found.setdefault(top, set()).add(name)
        return found

    def needed(self, modules: Iterable[str], names: Iterable[str] = ()) -> list[str]:
        """Give the distributions of modules, those named, and what all of them require."""
        tops = {module.partition(".")[0] for module in modules}
        pending = [name for top in sorted(tops) for name in sorted(self._importable.get(top, ()))]
        pending += [canonicalize_name(name) for name in names]
        found: dict[str, None] = {}
        while pending:
            name = pending.pop()
            if name in found or name not in self._every:
                continue
            found[name] = None
            pending += self._required(name)
        return sorted(found)

    def _required(self, name: str) -> Iterator[str]:
        for text in self._every[name].requires or ():
            try:
                wanted = Requirement(text)
            except InvalidRequirement:
                continue
            if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
                yield canonicalize_name(wanted.name)

    def version(self, name: str) -> str:
        """Give the version of a distribution."""
        return self._every[name].version

    def files(self, name: str) -> list[str]:
        """List the files of a distribution."""
        return [str(self._every[name].locate_file(file)) for file in self._every[name].files or ()]


def imported_modules(sources: Iterable[str]) -> set[str]:
    """Give the top-level modules that code names in imports, wherever they stand."""
    found: set[str] = set()
    for source in sources:
        try:
            tree = parse_cell(source)
        except (SyntaxError, ValueError):
            found.update(re.findall(r"(?m)^\s*(?:import|from)\s+(\w+)", source))
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                # The bodies and lines of magics are text.
                found.update(re.findall(r"(?m)^\s*(?:import|from)\s+(\w+)", node.value))
    return found
