"""Python modules that a run loaded, by the files it opened, and what their code imports."""

from __future__ import annotations

import ast
import json
import os
import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

_SITE = re.compile(r"(?P<site>.*?/(?:site|dist)-packages)/(?P<rest>.+)\Z", re.DOTALL)
_LIBRARY = re.compile(
    r"(?P<site>.*?/lib(?:64)?/(?:python|pypy)3\.\d+t?)/(?:lib-dynload/)?(?P<rest>.+)\Z", re.DOTALL
)
_COMPILED = re.compile(r"(?:(?P<parent>.*)/)?__pycache__/(?P<stem>[^/]+?)\.[\w-]+(?:\.opt-\d)?\.pyc")
_EXTENSION = re.compile(r"(?P<stem>.+?)(?:\.(?:cpython|pypy|abi3|cp)[\w.-]*)?\.(?:so|pyd)")
_GUARDS = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})


class Strength(StrEnum):
    """How an import binds: `required` as the module loads; `optional`, for the module lives
    without; `lazy`, inside a function."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    LAZY = "lazy"


class Module(NamedTuple):
    """A module that was loaded: its dotted name, its file, and the directory it is found from.

    `standard` says that it is of the interpreter's library, `extension` that it is compiled.
    """

    name: str
    file: str
    site: str
    standard: bool = False
    extension: bool = False
    package: bool = False


class ImportStatement(NamedTuple):
    """An import in a module's file; `names` are those behind `from module import`."""

    module: str
    level: int
    names: tuple[str, ...]
    strength: str


def module_of(path: str, roots: Iterable[str] = ()) -> Module | None:
    """Tell which module a file is; None where it is none. `roots` hold a project's own modules."""
    site = _SITE.match(path) or _LIBRARY.match(path)
    if site:
        return _module(site["site"], site["rest"], site.re is _LIBRARY)
    for root in roots:
        if path.startswith(root.rstrip("/") + "/"):
            return _module(root.rstrip("/"), path[len(root.rstrip("/")) + 1 :], standard=False)
    return None


def _module(site: str, rest: str, standard: bool) -> Module | None:
    compiled = _COMPILED.fullmatch(rest)
    if compiled:
        rest = "/".join(filter(None, (compiled["parent"], compiled["stem"] + ".py")))
    if rest.endswith(".py"):
        stem, extension = rest[:-3], False
    else:
        found = _EXTENSION.fullmatch(rest)
        if not found or ".so." in rest:
            return None
        stem, extension = found["stem"], True
    parts = stem.split("/")
    package = parts[-1] == "__init__"
    parts = parts[:-1] if package else parts
    if not parts or not all(part.isidentifier() for part in parts):
        return None
    return Module(".".join(parts), f"{site}/{rest}", site, standard, extension, package)


def read_imports(file: str) -> list[ImportStatement] | None:
    """Read the imports of a Python file without running it; None where it cannot be read."""
    try:
        tree = ast.parse(Path(file).read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return list(dict.fromkeys(_found(tree.body, Strength.REQUIRED)))


def _found(body: Iterable[ast.AST], strength: Strength) -> Iterator[ImportStatement]:
    for node in body:
        match node:
            case ast.Import():
                for alias in node.names:
                    yield ImportStatement(alias.name, 0, (), strength)
            case ast.ImportFrom():
                names = tuple(alias.name for alias in node.names)
                yield ImportStatement(node.module or "", node.level, names, strength)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                yield from _found(ast.iter_child_nodes(node), Strength.LAZY)
            case ast.Try() | ast.TryStar():
                yield from _found_in_try(node, strength)
            case ast.If() if _is_for_types(node.test):
                yield from _found(node.orelse, strength)
            case ast.With() if _suppresses(node):
                yield from _found(node.body, max(strength, Strength.OPTIONAL, key=_weakness))
            case ast.expr():
                pass  # lambdas hold no statements
            case _:
                yield from _found(ast.iter_child_nodes(node), strength)


def _found_in_try(node: ast.Try | ast.TryStar, strength: Strength) -> Iterator[ImportStatement]:
    weaker = max(strength, Strength.OPTIONAL, key=_weakness) if _is_guarded(node) else strength
    yield from _found(node.body, weaker)
    for handler in node.handlers:
        yield from _found(handler.body, max(strength, Strength.OPTIONAL, key=_weakness))
    yield from _found((*node.orelse, *node.finalbody), strength)


def _weakness(strength: Strength) -> int:
    return list(Strength).index(strength)


def _is_guarded(node: ast.Try | ast.TryStar) -> bool:
    """Tell whether a failing import is lived with: caught, and not raised again."""
    return any(
        _catches(handler.type) and not any(isinstance(n, ast.Raise) for n in ast.walk(handler))
        for handler in node.handlers
    )


def _catches(kind: ast.expr | None) -> bool:
    if kind is None:
        return True
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    names = (getattr(k, "id", None) or getattr(k, "attr", "") for k in kinds)
    return any(name in _GUARDS for name in names)


def _is_for_types(test: ast.expr) -> bool:
    return (getattr(test, "id", None) or getattr(test, "attr", "")) == "TYPE_CHECKING"


def _suppresses(node: ast.With) -> bool:
    for item in node.items:
        call = item.context_expr
        if isinstance(call, ast.Call):
            name = getattr(call.func, "id", None) or getattr(call.func, "attr", "")
            if name == "suppress" and any(_catches(argument) for argument in call.args):
                return True
    return False


class ImportCache:
    """The imports of files, kept in the user's cache while size and time of a file stay."""

    def __init__(self, directory: Path | None = None) -> None:
        home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        self._file = (directory or Path(home).expanduser() / "nbrepro") / "imports.json"
        self._known = _read_cache(self._file)
        self._fresh: dict[str, list[object]] = {}

    def imports(self, file: str) -> list[ImportStatement] | None:
        """Give the imports of a file; None where it cannot be read."""
        try:
            status = os.stat(file)
        except (OSError, ValueError):
            return None
        stamp = [status.st_size, status.st_mtime_ns]
        known = _read_entry(self._known.get(file), stamp)
        if known is not None:
            return known
        found = read_imports(file)
        if found is not None:
            self._fresh[file] = [stamp, found]
        return found

    def keep(self) -> None:
        """Write what was read anew; a cache that cannot be written is none."""
        if not self._fresh:
            return
        part = self._file.with_name(f"{self._file.name}.{os.getpid()}.part")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(self._known | self._fresh), encoding="ascii")
            part.replace(self._file)
        except OSError:
            return


def _read_entry(entry: object, stamp: list[int]) -> list[ImportStatement] | None:
    # Whatever another program left in the cache is as good as nothing.
    try:
        known, statements = entry  # type: ignore[misc]
        if known != stamp:
            return None
        return [ImportStatement(str(m), int(n), tuple(i), Strength(s)) for m, n, i, s in statements]
    except (TypeError, ValueError):
        return None


def _read_cache(file: Path) -> dict[str, list[object]]:
    try:
        known = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
