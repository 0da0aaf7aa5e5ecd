"""Correct what the code tells by what the kernel saw: which names and states really changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from nbrepro.rundir import NamesView
from nbrepro.variables.held import EXACT, Held, Why
from nbrepro.variables.operations import Body
from nbrepro.variables.states import STATES

_DATA_TYPES = frozenset(
    ["builtins.list", "builtins.tuple", "builtins.dict", "builtins.set", "builtins.frozenset",
     "builtins.int", "builtins.float", "builtins.complex", "builtins.str", "builtins.bytes",
     "builtins.bool", "builtins.range", "builtins.NoneType", "numpy.ndarray", "pandas.DataFrame",
     "pandas.Series", "pandas.Index", "pandas.RangeIndex", "pandas.DatetimeIndex",
     "pandas.MultiIndex", "collections.Counter", "collections.defaultdict",
     "collections.OrderedDict", "collections.deque", "datetime.datetime", "datetime.date"]
)  # fmt: skip
_IMPORTED = frozenset(["warnings", "logging", "sys"])
"""States that importing a library changes by the way, to no effect on other code."""


class Interpreted(Protocol):
    """What is known after the code of an execution was interpreted."""

    execution: int
    names: dict[str, Held]
    states: dict[str, dict[int, Why]]
    unknown_binders: dict[int, Why]
    watched: frozenset[str]

    def new_object(self) -> int:
        """Give the number of an object that no name reaches yet."""

    def read_state(self, name: str, how: str) -> None:
        """Need what made a state."""

    def draws_not(self, name: str) -> None:
        """Take back that the execution may have read a state."""


def see_names(flow: Interpreted, view: NamesView, before: Mapping[str, Held]) -> None:
    """Correct the names: `before` are those before the execution."""
    if view.failed:
        return
    execution = flow.execution
    flow.unknown_binders.pop(execution, None)
    for name in list(flow.names):
        held = flow.names[name]
        if name in view.bound:
            flow.names[name] = _bound(held, name, execution, view.bound[name])
        elif name in view.changed:
            told = view.changed[name]
            flow.names[name] = _changed(held, name, execution, told)
        elif name not in view.unknown and name in before:
            flow.names[name] = _unchanged(held, execution, before[name])
    for name in view.bound.keys() - flow.names.keys():
        made = Held({}, same=frozenset({flow.new_object()}))
        flow.names[name] = _bound(made, name, execution, view.bound[name])
    for name in view.deleted:
        flow.names[name] = Held({execution: Why(EXACT, f"deletes {name}")}, deleted=True)


def _bound(held: Held, name: str, execution: int, told: Mapping[str, Any]) -> Held:
    """Give a name that the execution bound for sure."""
    why = held.binders.get(execution) or Why(EXACT, f"binds {name}, as the kernel saw")
    makers = {execution: Why(EXACT, why.reason)}
    return _typed(replace(held, binders=makers, changes={}, deleted=False), told)


def _changed(held: Held, name: str, execution: int, told: Mapping[str, Any]) -> Held:
    """Give a name whose object the execution changed for sure."""
    if execution in held.binders:
        return _typed(held, told)
    why = held.changes.get(execution) or Why(EXACT, f"changes {name}, as the kernel saw")
    changes = {**held.changes, execution: Why(EXACT, why.reason)}
    return _typed(replace(held, changes=changes), told)


def _unchanged(held: Held, execution: int, before: Held) -> Held:
    """Give a name that is what it was, with all that it reaches."""
    held = held.without_change(execution)
    if execution in held.binders and len(held.binders) > 1:
        return replace(held, binders=before.binders, changes=before.changes)
    return held


def _typed(held: Held, told: Mapping[str, Any]) -> Held:
    """Note what is known of the object: whether it is data, whether it reaches code."""
    whole = "unseen" not in told
    bodies = held.bodies if told.get("code") or not whole else frozenset[Body]()
    kind = "data" if told.get("type") in _DATA_TYPES else ""
    return replace(held, bodies=bodies, kind=kind)


def see_states(flow: Interpreted, view: NamesView) -> None:
    """Correct the states: those that were watched changed where the view says so."""
    if view.failed:
        return
    if view.watched is not None:
        flow.watched = frozenset(view.watched)
    for name in flow.watched & STATES.keys():
        makers = flow.states.setdefault(name, {})
        if name in view.states:
            _see_change(flow, name, makers)
        else:
            why = makers.get(flow.execution)
            if why is not None and why.certainty != EXACT:
                del makers[flow.execution]
            if STATES[name].drawn:
                flow.draws_not(name)


def _see_change(flow: Interpreted, name: str, makers: dict[int, Why]) -> None:
    known = makers.get(flow.execution)
    if known is None and name in _IMPORTED:
        return
    if known is None and STATES[name].drawn:
        flow.read_state(name, "draws from it")
    reason = known.reason if known else "changes it, as the kernel saw"
    makers[flow.execution] = Why(EXACT, reason)
