"""What executing statements does to names."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from nbrepro.variables.expressions import Expressions, part_of
from nbrepro.variables.operations import (
    NOTHING,
    Bind,
    Body,
    Branch,
    Change,
    Delete,
    Import,
    Iterate,
    Load,
    Operation,
    Unknown,
    Value,
    join,
)
from nbrepro.variables.scopes import Scope, class_scope, function_scope

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_DEEPEST_LOOP = 3
"""Loops are read twice, since what an iteration leaves meets the next one, down to this depth."""


class Statements(Expressions):
    """Reads statements of one scope, and collects their operations in order."""

    def __init__(self, scope: Scope | None = None) -> None:
        super().__init__(scope)
        self.returned: Value = NOTHING
        self._loops = 0

    def run(self, body: Sequence[ast.stmt]) -> None:
        """Read statements one after the other."""
        for node in body:
            reader = getattr(self, f"_do_{type(node).__name__.lower()}", None)
            if reader is not None:
                reader(node)
            else:
                self.read_all([n for n in ast.iter_child_nodes(node) if isinstance(n, ast.expr)])

    def block(self, body: Sequence[ast.stmt]) -> tuple[Operation, ...]:
        """Read statements that may not run: their operations are given, not added."""
        before, self.operations = self.operations, []
        self.run(body)
        operations, self.operations = tuple(self.operations), before
        return operations

    # Assignments

    def _do_assign(self, node: ast.Assign) -> None:
        value = self.read(node.value, holds=True)
        for target in node.targets:
            if isinstance(target, ast.Tuple | ast.List) and isinstance(node.value, ast.Tuple):
                self._unpack(target, node.value, value)
            else:
                self.bind_target(target, value)

    def _unpack(self, target: ast.Tuple | ast.List, source: ast.Tuple, value: Value) -> None:
        """Bind `a, b = x, y` pair by pair."""
        stars = any(isinstance(one, ast.Starred) for one in [*target.elts, *source.elts])
        if stars or len(target.elts) != len(source.elts):
            self.bind_target(target, value)
            return
        silent = Expressions(self.scope)
        for one, part in zip(target.elts, source.elts, strict=True):
            self.bind_target(one, silent.read(part, holds=True))

    def _do_annassign(self, node: ast.AnnAssign) -> None:
        self.read(node.annotation)
        if node.value is not None:
            self.bind_target(node.target, self.read(node.value, holds=True))

    def _do_augassign(self, node: ast.AugAssign) -> None:
        value = self.read(node.value)
        self.emit(Iterate(value.names))
        if not isinstance(node.target, ast.Name):
            self.bind_target(node.target, value)
            return
        name = ast.Name(node.target.id, ast.Load())
        held = self.read(name)
        how = f"changes {name.id} in place"
        self.emit(Change(held.names, how, stored=value))
        self.bind(name.id, join(held, value) if held.plain is False else value)

    def _do_delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            self._delete(target)

    def _delete(self, target: ast.expr) -> None:
        match target:
            case ast.Name(id=name):
                if self.scope is None or self.scope.find(name) is None:
                    self.emit(Load(name, runs=False))
                    self.emit(Delete(name))
            case ast.Tuple(elts=targets) | ast.List(elts=targets):
                for one in targets:
                    self._delete(one)
            case ast.Attribute(value=base) | ast.Subscript(value=base):
                held = self.read(base)
                if isinstance(target, ast.Subscript):
                    self.read(target.slice)
                path = (*held.path, getattr(target, "attr", "?")) if held.path else ()
                self.emit(Change(held.names, f"deletes {ast.unparse(target)[:60]}", True, path))

    # Branches and loops

    def _do_if(self, node: ast.If) -> None:
        self.read(node.test)
        self.emit(Branch((self.block(node.body), self.block(node.orelse)), exhaustive=True))

    def _do_match(self, node: ast.Match) -> None:
        subject = self.read(node.subject)
        blocks = []
        for case in node.cases:
            before, self.operations = self.operations, []
            self._pattern(case.pattern, subject)
            self.read(case.guard)
            self.run(case.body)
            blocks.append(tuple(self.operations))
            self.operations = before
        self.emit(Branch(tuple(blocks)))

    def _pattern(self, pattern: ast.pattern, subject: Value) -> None:
        for node in ast.walk(pattern):
            if isinstance(node, ast.expr):
                self.read(node)
            name = getattr(node, "name", None) or getattr(node, "rest", None)
            if isinstance(name, str):
                self.bind(name, part_of(subject))

    def _do_for(self, node: ast.For | ast.AsyncFor) -> None:
        value = self.read(node.iter)
        self.emit(Iterate(value.names))
        self._loop(node, lambda: self.bind_target(node.target, part_of(value)))

    _do_asyncfor = _do_for

    def _do_while(self, node: ast.While) -> None:
        self.read(node.test)
        self._loop(node, lambda: self.read(node.test))

    def _loop(self, node: ast.For | ast.AsyncFor | ast.While, begin: object) -> None:
        assert callable(begin)
        before, self.operations = self.operations, []
        self._loops += 1
        for _ in range(2 if self._loops <= _DEEPEST_LOOP else 1):
            begin()
            self.run(node.body)
        self._loops -= 1
        inner, self.operations = tuple(self.operations), before
        self.emit(Branch((inner,)))
        self.emit(Branch((self.block(node.orelse),)))

    def _do_try(self, node: ast.Try) -> None:
        whole = self.block([*node.body, *node.orelse])
        # A handler runs after some part of the body.
        begun = Branch((self.block(node.body),))
        blocks = [whole, *((begun, *self._handler(handler)) for handler in node.handlers)]
        self.emit(Branch(tuple(blocks), exhaustive=True))
        self.run(node.finalbody)

    _do_trystar = _do_try

    def _handler(self, handler: ast.ExceptHandler) -> tuple[Operation, ...]:
        before, self.operations = self.operations, []
        self.read(handler.type)
        if handler.name:
            self.bind(handler.name, NOTHING)
        self.run(handler.body)
        if handler.name and (self.scope is None or self.scope.find(handler.name) is None):
            self.emit(Delete(handler.name))
        operations, self.operations = tuple(self.operations), before
        return operations

    def _do_with(self, node: ast.With | ast.AsyncWith) -> None:
        for item in node.items:
            value = self.read(item.context_expr)
            self.emit(Change(value.names, "enters it (with)"))
            if item.optional_vars is not None:
                self.bind_target(item.optional_vars, part_of(value))
        self.run(node.body)

    _do_asyncwith = _do_with

    # Definitions

    def _do_functiondef(self, node: _Function) -> None:
        decorators = self.read_all(node.decorator_list)
        defaults = self.read_defaults(node.args)
        self._annotations(node)
        inner = self._function(node, defaults)
        changing = any(isinstance(one, ast.List | ast.Dict | ast.Set | ast.Call | ast.Name)
                       for one in [*node.args.defaults, *node.args.kw_defaults])  # fmt: skip
        keeps = bool(changing or node.decorator_list or self.scope is not None)
        body = Body(node.name, tuple(inner.operations), keeps)
        held = join(decorators, defaults, inner.returned)
        self.bind(node.name, Value(held.names, held.bodies | {body}))

    _do_asyncfunctiondef = _do_functiondef

    def _function(self, node: _Function, defaults: Value) -> Statements:
        """Read a function's body twice: what its names hold may be told after their first use."""
        scope = function_scope(node, self.scope)
        inner = Statements(scope)
        for _ in range(2):
            inner.operations.clear()
            inner.bind_parameters(node.args, defaults)
            inner.run(node.body)
        return inner

    def _annotations(self, node: _Function) -> None:
        arguments = node.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        self.read_all([node.returns, *(one.annotation for one in every)])

    def _do_return(self, node: ast.Return) -> None:
        self.returned = join(self.returned, self.read(node.value, holds=True))

    def _do_classdef(self, node: ast.ClassDef) -> None:
        decorators = self.read_all(node.decorator_list)
        bases = self.read_all([*node.bases, *(one.value for one in node.keywords)])
        scope = class_scope(node, self.scope)
        inner = Statements(scope)
        inner.run(node.body)
        self.operations += inner.operations
        held = join(decorators, bases, *scope.values.values())
        self.bind(node.name, Value(held.names, held.bodies))

    # Imports

    def _do_import(self, node: ast.Import) -> None:
        for one in node.names:
            self.emit(Import(one.name))
            top = one.name.partition(".")[0]
            self._bind_module(one.asname or top, one.name if one.asname else top)

    def _do_importfrom(self, node: ast.ImportFrom) -> None:
        module = "." * node.level + (node.module or "")
        self.emit(Import(module))
        for one in node.names:
            if one.name == "*":
                self.emit(Unknown(f"from {module} import *", reads=False))
            else:
                self._bind_module(one.asname or one.name, f"{module}.{one.name}")

    def _bind_module(self, name: str, module: str) -> None:
        home = self.scope.find(name) if self.scope else None
        if home is None:
            self.emit(Bind(name, Value(module=module)))
        else:
            home.values[name] = Value(module=module)

    def _do_global(self, node: ast.Global) -> None:
        return

    _do_nonlocal = _do_global
    _do_pass = _do_global
