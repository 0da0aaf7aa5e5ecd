"""An asyncio task made in one cell may be resumed in another: credit each step to its maker."""

from types import MethodType


def install(marks, imports):
    """Have the steps of every event loop of the standard library marked."""
    imports.after("asyncio.events", lambda module: observe(module.Handle, marks))


def observe(handle, marks):
    """Mark around a step whose context comes from another cell than the thread works for.

    The loop looks `_run` up and calls what it gets at once, so a property sees every step without
    a frame of its own. A loop with handles of its own (uvloop) is left alone.
    """
    run = handle._run
    opened, owner, stepping = marks["opened"], marks["owner"], marks["stepping"]

    def looked_up(self):
        cell = self._context.get(opened)
        if cell is None or cell == owner():
            return MethodType(run, self)
        return stepping(MethodType(run, self), cell)

    handle._run = property(looked_up)
