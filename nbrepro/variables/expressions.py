"""What evaluating an expression does to names."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

from nbrepro.variables.knowledge import FRESH_BUILTINS
from nbrepro.variables.operations import (
    NOTHING,
    Bind,
    Body,
    Branch,
    Call,
    Change,
    Iterate,
    Load,
    Operation,
    Unknown,
    Value,
    join,
)
from nbrepro.variables.scopes import Scope, function_scope

_READERS = frozenset({"globals", "locals", "vars", "dir"})
_DISPLAYS = (ast.List, ast.Tuple, ast.Set)
_LOCAL = "@"
_NAMESPACE_CALLS = ("user_ns.update", "user_ns.pop", ".push", "user_ns.setdefault")


class Expressions:
    """Reads expressions of one scope, and collects their operations in order."""

    def __init__(self, scope: Scope | None = None) -> None:
        self.scope = scope
        self.operations: list[Operation] = []

    def emit(self, operation: Operation) -> None:
        """Add an operation."""
        self.operations.append(operation)

    def read(self, node: ast.expr | None, *, holds: bool = False) -> Value:
        """Read an expression; `holds` where its value is only kept, not used."""
        if node is None:
            return NOTHING
        reader = getattr(self, f"_{type(node).__name__.lower()}", None)
        if reader is None:
            return self.read_all(_children(node))
        if holds and isinstance(node, ast.Name):
            return self._name(node, runs=False)
        value: Value = reader(node)
        return value

    def read_all(self, nodes: Iterable[ast.expr | None], *, holds: bool = False) -> Value:
        """Read expressions one after the other."""
        return join(*[self.read(node, holds=holds) for node in nodes])

    def bind(self, name: str, value: Value) -> None:
        """Bind a name in this scope."""
        if self.scope is None:
            self.emit(Bind(name, value))
            return
        home = self.scope.find(name)
        if home is None:
            self.emit(Bind(name, value))
        else:
            home.hold(name, value)

    def bind_target(self, target: ast.expr, value: Value) -> None:
        """Assign to whatever stands left of `=`, after `for`, `as` and the like."""
        match target:
            case ast.Name(id=name):
                self.bind(name, value)
            case ast.Starred(value=inner):
                self.bind_target(inner, part_of(value))
            case ast.Tuple(elts=targets) | ast.List(elts=targets):
                for one in targets:
                    self.bind_target(one, part_of(value))
            case ast.Attribute(value=base):
                held = self.read(base)
                path = (*held.path, target.attr) if held.path else ()
                how = f"assigns {ast.unparse(target)}"
                self.emit(Change(held.names, how, certain=True, path=path, stored=value))
            case ast.Subscript(value=base, slice=index):
                held = self.read(base)
                self.read(index)
                how = f"assigns {ast.unparse(target)[:60]}"
                self.emit(Change(held.names, how, certain=True, path=held.path, stored=value))

    # One method for each kind of expression that is more than its parts.

    def _constant(self, node: ast.Constant) -> Value:
        return NOTHING

    def _name(self, node: ast.Name, runs: bool = True) -> Value:
        name = node.id
        home = self.scope.find(name) if self.scope else None
        if home is None:
            self.emit(Load(name, runs))
            return Value(frozenset({name}), alias=name, path=(name,))
        value = home.value(name)
        path = (_LOCAL + value.module,) if value.module else ()
        return Value(value.names, value.bodies, plain=value.plain, module=value.module, path=path)

    def _attribute(self, node: ast.Attribute) -> Value:
        if node.attr in ("user_ns", "user_global_ns"):
            self.emit(Unknown(f".{node.attr}"))
        base = self.read(node.value)
        path = (*base.path, node.attr) if base.path else ()
        return Value(base.names, base.bodies, path=path)

    def _subscript(self, node: ast.Subscript) -> Value:
        match node:
            case ast.Subscript(value=ast.Name(id="Out"), slice=ast.Constant(value=int(number))):
                return self.read(ast.Name(f"_{number}", ast.Load()))
        base = self.read(node.value)
        self.read(node.slice)
        return Value(base.names, base.bodies)

    def _compare(self, node: ast.Compare) -> Value:
        self.read_all([node.left, *node.comparators])
        return NOTHING

    def _joinedstr(self, node: ast.JoinedStr) -> Value:
        self.read_all(_children(node))
        return NOTHING

    def _list(self, node: ast.List) -> Value:
        return self.read_all(node.elts, holds=True)

    def _tuple(self, node: ast.Tuple) -> Value:
        return self.read_all(node.elts, holds=True)

    def _dict(self, node: ast.Dict) -> Value:
        keys = self.read_all(node.keys)
        return join(keys, self.read_all(node.values, holds=True))

    def _namedexpr(self, node: ast.NamedExpr) -> Value:
        value = self.read(node.value, holds=True)
        self.bind_target(node.target, value)
        return value

    def _ifexp(self, node: ast.IfExp) -> Value:
        self.read(node.test)
        (one, first), (other, second) = (self.apart(n) for n in (node.body, node.orelse))
        self.emit(Branch((first, second), exhaustive=True))
        return join(one, other)

    def _boolop(self, node: ast.BoolOp) -> Value:
        values = [self.read(node.values[0])]
        for one in node.values[1:]:
            value, operations = self.apart(one)
            self.emit(Branch((operations,)))
            values.append(value)
        return join(*values)

    def apart(self, node: ast.expr) -> tuple[Value, tuple[Operation, ...]]:
        """Read an expression that may not be evaluated: its operations are given, not added."""
        before, self.operations = self.operations, []
        value = self.read(node)
        operations, self.operations = tuple(self.operations), before
        return value, operations

    def _await(self, node: ast.Await) -> Value:
        value = self.read(node.value)
        self.emit(Iterate(value.names))
        return value

    def _yieldfrom(self, node: ast.YieldFrom) -> Value:
        value = self.read(node.value)
        self.emit(Iterate(value.names))
        return value

    def _starred(self, node: ast.Starred) -> Value:
        value = self.read(node.value)
        self.emit(Iterate(value.names))
        return value

    def _lambda(self, node: ast.Lambda) -> Value:
        defaults = self.read_defaults(node.args)
        inner = Expressions(function_scope(node, self.scope))
        inner.bind_parameters(node.args, defaults)
        result = inner.read(node.body)
        body = Body("a lambda", tuple(inner.operations))
        return Value(defaults.names | result.names, defaults.bodies | result.bodies | {body})

    def read_defaults(self, arguments: ast.arguments) -> Value:
        """Read the defaults of parameters, which belong to the scope around."""
        return self.read_all([*arguments.defaults, *arguments.kw_defaults], holds=True)

    def bind_parameters(self, arguments: ast.arguments, defaults: Value) -> None:
        """Let the parameters hold what their defaults do; what is passed is the caller's."""
        assert self.scope is not None
        for one in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]:
            self.scope.hold(one.arg, defaults)

    def _listcomp(self, node: ast.ListComp) -> Value:
        return self._comprehension(node.generators, [node.elt])

    def _setcomp(self, node: ast.SetComp) -> Value:
        return self._comprehension(node.generators, [node.elt])

    def _generatorexp(self, node: ast.GeneratorExp) -> Value:
        value = self._comprehension(node.generators, [node.elt])
        # It runs when it is iterated, perhaps in a later cell, and then takes the names anew.
        again = Expressions(self.scope)
        again._comprehension(node.generators, [node.elt])
        return Value(value.names, value.bodies | {Body("a generator", tuple(again.operations))})

    def _dictcomp(self, node: ast.DictComp) -> Value:
        return self._comprehension(node.generators, [node.key, node.value])

    def _comprehension(self, parts: Sequence[ast.comprehension], made: list[ast.expr]) -> Value:
        first = self.read(parts[0].iter)
        self.emit(Iterate(first.names))
        targets = {name for part in parts for name in _stored(part.target)}
        before, around = self.operations, self.scope
        self.operations, self.scope = [], Scope(targets, around)
        self.bind_target(parts[0].target, part_of(first))
        self.read_all(parts[0].ifs)
        for part in parts[1:]:
            value = self.read(part.iter)
            self.emit(Iterate(value.names))
            self.bind_target(part.target, part_of(value))
            self.read_all(part.ifs)
        result = self.read_all(made, holds=True)
        inner, self.operations, self.scope = tuple(self.operations), before, around
        self.emit(Branch((inner,)))
        return result

    def _call(self, node: ast.Call) -> Value:
        function = self.read(node.func)
        special = self._special_call(node)
        values = [self.read(one) for one in node.args]
        values += [self.read(one.value) for one in node.keywords]
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        keywords = frozenset(one.arg or "**" for one in node.keywords)
        receivers = function.names if method or not function.path else frozenset[str]()
        self.emit(Call(function.path, receivers, tuple(values), keywords, method))
        for operation in special:
            self.emit(operation)
        path = (*function.path, _called(keywords)) if function.path else ()
        if isinstance(node.func, ast.Name) and node.func.id in FRESH_BUILTINS:
            return Value(plain=True, path=path)
        names = function.names.union(*(value.names for value in values))
        bodies = function.bodies.union(*(value.bodies for value in values))
        return Value(names, bodies, path=path)

    def _special_call(self, node: ast.Call) -> list[Operation]:
        """Give what the interpreter's own functions do to names."""
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        text = constant_text(node.args[0]) if node.args else None
        if name in ("exec", "eval"):
            return self._run_text(text, name)
        if name in _READERS and not (name in ("vars", "dir") and node.args):
            return [Unknown(f"{name}()", binds=name in ("globals", "locals", "vars"))]
        if name in ("setattr", "delattr") and node.args:
            silent = Expressions(self.scope)
            held = silent.read(node.args[0])
            path = (*held.path, constant_text(node.args[1]) or "?") if held.path else ()
            return [Change(held.names, f"{name}()", certain=True, path=path)]
        if ast.unparse(node.func).endswith(
            (".user_ns", "user_ns.update", ".push", ".user_global_ns")
        ):
            return [Unknown(ast.unparse(node.func))]
        return []

    def _run_text(self, text: str | None, how: str) -> list[Operation]:
        """Read code that is given as text; unknown where that is made at run time."""
        try:
            tree = ast.parse(text) if text is not None else None
        except SyntaxError:
            tree = None
        if tree is None:
            return [Unknown(f"{how}()")]
        from nbrepro.variables.statements import Statements

        inner = Statements(self.scope)
        inner.run(tree.body)
        return inner.operations


def _called(keywords: frozenset[str]) -> str:
    """Give the part of a path that says that it is called; readers of pieces are no data."""
    return "(pieces)" if keywords & {"chunksize", "iterator"} else "()"


def _children(node: ast.AST) -> list[ast.expr]:
    return [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]


def part_of(value: Value) -> Value:
    """Give what a part of a value may hold."""
    return Value(value.names, value.bodies, plain=value.plain)


def _stored(target: ast.expr) -> set[str]:
    return {one.id for one in ast.walk(target) if isinstance(one, ast.Name)}


def constant_text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
