"""Act on a module right after the notebook imported it, without importing it ourselves."""

import sys


class PostImport:
    """A finder that finds nothing itself: it lets others find, and adds an act to their loader."""

    def __init__(self):
        self.acts = {}

    def after(self, name, act):
        """Call `act(module)` once module `name` is executed, or now if it already is."""
        module = sys.modules.get(name)
        if module is not None:
            act(module)
        else:
            self.acts.setdefault(name, []).append(act)

    def once_after(self, names, act):
        """Call `act()` once: right after the first of the modules `names` is executed."""
        waiting = [act]

        def first(module):
            while waiting:
                waiting.pop()()

        for name in names:
            self.after(name, first)

    def find_spec(self, name, path=None, target=None):
        """Give the spec that the other finders give, for the modules that are waited for."""
        if name not in self.acts:
            return None
        spec = self._others(name, path, target)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            self._prepare(spec.loader, self.acts.pop(name))
        return spec

    def _others(self, name, path, target):
        for finder in sys.meta_path:
            if finder is not self and hasattr(finder, "find_spec"):
                spec = finder.find_spec(name, path, target)
                if spec is not None:
                    return spec
        return None

    def _prepare(self, loader, acts):
        execute = loader.exec_module

        def exec_module(module):
            loader.__dict__.pop("exec_module", None)
            execute(module)
            for act in acts:
                act(module)

        loader.exec_module = exec_module
