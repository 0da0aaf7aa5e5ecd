"""The least that re-creates a result: earlier executions, and what each of them is needed for.

An execution is needed for names that it bound or changed, for versions of files that it or its
tasks made, or in whole. What is needed of it follows: the names that the needed part of its code
takes, and the files that it read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from nbrepro.dependencies.code import Part, read_code
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
    """One execution of a closure. `names` is None where it is needed in whole; `by` is the
    execution that first needed it (0: asked about), for the `reason`."""

    execution: int
    by: int
    rule: str
    reason: str
    certainty: str
    names: set[str] | None = field(default_factory=set)

    def part(self, source: str | None) -> Part:
        """Give the part of its code that is needed."""
        code = read_code(source or "")
        return code.all() if self.names is None else code.part(frozenset(self.names))


class Closure:
    """Finds the executions that some of a run need; `variables` are the needs of each."""

    def __init__(self, facts: Facts, variables: Mapping[int, Sequence[VariableNeed]]) -> None:
        self._facts = facts
        self._variables = variables
        self._found: dict[int, Needed] = {}
        self._queue: deque[int] = deque()

    def needed(self, executions: Iterable[int], names: frozenset[str] | None = None) -> list[Needed]:
        """Give the executions that these need, themselves first to last among them, in order.

        With `names`, only what those names of them need.
        """
        for execution in executions:
            self._add(Needed(execution, 0, "asked", "asked about", EXACT,
                             None if names is None else set(names)))  # fmt: skip
        while self._queue:
            execution = self._queue.popleft()
            needed = self._found[execution]
            part = needed.part(self._facts.executions[execution].source)
            self._through_names(needed, part)
            if part.acts:
                self._through_files(needed)
        return [self._found[number] for number in sorted(self._found)]

    def of_name(self, execution: int, name: str) -> list[Needed]:
        """Give the executions that what `name` stands for at the end of an execution needs."""
        own = read_code(self._facts.executions[execution].source or "")
        if name in own.bound:
            return self.needed([execution], frozenset({name}))
        asking = Needed(execution, execution, "asked", f"uses {name}", EXACT, {name})
        self._through_names(asking, Part(frozenset({name}), (), acts=False))
        return self.needed(())

    def _add(self, needed: Needed) -> None:
        known = self._found.get(needed.execution)
        if known is None:
            self._found[needed.execution] = needed
        elif not _widen(known, needed):
            return
        self._queue.append(needed.execution)

    def _through_names(self, needed: Needed, part: Part) -> None:
        for need in self._variables.get(needed.execution, ()):
            names = set(need.names)
            if names and needed.names is not None and not names & part.loads:
                continue
            certainty = EXACT if need.certainty == needed.certainty == EXACT else POSSIBLE
            wanted = (names & part.loads or names) if names else None
            self._add(Needed(need.execution, needed.execution, "variable", need.reason,
                             certainty, wanted))  # fmt: skip

    def _through_files(self, needed: Needed) -> None:
        steps = [Step(needed.execution), *self._facts.tasks_of([needed.execution])]
        for execution, path in self._makers_of(steps).items():
            if execution < needed.execution:
                self._add(Needed(execution, needed.execution, "file", f"made {path}",
                                 needed.certainty, None))  # fmt: skip

    def _makers_of(self, steps: Iterable[Step]) -> dict[int, str]:
        """Give the executions that made, themselves or by tasks, what steps took in, with a path."""
        found: dict[int, str] = {}
        for step in steps:
            for edge in self._facts.edges.get(step, ()):
                maker = self._facts.makers.get(edge.version)
                if edge.mode == "used" and maker is not None and maker.execution:
                    found.setdefault(maker.execution, edge.path)
        return found


def _widen(known: Needed, needed: Needed) -> bool:
    """Let one stand for both; tell whether that made it need more."""
    before = (None if known.names is None else len(known.names), known.certainty)
    if needed.certainty == EXACT and known.certainty != EXACT:
        known.certainty, known.reason, known.by = EXACT, needed.reason, needed.by
        known.rule = needed.rule
    if needed.names is None:
        known.names = None
    elif known.names is not None:
        known.names |= needed.names
    return before != (None if known.names is None else len(known.names), known.certainty)
