"""Boundaries written into the trace, and which cell the running thread belongs to.

A mark is an open that cannot succeed: it shows in the trace exactly where the thread that makes
it stands. Work items carry this file's text to other processes, where nbrepro may not be
installed: it imports nothing but what every interpreter has loaded, and stays small.

A wrapper function would show in the user's tracebacks. So the callables here are properties: the
property marks the start and gives the user's own callable, whose release marks the end.
"""

import functools
import os
import sys
from _contextvars import ContextVar
from _thread import _local, get_ident

SOURCE = ""  # the text of this file, set by whoever runs it
STATE = "nbrepro.marks"  # the key under which it is found again, in sys's dictionary
REBUILD = (
    "(__import__('sys').__dict__.get('nbrepro.marks') or "
    "(lambda space: (exec(source, space), space['keep'](space, source, root))[1])"
    "({'__name__': 'nbrepro_marks'}))"
    "['Item'](function, root, cell)"
)
ATTRIBUTE = "_nbrepro_cell"
here = _local()
opened = ContextVar("opened")  # the cell in which an asyncio task was made
_open = os.open
_close = os.close


def keep(space, source, root):
    """Remember this file's names `space` in the running process, and give them."""
    space["SOURCE"] = source
    space["ROOT"] = root
    sys.__dict__[STATE] = space
    return space


def mark(*words):
    """Open a path below the run's own that nobody can have made."""
    try:
        _close(_open(ROOT + "/".join(words), os.O_RDONLY | os.O_CLOEXEC))  # noqa: F821
    except OSError:
        return


def owner():
    """Give the cell (ordinal, id) that the trace attributes this thread to, or None."""
    try:
        return here.cell
    except AttributeError:
        threading = sys.modules.get("threading")
        thread = threading and threading._active.get(get_ident())
        here.cell = getattr(thread, ATTRIBUTE, None)
        return here.cell


class Step:
    """From its making to its release the thread works for `cell`."""

    __slots__ = ("before", "cell")

    def __init__(self, cell):
        self.before = owner()
        self.cell = here.cell = cell
        mark("item", "start", *cell)

    def __del__(self):
        mark("item", "end", *self.cell)
        here.cell = self.before


def stepping(function, cell):
    """Give a callable like `function` that works for `cell` until it is released."""
    if cell is None or cell == owner() or not callable(function):
        return function
    step = functools.partial(function)
    step.step = Step(cell)
    return step


class Item:
    """A work item of `cell`: a callable that any process can load, without importing this."""

    __slots__ = ("cell", "function", "root")

    def __init__(self, function, root, cell):
        self.function = function
        self.root = root
        self.cell = cell

    @property
    def __call__(self):
        return stepping(self.function, self.cell)

    def __reduce__(self):
        names = {"source": SOURCE, "root": self.root, "function": self.function, "cell": self.cell}
        return eval, (REBUILD, names)
