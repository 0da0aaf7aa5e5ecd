"""What a cell's code imports and which names it takes, so that a part of it can be asked for.

Only imports and definitions can be left out of a cell: they do nothing but bind a name. Every
other statement counts as needed once any of the cell's values is.
"""

from __future__ import annotations

import ast
import dis
import re
import warnings
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from types import CodeType

from nbrepro.variables.code import parse_cell

_MAGIC = re.compile(r"\s*(?:[\w, ]+=\s*)?[%!]")
_NAMES = re.compile(r"[{$]\s*([A-Za-z_]\w*)")
_WORDS = re.compile(r"[A-Za-z_]\w*")
_LOADS = frozenset({"LOAD_NAME", "LOAD_GLOBAL", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_GLOBALS"})
_STORES = frozenset({"STORE_NAME", "STORE_GLOBAL", "DELETE_NAME", "DELETE_GLOBAL"})
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True, slots=True)
class Imported:
    """One import of a statement: `from module import names`, or `import module` without names.

    `bound` is the name of the notebook that it binds, empty where it is inside a function, `*`
    where it binds all.
    """

    module: str
    names: tuple[str, ...] = ()
    bound: str = ""


@dataclass(slots=True)
class _Statement:
    node: ast.stmt
    imports: list[Imported] = field(default_factory=list)
    binds: set[str] = field(default_factory=set)
    loads: set[str] = field(default_factory=set)
    pure: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """What a part of a cell takes: the names it uses, its imports, and whether other code than
    imports and definitions is in it. `source` is its code."""

    loads: frozenset[str]
    imports: tuple[Imported, ...]
    acts: bool
    source: str = ""


class Code:
    """The code of one cell. `known` is False where it is not Python that can be read."""

    def __init__(self, source: str) -> None:
        self.asked = frozenset(_asked(source))
        self._statements: list[_Statement] = []
        self.known = True
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the cell's code, to whoever runs it
            try:
                self._statements = [_statement(node) for node in parse_cell(source).body]
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                self.known = False

    @cached_property
    def bound(self) -> frozenset[str]:
        """Give the names that the cell binds."""
        return frozenset(name for s in self._statements for name in s.binds)

    def all(self) -> Part:
        """Give the whole cell."""
        return self._part([(s, s.imports) for s in self._statements])

    def part(self, wanted: Collection[str], *, acts: bool = False) -> Part:
        """Give what the names `wanted` need of the cell: everything but imports and definitions
        that nothing needs, and not even that where all of them are imported or defined there and
        nothing else in the cell may change them. With `acts` it is needed for what it does."""
        acting = [s for s in self._statements if not s.pure]
        named = {name for s in acting for name in s.binds | s.loads}
        pure = {name for s in self._statements if s.pure for name in s.binds}
        # A name that acting code mentions may be changed there.
        if acts or any(name not in pure or name in named for name in wanted):
            wanted = {*wanted, *named, *self.asked}
        else:
            acting = []
        return self._needed(set(wanted), acting)

    def bindings(self, wanted: Collection[str]) -> Part:
        """Give the statements that bind these names, and the names that those take, and no other:
        what goes along where values are sent elsewhere."""
        return self._needed(set(wanted), [])

    def _needed(self, wanted: set[str], acting: list[_Statement]) -> Part:
        chosen: dict[int, tuple[_Statement, list[Imported]]] = {}
        grown = -1
        while grown != len(wanted) + len(chosen):
            grown = len(wanted) + len(chosen)
            for place, statement in enumerate(self._statements):
                if statement in acting:
                    chosen[place] = (statement, statement.imports)
                elif "*" in statement.binds or statement.binds & wanted:
                    kept = [i for i in statement.imports if _is_wanted(i, wanted)]
                    chosen[place] = (statement, kept)
                    wanted |= statement.loads
        return self._part(chosen[place] for place in sorted(chosen))

    def _part(self, chosen: Iterable[tuple[_Statement, list[Imported]]]) -> Part:
        chosen = list(chosen)
        loads = {name for statement, _ in chosen for name in statement.loads}
        acts = any(not statement.pure for statement, _ in chosen)
        if acts or not self.known:
            loads |= self.asked
        imports = dict.fromkeys(one for _, imports in chosen for one in imports)
        source = "\n".join(_text(statement, kept) for statement, kept in chosen)
        return Part(frozenset(loads), tuple(imports), acts or not self.known, source)


@lru_cache(maxsize=4096)
def read_code(source: str) -> Code:
    """Read the code of a cell, magics aside."""
    return Code(source)


def _text(statement: _Statement, kept: Collection[Imported]) -> str:
    """Give a statement's code, of an import only what is kept of it."""
    node = statement.node
    if not isinstance(node, ast.Import | ast.ImportFrom):
        return ast.unparse(node)
    named = {(one.module, one.names, one.bound) for one in kept}
    pairs = zip(node.names, _imports(node, top=True), strict=True)
    aliases = [alias for alias, one in pairs if (one.module, one.names, one.bound) in named]
    if isinstance(node, ast.Import):
        return ast.unparse(ast.Import(aliases)) if aliases else ""
    return ast.unparse(ast.ImportFrom(node.module, aliases, node.level)) if aliases else ""


def _is_wanted(imported: Imported, wanted: set[str]) -> bool:
    return imported.bound in ("", "*") or imported.bound in wanted


def _asked(source: str) -> Iterator[str]:
    """Yield the names that magics and shell commands may take."""
    whole = source.lstrip().startswith("%%")
    for line in source.split("\n"):
        if whole or _MAGIC.match(line):
            yield from _NAMES.findall(line)
            if line.lstrip().startswith("%"):
                yield from _WORDS.findall(line)


def _statement(node: ast.stmt) -> _Statement:
    if isinstance(node, ast.Import | ast.ImportFrom):
        imports = list(_imports(node, top=True))
        return _Statement(node, imports, {i.bound for i in imports}, set(), pure=True)
    pure = isinstance(node, _DEFINITIONS) and not node.decorator_list
    inner = (i for i in ast.walk(node) if isinstance(i, ast.Import | ast.ImportFrom))
    imports = [one for i in inner for one in _imports(i, top=not pure)]
    found = _Statement(node, imports, pure=pure)
    if any(one.bound == "*" for one in imports):
        found.binds.add("*")
    _names_of(_compile(node), found, top=True)
    return found


def _compile(node: ast.stmt) -> CodeType:
    module, flags = ast.Module([node], []), ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code: CodeType = compile(module, "<cell>", "exec", flags=flags, dont_inherit=True)
    return code


def _names_of(code: CodeType, found: _Statement, *, top: bool) -> None:
    """Collect the notebook's names that compiled code takes and binds: the compiler knows which
    names are a function's own."""
    for one in dis.get_instructions(code):
        name = str(one.argval)
        if one.opname in _LOADS:
            found.loads.add(name)
        elif one.opname in _STORES and (top or one.opname.endswith("_GLOBAL")):
            found.binds.add(name)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _names_of(constant, found, top=False)


def _imports(node: ast.Import | ast.ImportFrom, *, top: bool) -> Iterator[Imported]:
    for alias in node.names:
        if isinstance(node, ast.Import):
            bound = alias.asname or alias.name.partition(".")[0]
            yield Imported(alias.name, (), bound if top else "")
        else:
            module = "." * node.level + (node.module or "")
            bound = "*" if alias.name == "*" else alias.asname or alias.name
            yield Imported(module, (alias.name,), bound if top else "")
