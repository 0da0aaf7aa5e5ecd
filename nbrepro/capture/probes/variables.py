"""The kernel's view of a cell: which names it bound, and which objects and states it changed.

One line of JSON an execution, in `variables.jsonl` beside the log of submits; see
schemas/variables.schema.json. It is bounded in time, and says what it did not see.
"""

import os
import sys
import time

_LEAST_NS, _MOST_NS, _SHARE = 10_000_000, 100_000_000, 0.01
_IGNORED = frozenset(("In", "Out", "_", "__", "___", "_ih", "_oh", "_dh", "_i", "_ii", "_iii"))


class View:
    """Looks at a kernel's names after every execution, and logs what is not as it was."""

    def __init__(self, log, reach):
        self.path = os.path.join(os.path.dirname(log), "variables.jsonl")
        self.reach = reach
        self.process = os.getpid()
        self.began = time.perf_counter_ns()
        self.known = {}
        self.states = {}
        self.watched = []
        self.groups = []

    def start(self):
        """Note that an execution starts."""
        self.began = time.perf_counter_ns()

    def end(self, shell, execution):
        """Look at the names of `shell` after an execution; whatever fails, the notebook goes on."""
        gc = self.reach["gc"]
        if os.getpid() != self.process:
            return
        collects = gc.isenabled()
        gc.disable()
        try:
            now = time.perf_counter_ns()
            share = max(_LEAST_NS, min(_MOST_NS, int((now - self.began) * _SHARE)))
            record = self._look(shell, now + share)
            record["execution"] = execution
            record["took_ns"] = time.perf_counter_ns() - now
            self._write(record)
        except (Exception, KeyboardInterrupt) as error:
            self._write({"execution": execution, "failed": type(error).__name__})
            self.known = {}
        finally:
            if collects:
                gc.enable()

    def _look(self, shell, deadline):
        space = shell.user_ns
        before, after, owners = self.known, {}, {}
        record = {"bound": {}, "changed": {}, "unknown": {}, "groups": []}
        names = [name for name in list(space) if self._counts(name, space, shell.user_ns_hidden)]
        # The cheapest first, so that one large object does not hide all others.
        names.sort(key=lambda name: before[name][3] if name in before else 0)
        for name in names:
            after[name] = self._look_at(name, space, deadline, owners)
            self._compare(name, before.get(name), after[name], record)
        record["deleted"] = [name for name in before if name not in after]
        groups = sorted(sorted(group) for group in _groups(owners))
        record["groups"] = groups if groups != self.groups else None
        record["states"], watched = self._look_at_states(space, deadline)
        record["watched"] = watched if watched != self.watched else None
        self.watched = watched
        self.known, self.groups = after, groups
        return record

    def _counts(self, name, space, hidden):
        if type(name) is not str or name in _IGNORED or (name[:2] == "_i" and name[2:].isdigit()):
            return False
        return (
            not (name[:1] == "_" and name[1:].isdigit())
            and hidden.get(name, self) is not space[name]
        )

    def _look_at(self, name, space, deadline, owners):
        """Give what a name is: its object, the number of all it reaches, what was not seen."""
        value = space[name]
        began = time.perf_counter_ns()
        half = began + max(0, deadline - began) // 2
        look = self.reach["Reach"](space, half)
        try:
            number = look.walk(value)
        except Exception as error:
            number, look.reason = 0, "failed " + type(error).__name__
        for one in look.shared[:1000]:
            owners.setdefault(one, []).append(name)
        cost = time.perf_counter_ns() - began
        kind = look.name_of(type(value))
        return (id(value), number, look.reason, cost, look.code, kind)

    def _compare(self, name, before, after, record):
        told = {"type": after[5]}
        if after[4]:
            told["code"] = True
        if after[2]:
            told["unseen"] = after[2]
        if before is None or before[0] != after[0]:
            record["bound"][name] = told
        elif before[1] != after[1] and (
            not (before[2] or after[2]) or before[2] == after[2] != "time"
        ):
            record["changed"][name] = told
        elif before[2] or after[2]:
            record["unknown"][name] = after[2] or before[2]

    def _look_at_states(self, space, deadline):
        changed, watched = [], []
        for name, (module, read) in _STATES.items():
            module = sys.modules.get(module)
            if module is None:
                continue
            try:
                look = self.reach["Reach"](space, deadline + _LEAST_NS)
                number = look.walk(read(module))
            except Exception:  # noqa: S112 (a library of another version)
                continue
            if look.reason:
                continue
            watched.append(name)
            if self.states.get(name, number) != number:
                changed.append(name)
            self.states[name] = number
        return changed, watched

    def _write(self, record):
        import json

        line = json.dumps({key: value for key, value in record.items() if value not in (None, {})})
        try:
            target = os.open(
                self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644
            )
        except OSError:
            return
        try:
            os.write(target, line.encode("ascii") + b"\n")
        finally:
            os.close(target)


def _groups(owners):
    """Join names that reach the same objects."""
    leader = {}

    def find(name):
        while leader.setdefault(name, name) != name:
            name = leader[name]
        return name

    for names in owners.values():
        for other in names[1:]:
            leader[find(other)] = find(names[0])
    groups = {}
    for name in leader:
        groups.setdefault(find(name), set()).add(name)
    return [group for group in groups.values() if len(group) > 1]


def _settings(module):
    """Give matplotlib's settings, without what plotting itself sets; objects by identity."""
    return [
        value if type(value) in (str, int, float, bool, list, tuple, type(None)) else id(value)
        for key, value in dict.items(module.rcParams)
        if not key.startswith(("backend", "interactive"))
    ]


def _figures(module):
    """Give the open figures where there are none; what is drawn into others is not seen."""
    if module.Gcf.figs:
        raise LookupError("open")
    return 0


_CONTEXT = ("prec", "rounding", "capitals", "clamp", "Emin", "Emax")
_STATES = {
    "random": ("random", lambda module: module._inst),
    "numpy.random": ("numpy.random.mtrand", lambda module: module._rand),
    "matplotlib": ("matplotlib", _settings),
    "figures": ("matplotlib._pylab_helpers", _figures),
    "warnings": ("warnings", lambda module: module.filters),
    "environ": ("os", lambda module: module.environ._data),
    "cwd": ("os", lambda module: module.getcwd()),
    "sys": ("sys", lambda module: [module.path, module.getrecursionlimit()]),
    "pandas": ("pandas._config.config", lambda module: module._global_config),
    "numpy": ("numpy", lambda module: [module.get_printoptions(), module.geterr()]),
    "logging": ("logging", lambda module: [module.root.level, len(module.root.handlers),
                                           module.root.manager.disable]),
    "locale": ("_locale", lambda module: module.setlocale(6, None)),
    "decimal": ("decimal", lambda module: [*map(module.getcontext().__getattribute__, _CONTEXT)]),
}  # fmt: skip
"""How each state is read: the module that has it, if that is loaded, and what of it."""
