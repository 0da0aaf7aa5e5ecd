"""What a cell's code does to names, in the order in which it does it.

A name here is a global name of the notebook. What happens to a function's own names is told of
the global names whose objects they may hold.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(eq=False, slots=True)
class Body:
    """Code that runs when what holds it is used: a function, a lambda, a class's methods."""

    name: str
    operations: tuple[Operation, ...] = ()
    keeps_state: bool = False


@dataclass(frozen=True, slots=True)
class Value:
    """What an expression gives, as far as names go.

    It may hold the objects of `names` and run `bodies`. `alias` says that it is the very object of
    that name, `plain` that it is fresh data that shares nothing, `module` the dotted name of what
    was imported. `path` is the expression itself where it is a dotted name; its first part is
    `@module` where that was imported inside a function.
    """

    names: frozenset[str] = frozenset()
    bodies: frozenset[Body] = frozenset()
    alias: str = ""
    plain: bool = False
    module: str = ""
    path: tuple[str, ...] = ()


NOTHING = Value(plain=True)


def join(*values: Value) -> Value:
    """Give a value that may be, or hold, any of these."""
    names = frozenset().union(*(value.names for value in values))
    bodies = frozenset[Body]().union(*(value.bodies for value in values))
    return Value(names, bodies, plain=not names and not bodies)


@dataclass(frozen=True, slots=True)
class Load:
    """The value of a name is taken; `runs` where code that it holds may run by that."""

    name: str
    runs: bool = True


@dataclass(frozen=True, slots=True)
class Bind:
    """A name is bound."""

    name: str
    value: Value


@dataclass(frozen=True, slots=True)
class Delete:
    """A name is unbound."""

    name: str


@dataclass(frozen=True, slots=True)
class Change:
    """The objects that names hold are changed; `certain` where that cannot but happen.

    `path` is what is assigned to where that is an attribute, perhaps of a module. `stored` is what
    the objects hold from now on.
    """

    names: frozenset[str]
    how: str
    certain: bool = False
    path: tuple[str, ...] = ()
    stored: Value = NOTHING


@dataclass(frozen=True, slots=True)
class Iterate:
    """What names hold is iterated over: an iterator is used up by that."""

    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Call:
    """Something is called: `path` where its name is known, a method of what `receivers` hold."""

    path: tuple[str, ...]
    receivers: frozenset[str]
    arguments: tuple[Value, ...]
    keywords: frozenset[str] = frozenset()
    method: str = ""


@dataclass(frozen=True, slots=True)
class Import:
    """A module is imported, by whatever name."""

    module: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Code runs that cannot be read here; it may take and bind any name."""

    how: str
    reads: bool = True
    binds: bool = True


@dataclass(frozen=True, slots=True)
class State:
    """A state that belongs to no name (`nbrepro.variables.states`) is read, changed or set."""

    name: str
    mode: str
    how: str


@dataclass(frozen=True, slots=True)
class Branch:
    """One of these blocks runs, or perhaps none where they are not `exhaustive`."""

    blocks: tuple[tuple[Operation, ...], ...]
    exhaustive: bool = False


Operation: TypeAlias = (
    Load | Bind | Delete | Change | Iterate | Call | Import | Unknown | State | Branch
)


@dataclass(slots=True)
class Scanned:
    """A cell's operations; `shows` that its last expression becomes `_` and an `Out`."""

    operations: tuple[Operation, ...] = ()
    shows: bool = False
    unread: str = ""
    problems: list[str] = field(default_factory=list)
