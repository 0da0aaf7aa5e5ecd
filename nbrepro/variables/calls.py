"""What a call does to what it is given, by what is known of whom it calls."""

from __future__ import annotations

import builtins
from collections.abc import Iterable

from nbrepro.variables import knowledge
from nbrepro.variables.held import Held
from nbrepro.variables.operations import Call, Value
from nbrepro.variables.states import states_of_call, states_of_method

_OF_PYTHON = frozenset(dir(builtins))


class CallRules:
    """The part of the interpreter that knows calls."""

    names: dict[str, Held]

    def change(self, names: Iterable[str], how: str, certain: bool = False) -> None:
        """Note that the objects of names may be changed."""
        raise NotImplementedError

    def store(self, names: Iterable[str], stored: Value) -> None:
        """Note that the objects of names hold a value from now on."""
        raise NotImplementedError

    def change_module(self, dotted: str, how: str) -> None:
        """Note that a module may be changed."""
        raise NotImplementedError

    def touch_state(self, name: str, mode: str, how: str) -> None:
        """Note that a state is read, changed or set."""
        raise NotImplementedError

    def dotted(self, path: tuple[str, ...]) -> str | None:
        """Give the full name of an imported thing; None for what was not imported."""
        if not path:
            return None
        if path[0].startswith("@"):
            return ".".join([path[0][1:], *path[1:]])
        held = self.names.get(path[0])
        return ".".join([held.module, *path[1:]]) if held is not None and held.module else None

    def of_python(self, path: tuple[str, ...]) -> str:
        """Give the name of one of Python's own functions; empty for anything else."""
        own = len(path) >= 1 and path[0] in _OF_PYTHON and path[0] not in self.names
        return path[0] if own else ""

    def kind_of(self, value: Value) -> str:
        """Give `data` for what is known to be containers, arrays, numbers or text."""
        dotted = self.dotted(value.path)
        if dotted is not None:
            return "data" if "()" in value.path and knowledge.gives_data(dotted) else ""
        if self.of_python(value.path):
            made = value.path[1:2] == ("()",) and value.path[0] not in knowledge.LAZY
            return "data" if made and self._all_data(value.names - {value.path[0]}) else ""
        return "data" if not value.bodies and self._all_data(value.names) else ""

    def _all_data(self, names: Iterable[str]) -> bool:
        return all(self._is_data(name) for name in names)

    def _is_data(self, name: str) -> bool:
        held = self.names.get(name)
        if held is None:
            return name in _OF_PYTHON
        return held.kind == "data" or bool(held.module and knowledge.gives_data(held.module))

    def iterate(self, names: Iterable[str]) -> None:
        """Note that what names hold is iterated over."""
        for name in names:
            if not self._is_data(name) and not self._is_code(name):
                self.change([name], f"may use up {name} by iterating")

    def _is_code(self, name: str) -> bool:
        held = self.names.get(name)
        return held is None or bool(held.module)

    def call(self, operation: Call) -> None:
        """Note what a call may change."""
        dotted = self.dotted(operation.path)
        own = self.of_python(operation.path)
        if dotted is not None:
            self._call_imported(dotted, operation)
        elif own and len(operation.path) == 1:
            self._call_of_python(own, operation)
        elif operation.method:
            self._call_method(operation)
        else:
            self._call_own(operation)

    def _call_imported(self, dotted: str, operation: Call) -> None:
        for state, mode in states_of_call(dotted):
            self.touch_state(state, mode, f"calls {_short(dotted)}()")
        given = _names(operation.arguments)
        if knowledge.is_pure(dotted, operation.keywords):
            self.iterate(given)
        else:
            self.change(given, f"passes it to {_short(dotted)}()")
        root = dotted.partition(".")[0]
        if root not in knowledge.PURE_MODULES and knowledge.may_configure(dotted):
            self.change_module(dotted, f"calls {_short(dotted)}()")

    def _call_of_python(self, name: str, operation: Call) -> None:
        given = _names(operation.arguments)
        if name == "next":
            self.change(given, "takes the next of it", certain=True)
        elif name in knowledge.ITERATING:
            self.iterate(given)
        elif name not in knowledge.BUILTINS and not name[:1].isupper():
            self.change(given, f"passes it to {name}()")
        elif name == "print" and "file" in operation.keywords:
            self.change(given, "prints to it")

    def _call_method(self, operation: Call) -> None:
        method = operation.method
        how = f"calls .{method}()"
        if method in knowledge.CHANGING_METHODS:
            certain = len(operation.path) == 2
            self.change(operation.receivers, how, certain)
            self.store(operation.receivers, _joined(operation.arguments))
        for state, mode in states_of_method(method):
            self.touch_state(state, mode, how)
        data = self._all_data(operation.receivers)
        known = method in knowledge.PURE_METHODS and "inplace" not in operation.keywords
        if data and known:
            self.iterate(_names(operation.arguments))
            return
        if method not in knowledge.CHANGING_METHODS:
            self.change(operation.receivers, how)
        if not data:
            self.change(_names(operation.arguments), f"passes it to .{method}()")

    def _call_own(self, operation: Call) -> None:
        name = operation.path[0] if len(operation.path) == 1 else ""
        held = self.names.get(name)
        how = f"passes it to {name}()" if name else "passes it to a call"
        self.change(_names(operation.arguments), how)
        if held is None:
            self.change(operation.receivers, "is called")
        elif not held.bodies or any(body.keeps_state for body in held.bodies):
            self.change([name], f"calls {name}()")


def _names(values: Iterable[Value]) -> list[str]:
    return sorted(frozenset[str]().union(*(value.names for value in values)))


def _joined(values: tuple[Value, ...]) -> Value:
    names = frozenset(_names(values))
    return Value(names, frozenset().union(*(value.bodies for value in values)))


def _short(dotted: str) -> str:
    return dotted.replace(".()", "()")
