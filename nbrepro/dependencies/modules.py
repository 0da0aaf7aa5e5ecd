"""Python modules that a run loaded, by the files it opened, and what their code imports."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

_SITE = re.compile(r"(?P<site>.*?/(?:site|dist)-packages)/(?P<rest>.+)\Z", re.DOTALL)
_LIBRARY = re.compile(
    r"(?P<site>.*?/lib(?:64)?/(?:python|pypy)3\.\d+t?)/(?:lib-dynload/)?(?P<rest>.+)\Z", re.DOTALL
)
_COMPILED = re.compile(
    r"(?:(?P<parent>.*)/)?__pycache__/(?P<stem>[^/]+?)\.[\w-]+(?:\.opt-\d)?\.pyc"
)
_EXTENSION = re.compile(r"(?P<stem>.+?)(?:\.(?:cpython|pypy|abi3|cp)[\w.-]*)?\.(?:so|pyd)")
_MACHINE = frozenset({"version_info", "platform", "implementation", "maxsize", "hexversion"})
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


def site_of(path: str) -> str | None:
    """Give the directory of packages, or the standard library, that a file is in."""
    found = _SITE.match(path) or _LIBRARY.match(path)
    return found["site"] if found else None


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
            case ast.If() if not _is_of_the_machine(node.test):
                weaker = max(strength, Strength.OPTIONAL, key=_weakness)
                yield from _found((*node.body, *node.orelse), weaker)
            case ast.With() if _suppresses(node) or _defers(node):
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
        _catches(handler.type) and not any(_raises(inner) for inner in handler.body)
        for handler in node.handlers
    )


def _raises(node: ast.AST) -> bool:
    """Tell whether a statement may raise as it runs: what functions in it raise comes later."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        return False
    return isinstance(node, ast.Raise) or any(map(_raises, ast.iter_child_nodes(node)))


def _catches(kind: ast.expr | None) -> bool:
    if kind is None:
        return True
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    names = (getattr(k, "id", None) or getattr(k, "attr", "") for k in kinds)
    return any(name in _GUARDS for name in names)


def _is_for_types(test: ast.expr) -> bool:
    return (getattr(test, "id", None) or getattr(test, "attr", "")) == "TYPE_CHECKING"


def _is_of_the_machine(test: ast.expr) -> bool:
    """Tell whether a condition is on the interpreter or the system: the same wherever the run is
    repeated. Others may ask whether something is installed."""
    return any(isinstance(node, ast.Attribute) and node.attr in _MACHINE for node in ast.walk(test))


def _defers(node: ast.With) -> bool:
    """Tell whether a block's imports are put off until they are used, as its manager's name says
    (PEP 810 and what emulates it)."""
    calls = (item.context_expr for item in node.items)
    return any("lazy" in ast.unparse(call).lower() for call in calls)


def _suppresses(node: ast.With) -> bool:
    for item in node.items:
        call = item.context_expr
        if isinstance(call, ast.Call):
            name = getattr(call.func, "id", None) or getattr(call.func, "attr", "")
            if name == "suppress" and any(_catches(argument) for argument in call.args):
                return True
    return False


def to_statements(record: object) -> list[ImportStatement]:
    """Make imports of what JSON kept of them. Raises ValueError or TypeError for what is not."""
    return [
        ImportStatement(str(module), int(level), tuple(map(str, names)), Strength(strength))
        for module, level, names, strength in record  # type: ignore[attr-defined]
    ]
