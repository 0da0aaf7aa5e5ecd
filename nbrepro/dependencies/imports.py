"""Which of the modules that a run loaded are needed by some of them.

An import that the code makes as it loads, of a module that was loaded in the run, was made. What
compiled modules import cannot be read: there, what their distribution declares and the run loaded
counts. Imports that a module can live without, or makes inside functions, are possible; what it
imports inside functions, was loaded, and its distribution requires, is needed.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from nbrepro.dependencies.code import Imported
from nbrepro.dependencies.installed import Installed, normal
from nbrepro.dependencies.modules import ImportStatement, Module, Strength
from nbrepro.dependencies.reading import Readings

IMPORTED, OPTIONAL, LAZY = "imported", "imported-if-there", "imported-in-a-function"
REQUIRED = "declared-and-imported-in-a-function"
DECLARED, WITHIN, UNREAD = "declared", "loaded-by-name", "unread"
ROOT = "named-by-code"


class Reached(NamedTuple):
    """How a module came to be needed: by a rule, from another module (empty: from a root)."""

    rule: str
    by: str
    exact: bool


@dataclass(frozen=True, slots=True)
class Loaded:
    """A loaded module with the distribution that owns it: a key of packages, empty for none."""

    module: Module
    owner: str


class ImportGraph:
    """The modules that were loaded, and what leads from one to another.

    `modules` are by dotted name. `name_of` gives the name of an owner, `installed` what its
    distribution declares.
    """

    def __init__(
        self,
        modules: Mapping[str, Loaded],
        name_of: Callable[[str], str],
        installed: Callable[[Loaded], Installed | None],
        readings: Readings,
    ) -> None:
        self._modules = modules
        self._name_of = name_of
        self._installed = installed
        self._readings = readings
        self._start: Collection[str] = ()
        self._edges: dict[str, list[tuple[str, str]]] = {}
        self.unread: set[str] = set()

    def resolve(self, imported: Imported) -> list[str]:
        """Give the loaded modules that an import of the notebook names."""
        statement = ImportStatement(imported.module, 0, imported.names, Strength.REQUIRED)
        return self._targets(statement, "", package=False)

    def needed(
        self, roots: Iterable[str], start: Collection[str] = (), possible: Iterable[str] = ()
    ) -> dict[str, Reached]:
        """Give every module that the roots need, the roots first, with why.

        What is exact is found first, so that a module is possible only where nothing proves it;
        roots that are themselves only `possible` come after.
        What the modules of a kernel's `start` import later they import because code asks for it:
        that is no need of theirs.
        """
        self._start = start
        found: dict[str, Reached] = {}
        for root in roots:
            if root in self._modules:
                found.setdefault(root, Reached(ROOT, "", exact=True))
        self._follow(found, list(found), exact=True)
        weaker = [root for root in possible if root in self._modules and root not in found]
        found |= dict.fromkeys(weaker, Reached(ROOT, "", exact=False))
        self._follow(found, weaker, exact=False)
        waiting = list(found)
        while waiting:
            new = [target for name in waiting for target in self._possible(name, found)]
            new += self._within(found)
            waiting = new + self._follow(found, new, exact=False)
        return found

    def _follow(self, found: dict[str, Reached], start: Iterable[str], *, exact: bool) -> list[str]:
        """Add what modules must have, and what that must have; give what is new."""
        queue, new = deque(start), []
        while queue:
            name = queue.popleft()
            for target, rule in self.edges(name):
                later = rule == REQUIRED and self._is_later(name, target)
                if rule in _CERTAIN and target not in found and not later:
                    found[target] = Reached(rule, name, exact)
                    queue.append(target)
                    new.append(target)
        return new

    def _possible(self, name: str, found: dict[str, Reached]) -> list[str]:
        """Add what a needed module imports if it is there, or later, with what that must have."""
        new = []
        for target, rule in self.edges(name):
            if target not in found and not self._is_later(name, target):
                found[target] = Reached(rule, name, exact=False)
                new.append(target)
        return new + self._follow(found, new, exact=False)

    def _within(self, found: dict[str, Reached]) -> list[str]:
        """Find modules that no import leads to, of distributions that are needed: they were loaded
        by name, as plugins are."""
        owners = {self._modules[name].owner: name for name in reversed(found)} if found else {}
        new = []
        for name in self._orphans:
            owner = self._modules[name].owner
            by = owners.get(owner) if owner else None
            if by and name not in found and not self._is_later(by, name):
                found[name] = Reached(WITHIN, by, exact=False)
                new.append(name)
        return new

    def _is_later(self, name: str, target: str) -> bool:
        return name in self._start and target not in self._start

    @cached_property
    def _orphans(self) -> list[str]:
        led_to = {target for name in self._modules for target, _ in self.edges(name)}
        return [name for name in self._modules if name not in led_to]

    def edges(self, name: str) -> list[tuple[str, str]]:
        """Give what a module leads to, each with the rule."""
        known = self._edges.get(name)
        if known is None:
            known = self._edges[name] = list(dict.fromkeys(self._find_edges(name)))
        return known

    def _find_edges(self, name: str) -> Iterator[tuple[str, str]]:
        loaded = self._modules[name]
        module = loaded.module
        parent = name.rpartition(".")[0]
        if parent in self._modules:
            yield parent, IMPORTED
        if module.extension:
            yield from ((target, DECLARED) for target in self._declared(loaded))
            return
        statements = self._readings.imports(module.file)
        if statements is None:
            self.unread.add(module.file)
            yield from ((target, UNREAD) for target in self._siblings(loaded))
            yield from ((target, DECLARED) for target in self._declared(loaded))
            return
        for statement in statements:
            rule = _RULES[Strength(statement.strength)]
            for target in self._targets(statement, name, package=module.package):
                if target != name:
                    yield target, self._strengthened(rule, loaded, target)

    def _strengthened(self, rule: str, loaded: Loaded, target: str) -> str:
        """Take a later import for one that was made where the distribution says it must have it."""
        owner = self._modules[target].owner
        if rule != LAZY or not owner or owner == loaded.owner:
            return rule
        installed = self._installed(loaded)
        known = installed is not None and normal(self._name_of(owner)) in installed.requires
        return REQUIRED if known else LAZY

    def _targets(self, statement: ImportStatement, name: str, *, package: bool) -> list[str]:
        base = _absolute(statement, name, package)
        if base is None:
            return []
        parts = base.split(".") if base else []
        wanted = [".".join(parts[:length]) for length in range(1, len(parts) + 1)]
        wanted += [f"{base}.{inner}" if base else inner for inner in statement.names]
        return [target for target in wanted if target in self._modules]

    def _declared(self, loaded: Loaded) -> list[str]:
        """Give the top modules of the distributions that this one's distribution requires."""
        installed = self._installed(loaded)
        if installed is None:
            return []
        tops = self._top_modules
        return [top for name in sorted(installed.requires) for top in tops.get(name, ())]

    def _siblings(self, loaded: Loaded) -> list[str]:
        return [n for n, other in self._modules.items() if other.owner == loaded.owner]

    @cached_property
    def _top_modules(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for name, loaded in self._modules.items():
            if "." not in name and loaded.owner and not loaded.module.standard:
                found[normal(self._name_of(loaded.owner))].append(name)
        return dict(found)


_CERTAIN = frozenset({IMPORTED, DECLARED, REQUIRED})
_RULES = {Strength.REQUIRED: IMPORTED, Strength.OPTIONAL: OPTIONAL, Strength.LAZY: LAZY}


def _absolute(statement: ImportStatement, name: str, package: bool) -> str | None:
    """Give the absolute name of an import; None where it leads out of all packages."""
    if not statement.level:
        return statement.module
    parts = name.split(".") if package else name.split(".")[:-1]
    up = statement.level - 1
    if up > len(parts):
        return None
    parts = parts[: len(parts) - up] if up else parts
    return ".".join([*parts, *filter(None, [statement.module])])
