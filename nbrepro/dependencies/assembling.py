"""Puts the sets together: `direct`, what was opened; `closure`, the least that re-creates it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from nbrepro.dependencies.closure import Closure, Needed, VariableNeed
from nbrepro.dependencies.code import read_code
from nbrepro.dependencies.direct import Opened
from nbrepro.dependencies.facts import KERNEL, Facts, Step
from nbrepro.dependencies.reading import Readings
from nbrepro.dependencies.scopes import Scope
from nbrepro.dependencies.sets import EXACT, POSSIBLE, Dependency, DependencySet, Need
from nbrepro.dependencies.software import OPENED_WITH, Root, Software

KERNEL_ROOTS = ("ipykernel_launcher", "ipykernel.kernelapp", "ipykernel.ipkernel", "ipykernel")
ENGINE_ROOTS = {"dask": ("distributed.nanny", "distributed.worker", "distributed.preloading")}
"""The modules that a process begins with: what it needs whatever it is given to do."""


@dataclass(slots=True)
class Roots:
    """The modules that a set begins with, each with why: the certain ones and the others."""

    sure: dict[str, Root] = field(default_factory=dict)
    possible: dict[str, Root] = field(default_factory=dict)


class Dependencies:
    """The dependency sets of one run. `variables` are the needs of each execution through names."""

    def __init__(
        self,
        facts: Facts,
        variables: Mapping[int, Sequence[VariableNeed]],
        readings: Readings | None = None,
    ) -> None:
        self._facts = facts
        self._variables = variables
        self._readings = readings or Readings()

    def direct(self, scope: Scope) -> DependencySet:
        """Give what the steps of a scope opened themselves."""
        opened = Opened(self._facts)
        members = list(opened.members(scope.steps))
        return DependencySet(scope.title, members, [*_left(opened), *self._blind(scope)])

    def closure(self, scope: Scope) -> DependencySet:
        """Give the least that re-creates what the steps of a scope gave."""
        opened = Opened(self._facts)
        members = list(self._closure(scope, opened))
        self._readings.keep()
        title = f"{scope.title}, closure"
        return DependencySet(title, members, [*_left(opened), *self._blind(scope)])

    def _closure(self, scope: Scope, opened: Opened) -> Iterator[Dependency]:
        executions = scope.executions
        if executions or scope.kind == "notebook":
            # A cell that ran more than once gave, in the end, what its last execution gave.
            last = executions[-1:] if scope.kind == "cell" else executions
            needed = Closure(self._facts, self._variables).needed(last)
            yield from self._of_executions(needed, set(last), opened)
        for worker, groups in self._task_groups(scope.steps).items():
            yield from self._of_worker(worker, groups, opened)

    # -- executions ---------------------------------------------------------------------------

    @cached_property
    def _kernel(self) -> Software:
        steps = [KERNEL, *map(Step, self._facts.executions)]
        return Software(self._facts, steps, self._readings)

    def _of_executions(
        self, needed: Sequence[Needed], asked: set[int], opened: Opened
    ) -> Iterator[Dependency]:
        steps = {n.execution: self._steps_of(n) for n in needed}
        yield from (self._cell(n) for n in needed)
        yield from self._packages(needed, asked, opened)
        inside = {step for several in steps.values() for step in several}
        for one in needed:
            acts = one.part(self._facts.executions[one.execution].source).acts
            if one.execution in asked or acts:
                yield from opened.taken(steps[one.execution], inside, certainty=one.certainty)
                yield from opened.around(steps[one.execution])
        yield from opened.taken([KERNEL], inside, certainty=POSSIBLE)

    def _steps_of(self, needed: Needed) -> list[Step]:
        return [Step(needed.execution), *self._facts.tasks_of([needed.execution])]

    def _cell(self, needed: Needed) -> Dependency:
        execution = self._facts.executions[needed.execution]
        by = self._facts.executions.get(needed.by)
        names = ", ".join(sorted(needed.names)[:6]) if needed.names else ""
        reason = needed.reason + (f" ({names})" if names else "")
        return Dependency(
            Need.CELL, str(execution.cell), str(execution.execution), certainty=needed.certainty,
            rule=needed.rule, reason=reason, by=str(by.cell) if by else "",
        )  # fmt: skip

    def _packages(
        self, needed: Sequence[Needed], asked: set[int], opened: Opened
    ) -> Iterator[Dependency]:
        kernel = self._kernel
        roots = Roots()
        for one in needed:
            self._name_roots(one, kernel, roots)
            if one.execution in asked:
                for name in kernel.modules_of(Step(one.execution)):
                    roots.sure.setdefault(name, self._opened_by(one))
        start = set(kernel.modules_of(KERNEL))
        for name in KERNEL_ROOTS:
            roots.sure.setdefault(name, ("the kernel's own start", ""))
        reached = kernel.graph.needed(roots.sure, start, roots.possible)
        yield from kernel.packages(roots.possible | roots.sure, reached)
        yield from kernel.libraries(reached)
        yield from self._interpreters([KERNEL])
        for one in needed:
            yield from self._beside(one, asked, kernel, reached, opened)

    def _name_roots(self, needed: Needed, software: Software, roots: Roots) -> None:
        """Add the modules that the needed part of an execution imports."""
        source = self._facts.executions[needed.execution].source
        for sure, found in ((True, roots.sure), (False, roots.possible)):
            for name in software.resolve(needed.part(source, sure=sure).imports):
                found.setdefault(name, self._named(needed, name))

    def _named(self, needed: Needed, name: str) -> Root:
        cell = str(self._facts.executions[needed.execution].cell)
        return f"cell {cell} imports {name}", cell

    def _opened_by(self, needed: Needed) -> Root:
        cell = str(self._facts.executions[needed.execution].cell)
        return f"opened by cell {cell}", cell

    def _beside(
        self, needed: Needed, asked: set[int], kernel: Software, reached: Iterable[str],
        opened: Opened,
    ) -> Iterator[Dependency]:  # fmt: skip
        """Yield what an execution opened besides modules, and its tasks did."""
        source = self._facts.executions[needed.execution].source
        part, whole = needed.part(source), read_code(source or "").all()
        if not part.acts and needed.execution not in asked:
            return
        unwanted = kernel.resolve(set(whole.imports) - set(part.imports))
        out = kernel.graph.needed(unwanted)
        sure = EXACT if needed.execution in asked else POSSIBLE
        cell = str(self._facts.executions[needed.execution].cell)
        for member in kernel.beside(Step(needed.execution), out, reached):
            found = opened.software(
                member, rule=OPENED_WITH, reason=f"opened by cell {cell}", by=cell, certainty=sure
            )
            if found is not None:
                yield found

    def _interpreters(self, steps: Iterable[Step]) -> Iterator[Dependency]:
        opened = Opened(self._facts)
        for step in steps:
            why = {"rule": "runs", "reason": f"{self._facts.words(step)} runs with it"}
            found = (opened.software(member, **why) for member in self._facts.software(step))
            yield from [m for m in found if m is not None and m.kind == Need.INTERPRETER][:1]

    # -- tasks --------------------------------------------------------------------------------

    def _task_groups(self, steps: Iterable[Step]) -> dict[str, dict[tuple[str, int], list[Step]]]:
        """Put the tasks of each worker together that ran one function for one execution."""
        rows = {row.task: row for row in self._facts.tasks}
        found: dict[str, dict[tuple[str, int], list[Step]]] = {}
        for step in steps:
            row = rows.get(step.task) if step.task else None
            if row is not None:
                worker, key = row.worker or "", (row.function or "", step.execution)
            elif step.worker:
                worker, key = step.worker, ("", 0)
            else:
                continue
            found.setdefault(worker, {}).setdefault(key, []).append(step)
        return found

    def _of_worker(
        self, worker: str, groups: Mapping[tuple[str, int], Sequence[Step]], opened: Opened
    ) -> Iterator[Dependency]:
        software = self._worker_software(worker)
        roots = Roots()
        for (function, execution), steps in groups.items():
            needed = self._for_function(function, execution)
            yield from (self._cell(one) for one in needed)
            for one in needed:
                self._name_roots(one, software, roots)
            for step in steps:
                if step.task:
                    yield self._task(step, function)
                    why = (f"opened by {self._facts.words(step)}", step.task)
                    for name in software.modules_of(step):
                        roots.sure.setdefault(name, why)
            yield from opened.taken(steps, set(steps))
            yield from opened.around(steps)
        yield from self._started(worker, software, roots)

    def _started(self, worker: str, software: Software, roots: Roots) -> Iterator[Dependency]:
        engine = next((w.engine or "" for w in self._facts.workers if w.worker == worker), "")
        for name in ENGINE_ROOTS.get(engine, ()):
            roots.sure.setdefault(name, ("a worker's own start", ""))
        reached = software.graph.needed(roots.sure, (), roots.possible)
        yield from software.packages(roots.possible | roots.sure, reached)
        yield from software.libraries(reached)
        yield from self._interpreters([Step(0, "", worker)])

    def _task(self, step: Step, function: str) -> Dependency:
        execution = self._facts.executions.get(step.execution)
        of_cell = f" of cell {execution.cell}" if execution else ""
        return Dependency(
            Need.TASK, step.task, rule="asked", reason=f"runs {function or 'a task'}{of_cell}",
        )  # fmt: skip

    def _worker_software(self, worker: str) -> Software:
        """Give what a worker loaded; workers that opened the same share it."""
        steps = [Step(0, "", worker), *self._facts.tasks_on(worker)]
        key = self._facts.footprints_of(steps)
        if key not in self._of_workers:
            self._of_workers[key] = Software(self._facts, steps, self._readings)
        return self._of_workers[key]

    @cached_property
    def _of_workers(self) -> dict[frozenset[str], Software]:
        return {}

    @cached_property
    def _sent(self) -> dict[tuple[str, int], list[Needed]]:
        return {}

    def _for_function(self, function: str, execution: int) -> list[Needed]:
        """Give the executions that define what a task's function is, for its submitter."""
        name = function.rpartition(".")[2]
        if not name or execution not in self._facts.executions:
            return []
        key = (name, execution)
        if key not in self._sent:
            closure = Closure(self._facts, self._variables)
            self._sent[key] = closure.sent_to_tasks(execution, name)
        return self._sent[key]

    def _blind(self, scope: Scope) -> list[str]:
        tasks = {step.task for step in scope.steps if step.task}
        unseen = sum(row.observed is False for row in self._facts.tasks if row.task in tasks)
        return (
            [f"{unseen} tasks were not observed: what they opened is not known"] if unseen else []
        )


def _left(opened: Opened) -> list[str]:
    counts = ", ".join(f"{role} {count}" for role, count in sorted(opened.left.items()))
    return [f"files that are made anew are no members ({counts})"] if counts else []
