"""The least that re-creates a result: earlier executions, and what each of them is needed for.

An execution is needed for names that it bound or changed, for versions of files that it or its
tasks made, or in whole. What is needed of it follows: the names that the needed part of its code
takes, and the files that it read.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from nbrepro.dependencies.code import Code, Part, read_code
from nbrepro.dependencies.facts import Facts, Step
from nbrepro.dependencies.sets import EXACT, POSSIBLE


class VariableNeed(Protocol):
    """An earlier execution that one needs through names; none named means for all it did."""

    @property
    def execution(self) -> int: ...
    @property
    def names(self) -> Iterable[str]: ...
    @property
    def certainty(self) -> str: ...
    @property
    def reason(self) -> str: ...


@dataclass(slots=True)
class Needed:
    """One execution of a closure. `names` are those that it is needed for, None for all of it;
    `acts` says that it is needed for what it did to files, `sent` that its values are sent to where
    they are used, and its other code does not matter. `by` is the execution that first needed
    it (0: asked about), for the `reason`; `sure` are the names that it is certainly needed for."""

    execution: int
    by: int
    rule: str
    reason: str
    certainty: str
    names: set[str] | None = field(default_factory=set)
    acts: bool = False
    sent: bool = False
    sure: set[str] | None = field(default_factory=set)

    def part(self, source: str | None, *, sure: bool = False) -> Part:
        """Give the part of its code that is needed; with `sure`, that is certainly needed."""
        names, code = self.sure if sure else self.names, read_code(source or "")
        if names is None:
            return code.all()
        if self.sent:
            return code.bindings(names)
        return code.part(names, acts=self.acts and (not sure or self.certainty == EXACT))


class Closure:
    """Finds the executions that some of a run need; `variables` are the needs of each."""

    def __init__(self, facts: Facts, variables: Mapping[int, Sequence[VariableNeed]]) -> None:
        self._facts = facts
        self._variables = variables
        self._found: dict[int, Needed] = {}
        self._queue: deque[int] = deque()
        self._asked = 0
        self._sent = False

    def needed(
        self, executions: Iterable[int], names: frozenset[str] | None = None
    ) -> list[Needed]:
        """Give the executions that these need, themselves first to last among them, in order.

        With `names`, only what those names of them need.
        """
        for execution in executions:
            self._asked = max(self._asked, execution)
            self._add(Needed(execution, 0, "asked", "asked about", EXACT,
                             None if names is None else set(names)))  # fmt: skip
        while self._queue:
            execution = self._queue.popleft()
            needed = self._found[execution]
            part = needed.part(self._facts.executions[execution].source)
            self._through_names(needed, part)
            if part.acts and not needed.sent:
                self._through_files(needed)
        return [self._found[number] for number in sorted(self._found)]

    def sent_to_tasks(self, execution: int, function: str) -> list[Needed]:
        """Give the executions that bind a function as an execution sees it, and what that takes.

        A function goes to a worker by value. Of one that no cell defines, such as a library's,
        everything that the execution takes is `possible`.
        """
        self._asked, self._sent = execution, True
        asking = Needed(execution, 0, "sent", f"defines {function}", EXACT, {function}, sent=True)
        if function in self._code(execution).bound:
            self._add(asking)
        elif any(number <= execution for number in self._binders.get(function, ())):
            self._later_names(asking, {function}, {function})
        else:
            asking.certainty = POSSIBLE
            self._later_names(asking, set(self._code(execution).all().loads), ())
        return self.needed(())

    def _add(self, needed: Needed) -> None:
        known = self._found.get(needed.execution)
        needed.sure = needed.names if needed.certainty == EXACT else set()
        if known is None:
            needed.sure = set(needed.sure) if needed.sure is not None else None
            self._found[needed.execution] = needed
        elif not _widen(known, needed):
            return
        self._queue.append(needed.execution)

    def _through_names(self, needed: Needed, part: Part) -> None:
        source = self._facts.executions[needed.execution].source
        sure = needed.part(source, sure=True).loads
        missing = set(part.loads) - self._code(needed.execution).bound
        for need in () if needed.sent else self._variables.get(needed.execution, ()):
            names = set(need.names)
            missing -= names
            if names and needed.names is not None and not names & part.loads:
                continue
            wanted = (names & part.loads or names) if names else None
            for group in _by_certainty(wanted, sure, need.certainty == needed.certainty == EXACT):
                self._add(Needed(need.execution, needed.execution, "variable", need.reason,
                                 *group))  # fmt: skip
        self._later_names(needed, missing, sure)

    def _later_names(self, needed: Needed, names: set[str], sure: Collection[str]) -> None:
        """Add what binds the names that functions take when they are called, by whomever."""
        rule = "sent" if self._sent else "variable"
        for name in sorted(names):
            before = [n for n in self._binders.get(name, ()) if n <= self._asked]
            binders = [number for number in before if number != needed.execution]
            certainty = EXACT if name in sure and needed.certainty == EXACT else POSSIBLE
            if binders:
                self._add(Needed(binders[-1], needed.execution, rule, f"binds {name}",
                                 certainty, {name}, sent=self._sent))  # fmt: skip

    @cached_property
    def _binders(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for number in self._facts.executions:
            for name in self._code(number).bound:
                found[name].append(number)
        return dict(found)

    def _code(self, execution: int) -> Code:
        return read_code(self._facts.executions[execution].source or "")

    def _through_files(self, needed: Needed) -> None:
        steps = [Step(needed.execution), *self._facts.tasks_of([needed.execution])]
        for execution, path in self._makers_of(steps).items():
            if execution < needed.execution:
                self._add(Needed(execution, needed.execution, "file", f"made {path}",
                                 needed.certainty, set(), acts=True))  # fmt: skip

    def _makers_of(self, steps: Iterable[Step]) -> dict[int, str]:
        """Give the executions whose steps made what these took in, each with a path."""
        found: dict[int, str] = {}
        for step in steps:
            for edge in self._facts.edges.get(step, ()):
                maker = self._facts.makers.get(edge.version)
                if edge.mode == "used" and maker is not None and maker.execution:
                    found.setdefault(maker.execution, edge.path)
        return found


def _by_certainty(
    wanted: set[str] | None, sure: Collection[str], exact: bool
) -> list[tuple[str, set[str] | None]]:
    """Tell the names that are certainly needed from those that are possible."""
    if wanted is None or not exact:
        return [(EXACT if exact else POSSIBLE, wanted)]
    certain = wanted & set(sure)
    groups: list[tuple[str, set[str] | None]] = [(EXACT, certain), (POSSIBLE, wanted - certain)]
    return [group for group in groups if group[1]]


def _widen(known: Needed, needed: Needed) -> bool:
    """Let one stand for both; tell whether that made it need more."""
    before = _extent(known)
    if needed.sure is None:
        known.sure = None
    elif known.sure is not None:
        known.sure |= needed.sure
    if needed.certainty == EXACT and known.certainty != EXACT:
        known.certainty, known.reason, known.by = EXACT, needed.reason, needed.by
        known.rule = needed.rule
    if needed.names is None:
        known.names = None
    elif known.names is not None:
        known.names |= needed.names
    known.acts |= needed.acts
    return before != _extent(known)


def _extent(needed: Needed) -> tuple[int | None, int | None, bool, str]:
    sizes = [None if names is None else len(names) for names in (needed.names, needed.sure)]
    return (sizes[0], sizes[1], needed.acts, needed.certainty)
