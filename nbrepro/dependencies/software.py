"""The software of a set: loaded modules by process, and the packages that they come from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from nbrepro.dependencies.code import Imported
from nbrepro.dependencies.direct import Opened, kind_of, package_member
from nbrepro.dependencies.facts import Facts, SoftwareMember, Step
from nbrepro.dependencies.imports import (
    DECLARED,
    IMPORTED,
    LAZY,
    OPTIONAL,
    REQUIRED,
    ROOT,
    UNREAD,
    WITHIN,
    ImportGraph,
    Loaded,
    Reached,
)
from nbrepro.dependencies.installed import Installed, find_installed
from nbrepro.dependencies.modules import Module, module_of
from nbrepro.dependencies.reading import Readings
from nbrepro.dependencies.sets import EXACT, POSSIBLE, Dependency, Need

OPENED_WITH = "opened-with"

_SENTENCES = {
    IMPORTED: "{by} imports {name}",
    OPTIONAL: "{by} imports {name} where it is installed",
    LAZY: "{by} imports {name} inside a function",
    REQUIRED: "{by} imports {name} inside a function, and its package requires it",
    DECLARED: "{by} is compiled, and its package requires {name}",
    UNREAD: "{name} was loaded, and the file of {by} cannot be read here",
    WITHIN: "{name} was loaded by name, as plugins are, and {by} is of its package",
}

Root = tuple[str, str]
"""Why a module is needed: a sentence, and the member that names it."""


class Software:
    """The modules that some steps of one process loaded, and what needs what among them."""

    def __init__(self, facts: Facts, steps: Iterable[Step], readings: Readings) -> None:
        self._facts = facts
        self._steps = list(steps)
        self._opened = Opened(facts)
        self._readings = readings
        self._distributions: dict[tuple[str, str], Installed | None] = {}
        self.graph = ImportGraph(self._loaded, self._name_of, self._installed, readings)

    @cached_property
    def _loaded(self) -> dict[str, Loaded]:
        found: dict[str, Loaded] = {}
        for step in self._steps:
            for member in self._facts.software(step):
                module = module_of(member.path)
                if module is not None:
                    _prefer(found, Loaded(module, member.package or ""))
            for edge in self._facts.edges.get(step, ()):
                module = self.own_module(edge.path) if edge.role == "code" else None
                if module is not None:
                    found.setdefault(module.name, Loaded(module, ""))
        return found

    def own_module(self, path: str) -> Module | None:
        """Tell which of the project's own modules a file is."""
        return module_of(path, [self._facts.notebook.rpartition("/")[0]])

    def modules_of(self, step: Step) -> list[str]:
        """List the modules whose files a step opened."""
        found = (module_of(member.path) for member in self._facts.software(step))
        names = dict.fromkeys(module.name for module in found if module)
        own = (self.own_module(e.path) for e in self._facts.edges.get(step, ()) if e.role == "code")
        return [*names, *(module.name for module in own if module)]

    def resolve(self, imports: Iterable[Imported]) -> list[str]:
        """Give the loaded modules that imports of the notebook name."""
        return list(dict.fromkeys(n for one in imports for n in self.graph.resolve(one)))

    def packages(
        self, roots: Mapping[str, Root], reached: Mapping[str, Reached]
    ) -> Iterator[Dependency]:
        """Yield the packages of modules that were reached from `roots`."""
        told: set[tuple[str, bool]] = set()
        for name, why in reached.items():
            owner = self._loaded[name].owner
            by = self._loaded[why.by].owner if why.by else ""
            if not owner or owner == by or {(owner, why.exact), (owner, True)} & told:
                continue
            told.add((owner, why.exact))
            record = self._facts.packages[owner]
            sentence, parent = roots[name] if why.rule == ROOT else self._words(name, why)
            certainty = EXACT if why.exact else POSSIBLE
            yield package_member(
                record, rule=why.rule, reason=sentence, by=parent, certainty=certainty,
                location=self._loaded[name].module.site,
            )  # fmt: skip

    def _words(self, name: str, why: Reached) -> Root:
        return _SENTENCES[why.rule].format(by=why.by, name=name), self._parent(why.by)

    def _parent(self, module: str) -> str:
        owner = self._loaded[module].owner
        return self._name_of(owner) if owner else ""

    def beside(
        self, step: Step, out: Iterable[str], modules: Iterable[str]
    ) -> Iterator[SoftwareMember]:
        """Yield what a step opened, without the modules `out`, those of packages that only they
        bring, and what `modules` cover already."""
        kept = set(modules)
        dropped = set(out) - kept
        owners = {self._loaded[n].owner for n in kept}
        lost = {self._loaded[n].owner for n in dropped} - owners - {""}
        for member in self._facts.software(step):
            module = module_of(member.path)
            known = member.package in owners or member.package in lost
            if not known and (module is None or module.name not in dropped):
                yield member

    def libraries(self, reached: Mapping[str, Reached]) -> Iterator[Dependency]:
        """Yield the system's packages whose libraries the compiled ones of modules ask for."""
        for sure in (True, False):
            names = [name for name, why in reached.items() if why.exact is sure]
            for path, member in self._linked(names):
                yield from self._library(path, member, EXACT if sure else POSSIBLE)

    def _linked(self, modules: Iterable[str]) -> Iterator[tuple[str, SoftwareMember]]:
        loaded = (self._loaded[name].module for name in modules)
        pending = [module.file for module in loaded if module.extension] + self._programs
        seen: set[str] = set()
        while pending:
            path = pending.pop()
            for name in self._readings.libraries(path):
                member = self._shared_objects.get(name)
                if member is not None and name not in seen:
                    seen.add(name)
                    pending.append(member.path)
                    yield path, member

    def _library(self, path: str, member: SoftwareMember, certainty: str) -> Iterator[Dependency]:
        name = member.path.rpartition("/")[2]
        found = self._opened.software(
            member, rule="linked", certainty=certainty,
            reason=f"{path.rpartition('/')[2]} asks the loader for {name}",
        )  # fmt: skip
        if found is not None and found.kind in (Need.SYSTEM, Need.UNOWNED):
            yield found

    @cached_property
    def _programs(self) -> list[str]:
        """List the interpreters that ran, with their shared libraries."""
        every = (member for step in self._steps[:1] for member in self._facts.software(step))
        return [
            member.path
            for member in every
            if member.package
            and kind_of(self._facts.packages[member.package]) == Need.INTERPRETER
            and ("/bin/" in member.path or "/libpython" in member.path)
        ]

    @cached_property
    def _shared_objects(self) -> dict[str, SoftwareMember]:
        every = (member for step in self._steps for member in self._facts.software(step))
        by_name = {member.path.rpartition("/")[2]: member for member in every}
        return {name: member for name, member in by_name.items() if ".so" in name}

    def _name_of(self, owner: str) -> str:
        return self._facts.packages[owner].name

    def _installed(self, loaded: Loaded) -> Installed | None:
        key = (loaded.owner, loaded.module.site)
        if loaded.owner and key not in self._distributions:
            record = self._facts.packages[loaded.owner]
            found = find_installed(record.name, loaded.module.site)
            known = found is not None and found.version == record.version
            self._distributions[key] = found if known else None
        return self._distributions.get(key)


def _prefer(found: dict[str, Loaded], loaded: Loaded) -> None:
    """Keep of files for one module the one that an environment has, and source before all."""
    known = found.get(loaded.module.name)
    if known is None or (known.module.standard and not loaded.module.standard):
        found[loaded.module.name] = loaded
