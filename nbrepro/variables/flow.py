"""Def-use between the executions of a run: its cells' operations, interpreted in their order.

Sound first: what may be needed is, marked `possible`. A name's binders and the executions that
changed its object since are known at every point; taking the name needs all of them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import replace

from nbrepro.rundir import NamesView
from nbrepro.variables.calls import CallRules
from nbrepro.variables.held import EXACT, POSSIBLE, Held, Makers, Why, merge_names
from nbrepro.variables.knowledge import PLOTTING_MODULES
from nbrepro.variables.needs import Need, NeedSet
from nbrepro.variables.operations import (
    Bind,
    Body,
    Branch,
    Call,
    Change,
    Delete,
    Import,
    Iterate,
    Load,
    Operation,
    Scanned,
    State,
    Unknown,
    Value,
)
from nbrepro.variables.seeing import see_names, see_states
from nbrepro.variables.states import STATES, broad_states, is_seen, states_of_assignment

_HISTORY = re.compile(r"_i{1,3}|_ih|_oh|_dh|In|Out|_i?\d+")
_SHOWN = ("_", "__", "___")


class Flow(CallRules):
    """Interprets one execution after the other."""

    def __init__(self, own: Collection[str] = ()) -> None:
        self.own = frozenset(own)
        self.names: dict[str, Held] = {}
        self.states: dict[str, dict[int, Why]] = {}
        self.modules: dict[str, dict[int, Why]] = {}
        self.unknown_binders: dict[int, Why] = {}
        self.watched: frozenset[str] = frozenset()
        self.unseen: set[str] = set()
        self.shown: list[int] = []
        self.earlier: list[int] = []
        self.counts: dict[int, int] = {}
        self.execution = 0
        self._needs = NeedSet({})
        self._running: set[Body] = set()
        self._objects = 0
        self._branches = 0
        self._drawn: dict[str, list[Need]] = {}
        self._acts = False

    def execute(
        self,
        execution: int,
        scanned: Scanned,
        *,
        failed: bool = False,
        view: NamesView | None = None,
    ) -> tuple[Need, ...]:
        """Interpret one execution and give what it needs.

        `failed` where it did not run whole; `view` is what the kernel's names were at its end.
        """
        self.execution, self._needs, self._acts = execution, NeedSet({}), False
        self._drawn.clear()
        self.unseen.clear()
        before = dict(self.names)
        operations: tuple[Operation, ...] = scanned.operations
        self.run((Branch((operations,)),) if failed else operations)
        if self._acts or scanned.shows:
            for state in broad_states():
                self.read_state(state, "may depend on it")
        if view is not None:
            see_names(self, view, before)
            see_states(self, view)
        for needs in self._drawn.values():
            for need in needs:
                self._needs.add(need)
        if scanned.shows:
            self.shown.append(execution)
        self.earlier.append(execution)
        return self._needs.needs()

    def run(self, operations: Iterable[Operation]) -> None:
        """Interpret operations one after the other."""
        for operation in operations:
            match operation:
                case Load(name, runs):
                    self._load(name, runs)
                case Bind(name, value):
                    self._bind(name, value)
                case Delete(name):
                    why = Why(EXACT, f"deletes {name}")
                    self.names[name] = Held({self.execution: why}, deleted=True)
                case Change():
                    self._change_stored(operation)
                case Iterate(names):
                    self.iterate(names)
                case Call():
                    self._acts = True
                    self.call(operation)
                case Import(module):
                    self._acts = True
                    self.needs_module(module)
                case Unknown():
                    self._unknown(operation)
                case State(name, mode, how):
                    self.touch_state(name, mode, how)
                case Branch(blocks, exhaustive):
                    self._branch(blocks, exhaustive)

    # Names

    def _load(self, name: str, runs: bool) -> None:
        if name in _SHOWN and name not in self.names:
            self._need_shown(_SHOWN.index(name))
        elif _HISTORY.fullmatch(name):
            self._need_history(name)
        held = self.names.get(name)
        if held is not None:
            self._need_makers(held.binders, name)
            self._need_makers(held.changes, name)
            if held.module:
                self.needs_module(held.module)
                if held.module.partition(".")[0] in PLOTTING_MODULES:
                    self.read_state("matplotlib", f"uses {name}")
        self._need_unknown(name, held)
        if held is not None and runs:
            if any(body.keeps_state for body in held.bodies):
                self.change([name], f"may run code that {name} holds")
            self._run_bodies(held.bodies)

    def _need_makers(self, makers: Makers, name: str, kind: str = "variable") -> None:
        for execution, why in makers.items():
            if execution != self.execution:
                self._needs.add(Need(execution, (name,), why.certainty, why.reason, kind))

    def _need_unknown(self, name: str, held: Held | None) -> None:
        """Need what may have bound a name since it was last surely bound."""
        since = max(held.binders, default=0) if held else 0
        for execution, why in self.unknown_binders.items():
            if since < execution < self.execution:
                self._needs.add(Need(execution, (name,), POSSIBLE, why.reason))

    def _need_shown(self, back: int) -> None:
        for execution in self.shown[-1 - back :]:
            self._needs.add(Need(execution, ("_",), EXACT, "shows the value that _ is"))

    def _need_history(self, name: str) -> None:
        """Need what IPython's history of inputs and outputs is asked for, by its number."""
        number = int(name.lstrip("_i")) if name.lstrip("_i").isdecimal() else 0
        found = self.counts.get(number)
        reason, how = f"is number {number} in the history", EXACT
        for execution in [found] if found else list(self.earlier):
            how = EXACT if found else POSSIBLE
            reason = reason if found else f"is in the history that {name} shows"
            self._needs.add(Need(execution, (name,), how, reason, "history"))

    def _need_all(self, reason: str, name: str) -> None:
        for execution in self.earlier:
            self._needs.add(Need(execution, (name,), POSSIBLE, reason))

    def _run_bodies(self, bodies: frozenset[Body]) -> None:
        """Interpret code that may run now, each piece once within another."""
        for body in sorted(bodies - self._running, key=lambda one: one.name):
            self._running.add(body)
            self._branch((body.operations,), exhaustive=False)
            self._running.discard(body)

    def _bind(self, name: str, value: Value) -> None:
        sources = [self.names[one] for one in sorted(value.names) if one in self.names]
        why = Why(EXACT, f"binds {name}")
        bodies = value.bodies.union(*(one.bodies for one in sources))
        source = self.names.get(value.alias)
        if value.alias and source is not None and not source.deleted:
            self.names[name] = replace(source, binders={self.execution: why}, changes={})
            return
        may = frozenset[int]().union(*(one.reached for one in sources))
        # A module is one object for all names: see `change_module`.
        same = frozenset[int]() if value.module else frozenset({self.new_object()})
        self.names[name] = Held(
            {self.execution: why}, {}, same, may, bodies,
            value.module, "" if value.module else self.kind_of(value),
        )  # fmt: skip

    def new_object(self) -> int:
        """Give the number of an object that no name reaches yet."""
        self._objects += 1
        return self._objects

    # Changes

    def change(self, names: Iterable[str], how: str, certain: bool = False) -> None:
        """Note that the objects of names may be changed, and so those of all that share them."""
        for name in names:
            held = self.names.get(name)
            if held is None:
                continue
            if held.module:
                self.change_module(held.module, how)
                continue
            self._change_objects(held, name, how, certain)

    def _change_objects(self, target: Held, name: str, how: str, certain: bool) -> None:
        reached = target.reached
        for other, held in list(self.names.items()):
            if held.same & target.same:
                sure = certain and len(target.same) == 1
                said = how if other == name else f"{how}, which is {other} too"
            elif held.reached & reached:
                sure, said = False, f"{how}, which may share with {other}"
            else:
                continue
            why = Why(EXACT if sure else POSSIBLE, said)
            self.names[other] = held.changed(self.execution, why)

    def _change_stored(self, operation: Change) -> None:
        dotted = self.dotted(operation.path)
        if dotted is not None:
            self.change_module(dotted, operation.how)
            for state in states_of_assignment(dotted):
                self.touch_state(state, "change", operation.how, dotted)
            return
        self.change(operation.names, operation.how, operation.certain)
        self.store(operation.names, operation.stored)

    def store(self, names: Iterable[str], stored: Value) -> None:
        """Note that the objects of names hold a value from now on."""
        sources = [self.names[one] for one in stored.names if one in self.names]
        may = frozenset[int]().union(*(one.reached for one in sources))
        bodies = stored.bodies.union(*(one.bodies for one in sources))
        if not may and not bodies:
            return
        targets = [self.names[name].same for name in names if name in self.names]
        same = frozenset[int]().union(*targets)
        for other, held in list(self.names.items()):
            if held.reached & same:
                kind = held.kind if all(one.kind for one in sources) else ""
                self.names[other] = replace(
                    held, may=held.may | may, bodies=held.bodies | bodies, kind=kind
                )

    def change_module(self, dotted: str, how: str) -> None:
        """Note that a module may be changed: it is one object, however it is called."""
        root = dotted.lstrip("@").partition(".")[0]
        self.modules.setdefault(root, {})[self.execution] = Why(POSSIBLE, how)

    def needs_module(self, module: str) -> None:
        """Need whatever changed a module."""
        root = module.partition(".")[0]
        self._need_makers(self.modules.get(root, {}), root)

    # States

    def touch_state(self, name: str, mode: str, how: str, dotted: str = "") -> None:
        """Note that a state is read, changed or set, by what is called or assigned to."""
        drawn = STATES[name].drawn
        if mode == "read" or (mode == "change" and drawn):
            self.read_state(name, how)
        if mode == "read":
            return
        makers = self.states.setdefault(name, {})
        if mode == "set" and not self._branches:
            makers.clear()
        makers[self.execution] = Why(POSSIBLE if mode == "change" else EXACT, how)
        if not is_seen(name, dotted):
            self.unseen.add(name)

    def draws_not(self, name: str) -> None:
        """Take back that the execution may have read a state: it left it as it was."""
        self._drawn.pop(name, None)

    def read_state(self, name: str, how: str) -> None:
        for execution, why in self.states.get(name, {}).items():
            if execution != self.execution:
                reason = f"{why.reason} ({STATES[name].what})"
                certainty = why.certainty if how != "may depend on it" else POSSIBLE
                need = Need(execution, (name,), certainty, reason, "state")
                if STATES[name].drawn:
                    self._drawn.setdefault(name, []).append(need)
                else:
                    self._needs.add(need)

    # What cannot be told

    def _unknown(self, operation: Unknown) -> None:
        self._acts = True
        if operation.reads:
            self._need_all(f"{operation.how} may use it", operation.how)
        if operation.binds:
            why = Why(POSSIBLE, f"{operation.how} may bind or change it")
            self.unknown_binders[self.execution] = why
            for name, held in list(self.names.items()):
                self.names[name] = held.changed(self.execution, why)

    def _branch(self, blocks: tuple[tuple[Operation, ...], ...], exhaustive: bool) -> None:
        before = self.names
        after = [] if exhaustive else [before]
        self._branches += 1
        for block in blocks:
            self.names = dict(before)
            self.run(block)
            after.append(self.names)
        self._branches -= 1
        self.names = merge_names(after)
