"""Which names are a function's own, and what they may hold."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from nbrepro.variables.operations import NOTHING, Value, join

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(slots=True)
class Scope:
    """The names of a function, class or comprehension, and what each may hold.

    `captures` are names of functions around it that it binds (`nonlocal`).
    """

    own: set[str]
    outer: Scope | None = None
    of_class: bool = False
    declared_global: set[str] = field(default_factory=set)
    captures: set[str] = field(default_factory=set)
    values: dict[str, Value] = field(default_factory=dict)

    def find(self, name: str, within: bool = False) -> Scope | None:
        """Find the scope that a name belongs to; None for a global name."""
        if name in self.declared_global:
            return None
        if name in self.own and not (self.of_class and within):
            return self
        return self.outer.find(name, within=True) if self.outer else None

    def hold(self, name: str, value: Value) -> None:
        """Note that a name may hold a value too."""
        known = self.values.get(name)
        self.values[name] = join(known, value) if known is not None else value

    def value(self, name: str) -> Value:
        """Give what a name may hold."""
        return self.values.get(name, NOTHING)


def function_scope(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda,
                   outer: Scope | None) -> Scope:  # fmt: skip
    """Make the scope of a function: its parameters, and what it binds."""
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [one for one in (arguments.vararg, arguments.kwarg) if one]
    own = {one.arg for one in every}
    body = node.body if isinstance(node.body, list) else [node.body]
    scope = Scope(own, outer)
    _collect(body, scope)
    return scope


def class_scope(node: ast.ClassDef, outer: Scope | None) -> Scope:
    """Make the scope of a class's own statements."""
    scope = Scope(set(), outer, of_class=True)
    _collect(node.body, scope)
    return scope


def _collect(body: Iterable[ast.AST], scope: Scope) -> None:
    for node in _inside(body):
        if isinstance(node, ast.Global):
            scope.declared_global.update(node.names)
        elif isinstance(node, ast.Nonlocal):
            scope.captures.update(node.names)
        else:
            scope.own.update(_bound(node))
    scope.own -= scope.declared_global | scope.captures


def _inside(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Yield the nodes of a body that belong to the same scope."""
    pending = list(body)
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            continue
        if isinstance(node, _COMPREHENSIONS):
            pending += [one for one in ast.walk(node) if isinstance(one, ast.NamedExpr)]
            continue
        pending.extend(ast.iter_child_nodes(node))


def _bound(node: ast.AST) -> set[str]:
    """Give the names that one node binds."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            return {name}
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            return {(one.asname or one.name).partition(".")[0] for one in aliases}
        case ast.ExceptHandler(name=str(name)):
            return {name}
        case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            return {name}
        case ast.MatchMapping(rest=str(name)):
            return {name}
        case ast.NamedExpr(target=ast.Name(id=name)):
            return {name}
    return set()
