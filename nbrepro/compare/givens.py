"""All that the executions of two runs were given and that differs, by how sure its effect is."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from nbrepro.compare.alignment import Pair
from nbrepro.compare.direct import (
    Given,
    given_files,
    given_packages,
    given_settings,
    setting_text,
)
from nbrepro.compare.knowledge import acts_through, is_of_session, only_places
from nbrepro.compare.order import first_line, given_lack, given_order
from nbrepro.compare.placement import given_placement
from nbrepro.compare.values import Activity, PackageUse, Portrait
from nbrepro.variables.code import parse_cell

INJECTED = "injected-parameters"
_KERNEL = -1
_OF_EVERY_CODE = ("PYTHONHASHSEED", "PYTHONOPTIMIZE", "PYTHONUTF8", "PYTHONIOENCODING", "TZ",
                  "LANG", "LANGUAGE", "LC_", "LD_LIBRARY_PATH", "PYTHONPATH")  # fmt: skip

Placed = tuple[int, Given]


class Sides(NamedTuple):
    """The two executions of a pair."""

    a: Activity | None
    b: Activity | None

    @classmethod
    def of(cls, a: Portrait, b: Portrait, pair: Pair) -> Sides:
        """Look a pair up."""
        return cls(
            None if pair.a is None else a.executions[pair.a],
            None if pair.b is None else b.executions[pair.b],
        )

    @property
    def both(self) -> tuple[Activity, Activity] | None:
        """Give both, or nothing where one is lacking."""
        return (self.a, self.b) if self.a is not None and self.b is not None else None


class Circumstances:
    """What differs in what the pairs, and the kernel itself, were given."""

    def __init__(
        self, a: Portrait, b: Portrait, sides: Sequence[Sides], pairs: Sequence[Pair]
    ) -> None:
        self.a = a
        self.b = b
        self.sides = sides
        self.pairs = pairs
        self.other_python = a.python != b.python
        self._names = [self._needs(n) for n in range(len(sides))]
        self.needs = [set(names) for names in self._names]
        self._packages = [self._packages_of(n) for n in range(len(sides))]

    def _needs(self, place: int) -> dict[int, frozenset[str]]:
        """Give the pairs that one needs directly, in either run, and through which names."""
        found: dict[int, frozenset[str]] = {}
        for side, run in enumerate((self.a, self.b)):
            at = {s[side].execution: n for n, s in enumerate(self.sides) if s[side] is not None}  # type: ignore[union-attr]
            activity = self.sides[place][side]
            needs = run.needs.get(activity.execution, {}) if activity is not None else {}
            for execution, names in needs.items():
                if execution in at and at[execution] != place:
                    needed = at[execution]
                    found[needed] = found.get(needed, frozenset()) | names
        return found

    def users(self, place: int) -> Iterator[tuple[int, frozenset[str]]]:
        """Yield the pairs that need one directly, and through which names."""
        for user, names in enumerate(self._names):
            if place in names:
                yield user, names[place]

    def concerns(self, place: int, cause: tuple[str, str], names: frozenset[str]) -> bool:
        """Tell whether what comes with `names` from a pair may depend on a cause in it.

        A module or package shows through the names that its import bound, and those made of them.
        """
        kind, subject = cause
        if kind not in ("code", "package") or "*" in names:
            return True
        modules = {subject.rpartition("/")[2].removesuffix(".py"), *subject.split("/")}
        for uses in (self._packages[place], self._theirs(place)):
            if subject in uses:
                modules |= uses[subject].modules
        bound: dict[str, str] = {}
        for activity in self.sides[place]:
            bound |= _bound_by_imports(activity.source) if activity is not None else {}
        return any(name not in bound or bound[name] in modules for name in names)

    def of_kernel(self) -> Iterator[Given]:
        """Yield what concerns the kernel itself, and so all cells."""
        if self.other_python:
            yield Given("interpreter", "python", self.a.python, self.b.python,
                        "the kernels are of different versions")  # fmt: skip
        ours, theirs = self.a.kernel.packages, self.b.kernel.packages
        for given in given_packages(ours, theirs, self.other_python):
            of_python = given.kind == "interpreter"
            if (of_python and not self.other_python) or given.kind == "system-library":
                yield given
        if not self.other_python:
            yield from _other_provider(ours, theirs)

    def strong(self) -> Iterator[Placed]:
        """Yield what differs and was used, by the pair that used it."""
        yield from self._parameters()
        yield from self._order()
        for place, sides in enumerate(self.sides):
            if sides.both:
                yield from ((place, g) for g in self._of_pair(place, *sides.both) if not g.weak)
            else:
                yield from self._alone(place, sides)
        yield from self._settings_of_libraries()

    def weak(self, places: Sequence[int]) -> Iterator[list[Placed]]:
        """Yield what may explain effects of the last of `places`, the surest first."""
        of_pairs = [(n, g) for n in places for g in self._weak_of_pair(n)]
        for kinds in (("data", "code"), ("package",), ("environment",)):
            yield [(n, g) for n, g in of_pairs if g.kind in kinds]
        yield [
            (_KERNEL, g) for g in self._settings_of_all() if g.subject.startswith(_OF_EVERY_CODE)
        ]
        native = any(use.native for n in places for use in self._packages[n].values())
        if native and self.a.cpus != self.b.cpus:
            yield [(_KERNEL, Given("environment", "processors", str(self.a.cpus), str(self.b.cpus),
                                   "libraries take as many threads as there are"))]  # fmt: skip
        yield [(n, g) for n, g in of_pairs if g.kind == "placement"]

    def others(self) -> Iterator[Placed]:
        """Yield what differs and of which nobody knows that it was used."""
        for given in given_packages(self.a.kernel.packages, self.b.kernel.packages,
                                    self.other_python):  # fmt: skip
            if given.kind == "package" and not given.weak:
                yield _KERNEL, given
        yield from ((_KERNEL, given) for given in self._settings_of_all())
        for place in range(len(self.sides)):
            yield from ((place, g) for g in self._weak_of_pair(place) if g.kind != "placement")
        if self.a.platform != self.b.platform:
            yield _KERNEL, Given("system-library", "platform", self.a.platform, self.b.platform,
                                 "the systems are not the same")  # fmt: skip

    # Parts

    def _of_pair(self, place: int, a: Activity, b: Activity) -> Iterator[Given]:
        if a.digest != b.digest and INJECTED not in (a.cell_id, b.cell_id):
            yield Given("source", f"cell {a.position}", *_first_lines(a.source, b.source),
                        "its source is not the same")  # fmt: skip
        yield from given_files(a, b)
        ours, theirs = self._packages[place], self._theirs(place)
        yield from given_packages(
            _completed(ours, theirs, self.a), _completed(theirs, ours, self.b), self.other_python
        )
        yield from given_settings(a, b)
        yield from given_placement(self.a, self.b, a, b)

    def _weak_of_pair(self, place: int) -> Iterator[Given]:
        both = self.sides[place].both
        if both:
            yield from (given for given in self._of_pair(place, *both) if given.weak)

    def _alone(self, place: int, sides: Sides) -> Iterator[Placed]:
        alone = sides.a or sides.b
        assert alone is not None
        if alone.cell_id == INJECTED and self.a.parameters != self.b.parameters:
            return
        given = (given_lack(self.a, self.b, alone, "first") if sides.a
                 else given_lack(self.b, self.a, alone, "second"))  # fmt: skip
        if not (given.weak and self._failed(place)):
            yield place, given

    def _failed(self, place: int) -> bool:
        """Tell whether a pair before this one shows why a run ended."""
        return any(s.both and s.both[0].status != s.both[1].status for s in self.sides[:place])

    def _order(self) -> Iterator[Placed]:
        found = given_order(self.a.executions, self.b.executions, self.pairs)
        if found is not None:
            yield found.at, found.given
            yield from ((n, found.given) for n, pair in enumerate(self.pairs) if pair.moved)

    def _parameters(self) -> Iterator[Placed]:
        ours, theirs = self.a.parameters, self.b.parameters
        places = [n for n, s in enumerate(self.sides)
                  if INJECTED in {x.cell_id for x in s if x is not None}]  # fmt: skip
        for name in sorted(ours.keys() | theirs.keys()):
            if ours.get(name) != theirs.get(name) or (name in ours) != (name in theirs):
                given = Given("parameters", name, _shown(ours, name), _shown(theirs, name),
                              "the notebook was given another value")  # fmt: skip
                yield from ((place, given) for place in places or [_KERNEL])

    def _settings_of_all(self) -> Iterator[Given]:
        """Yield the settings of the kernels' starts that differ and may act on any code."""
        for given, name in self._kernel_settings():
            if acts_through(name, frozenset(), False) is None or only_places(name):
                yield given

    def _settings_of_libraries(self) -> Iterator[Placed]:
        for given, name in self._kernel_settings():
            for place in range(len(self.sides)):
                used = self._packages[place]
                native = any(use.native for use in used.values())
                if acts_through(name, frozenset(used), native):
                    yield place, given

    def _kernel_settings(self) -> Iterator[tuple[Given, str]]:
        ours, theirs = self.a.kernel, self.b.kernel
        for name in sorted(ours.settings.keys() | theirs.settings.keys()):
            one, other = ours.settings.get(name), theirs.settings.get(name)
            sides = [(use.state, use.relative) if use else ("unset", "") for use in (one, other)]
            if sides[0] != sides[1] and not is_of_session(name):
                said = "it was not the same when the kernel started"
                yield Given("environment", name, setting_text(ours, name),
                            setting_text(theirs, name), said), name  # fmt: skip

    # Packages that are there already

    def _packages_of(self, place: int) -> dict[str, PackageUse]:
        return _with_imported(self.a, self.sides[place].a)

    def _theirs(self, place: int) -> dict[str, PackageUse]:
        return _with_imported(self.b, self.sides[place].b)


def _with_imported(run: Portrait, activity: Activity | None) -> dict[str, PackageUse]:
    """Give the packages of which an execution opened files, or which it imports again."""
    if activity is None:
        return {}
    found = dict(activity.packages)
    imported = _imports(activity.source)
    for earlier in (run.kernel, *run.executions):
        if earlier.execution >= activity.execution and earlier is not run.kernel:
            break
        for name, use in earlier.packages.items():
            if name not in found and use.kind == "package" and use.modules & imported:
                found[name] = use
    return found


def _imports(source: str) -> frozenset[str]:
    return frozenset(_bound_by_imports(source).values())


@lru_cache(maxsize=4096)
def _bound_by_imports(source: str) -> Mapping[str, str]:
    """Give the names that the imports in a source bind, with the top-level module of each."""
    found: dict[str, str] = {}
    try:
        tree = parse_cell(source)
    except (SyntaxError, ValueError, RecursionError):
        return found
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                found[alias.asname or top] = top
        elif isinstance(node, ast.ImportFrom):
            top = (node.module or ".").partition(".")[0]
            found |= {alias.asname or alias.name: top for alias in node.names}
    return found


def _completed(
    uses: Mapping[str, PackageUse], others: Mapping[str, PackageUse], run: Portrait
) -> dict[str, PackageUse]:
    """Add what the other run used here and this one only elsewhere: it was there all the same."""
    found = dict(uses)
    for activity in (run.kernel, *run.executions):
        for name in others.keys() & activity.packages.keys():
            found.setdefault(name, activity.packages[name])
    return found


def _other_provider(ours: dict[str, PackageUse], theirs: dict[str, PackageUse]) -> Iterator[Given]:
    """Yield an interpreter of the same version that another package manager brought."""
    sides = [sorted(name for name, use in uses.items() if use.kind == "interpreter")
             for uses in (ours, theirs)]  # fmt: skip
    if all(sides) and not set(sides[0]) & set(sides[1]):
        yield Given("interpreter", "python", ", ".join(sides[0]), ", ".join(sides[1]),
                    "the version is the same, its build is not")  # fmt: skip


def _first_lines(a: str, b: str) -> tuple[str, str]:
    """Give the first line of each source that the other does not have there."""
    lines = a.splitlines(), b.splitlines()
    for one, other in zip(*lines, strict=False):
        if one != other:
            return one.strip()[:80], other.strip()[:80]
    shorter = min(len(lines[0]), len(lines[1]))
    rest = [side[shorter : shorter + 1] for side in lines]
    return first_line("".join(rest[0])), first_line("".join(rest[1]))


def _shown(parameters: object, name: str) -> str | None:
    import json

    assert isinstance(parameters, dict)
    return json.dumps(parameters[name]) if name in parameters else None
