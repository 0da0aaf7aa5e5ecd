"""Ownership of an interpreter with its standard library that no package manager installed.

pyenv, python.org, uv, a build from source: the prefix is where `lib/pythonX.Y/os.py` lies. Its
exact version is read, in this order and without running anything, from
`include/pythonX.Y/patchlevel.h` and from the constant in `libpythonX.Y.so` or the executable.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

from packageurl import PackageURL

from nbrepro.model import Package
from nbrepro.packages.interface import Claim, Owner
from nbrepro.packages.reading import read

_LIBRARY = re.compile(r"/(lib|lib64)/((?:python|pypy)\d+\.\d+t?)/")
_OTHER = re.compile(
    r"/(?:bin/(?:python|pypy|pydoc|idle|2to3)[\w.-]*"
    r"|include/(?:python|pypy)\d+\.\d+t?/.+"
    r"|(?:lib|lib64)/lib(?:python|pypy)\d[\w.-]*"
    r"|(?:lib|lib64)/pkgconfig/python[\w.-]*\.pc"
    r"|share/man/man1/(?:python|pypy)[\w.]*)\Z"
)
_MINOR = re.compile(r"(?:python|pypy|pydoc|idle|2to3-)(\d+\.\d+t?)")
_HEADER = re.compile(r'^#define\s+(PY|PYPY)_VERSION\s+"([^"+]+)\+?"', re.MULTILINE)
_STANDARD = "os.py"


class Interpreter(NamedTuple):
    """An interpreter by its prefix, the `lib` in it, and its directory's name `pythonX.Y`."""

    prefix: str
    library: str
    name: str

    @property
    def minor(self) -> str:
        """Give X.Y, with a `t` where it is the free-threaded build."""
        return self.name.removeprefix("python").removeprefix("pypy")

    @property
    def standard(self) -> str:
        """Give the file that every standard library has."""
        return f"{self.prefix.rstrip('/')}/{self.library}/{self.name}/{_STANDARD}"


class InterpreterOwner(Owner):
    """Finds the interpreter whose executable, standard library or headers a path is."""

    def find(self, paths: Collection[str]) -> dict[str, Claim]:
        """Claim the paths; the claim's anchor is the interpreter's os.py."""
        claims = {}
        packages: dict[Interpreter, Package | None] = {}
        for path in paths:
            interpreter = self._interpreter(path)
            if interpreter is None:
                continue
            if interpreter not in packages:
                packages[interpreter] = _package(interpreter)
            if package := packages[interpreter]:
                evidence = f"part of the interpreter in {interpreter.prefix}"
                claims[path] = Claim(package, evidence, interpreter.standard)
        return claims

    def _interpreter(self, path: str) -> Interpreter | None:
        for match in _LIBRARY.finditer(path):
            found = Interpreter(path[: match.start()] or "/", match[1], match[2])
            if self.surroundings.exists(found.standard):
                return found if _standard(path[match.end() :]) else None
        other = _OTHER.search(path)
        return self._of_prefix(path, path[: other.start()] or "/") if other else None

    def _of_prefix(self, path: str, prefix: str) -> Interpreter | None:
        """Choose the interpreter of a prefix whose X.Y the file, or what it links to, names."""
        candidates = [i for i in _interpreters(prefix) if self.surroundings.exists(i.standard)]
        for spelled in (path, os.path.realpath(path)):
            if minor := _MINOR.search(spelled[len(prefix.rstrip("/")) :]):
                named = [i for i in candidates if i.minor == minor[1]]
                return named[0] if named else None
        return candidates[0] if len(candidates) == 1 else None


def _standard(rest: str) -> bool:
    """Tell the standard library from what is installed beside it."""
    first, _, below = rest.partition("/")
    return first not in ("site-packages", "dist-packages") or below == "README.txt"


def _interpreters(prefix: str) -> Iterator[Interpreter]:
    for library in ("lib", "lib64"):
        directory = os.path.join(prefix, library)
        try:
            names = sorted(os.listdir(directory))
        except OSError:
            continue
        for name in names:
            if _LIBRARY.match(f"/{library}/{name}/"):
                yield Interpreter(prefix, library, name)


def _package(interpreter: Interpreter) -> Package | None:
    kind = "pypy" if interpreter.name.startswith("pypy") else "python"
    version = read_version(interpreter)
    if not version:
        return None
    return Package(
        name=kind,
        version=version,
        manager="python",
        purl=PackageURL("generic", None, kind, version).to_string(),
        location=interpreter.prefix,
    )


def read_version(interpreter: Interpreter) -> str:
    """Find the exact version, `3.11.7`; where nothing holds it, the directory's `3.11`."""
    prefix, library, name = interpreter
    header = read(os.path.join(prefix, "include", name, "patchlevel.h")).text
    versions: dict[str, str] = dict(_HEADER.findall(header))
    exact = versions.get("PYPY" if name.startswith("pypy") else "PY")
    if exact:
        return exact
    minor = interpreter.minor
    for candidate in (
        os.path.join(prefix, library, f"libpython{minor}.so.1.0"),
        os.path.join(prefix, library, f"libpython{minor}.so"),
        os.path.join(prefix, "bin", name),
    ):
        if found := _version_constant(candidate, minor.rstrip("t")):
            return found
    return minor.rstrip("t")


def _version_constant(path: str, minor: str) -> str:
    pattern = rb"\x00(" + re.escape(minor.encode("ascii")) + rb"\.\d+(?:(?:a|b|rc)\d+)?)\+?\x00"
    found = re.search(pattern, read(path).data or b"")
    return found[1].decode("ascii") if found else ""
