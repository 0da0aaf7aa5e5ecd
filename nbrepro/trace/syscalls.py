"""The system calls that are traced, as data: what each does, and which argument is what.

`TRACED` is the narrow set that is asked of the tracer: calls that open, execute, create, rename,
link, remove, change directory, connect or fork. Argument positions are those of the Linux manual,
section 2. Traces made with a wider set may hold other calls; those are counted, not interpreted.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Effect(StrEnum):
    """What a successful call does."""

    OPEN = "open"
    EXECUTE = "execute"
    RENAME = "rename"
    LINK = "link"
    SYMLINK = "symlink"
    REMOVE = "remove"
    DIRECTORY = "directory"
    NODE = "node"
    TRUNCATE = "truncate"
    MOVE = "move"
    CONNECT = "connect"
    BIND = "bind"
    CLONE = "clone"


class Call(NamedTuple):
    """One system call: its effect and the positions of its arguments (-1: it has none).

    `directory` is the descriptor that `path` is relative to; `target` and `target_directory` are
    the second path of a rename or link; `detail` holds the flags, the mode or the length. `kind` is
    what the call is bound to act on.
    """

    effect: Effect
    path: int = -1
    directory: int = -1
    target: int = -1
    target_directory: int = -1
    detail: int = -1
    kind: str = ""


CALLS: dict[str, Call] = {
    "open": Call(Effect.OPEN, path=0, detail=1),
    "openat": Call(Effect.OPEN, path=1, directory=0, detail=2),
    "openat2": Call(Effect.OPEN, path=1, directory=0, detail=2),
    "creat": Call(Effect.OPEN, path=0),
    "execve": Call(Effect.EXECUTE, path=0),
    "execveat": Call(Effect.EXECUTE, path=1, directory=0, detail=4),
    "rename": Call(Effect.RENAME, path=0, target=1),
    "renameat": Call(Effect.RENAME, path=1, directory=0, target=3, target_directory=2),
    "renameat2": Call(Effect.RENAME, path=1, directory=0, target=3, target_directory=2, detail=4),
    "link": Call(Effect.LINK, path=1, target=0),
    "linkat": Call(Effect.LINK, path=3, directory=2, target=1, target_directory=0, detail=4),
    "symlink": Call(Effect.SYMLINK, path=1, target=0),
    "symlinkat": Call(Effect.SYMLINK, path=2, directory=1, target=0),
    "unlink": Call(Effect.REMOVE, path=0),
    "unlinkat": Call(Effect.REMOVE, path=1, directory=0, detail=2),
    "rmdir": Call(Effect.REMOVE, path=0, kind="directory"),
    "mkdir": Call(Effect.DIRECTORY, path=0, kind="directory"),
    "mkdirat": Call(Effect.DIRECTORY, path=1, directory=0, kind="directory"),
    "mknod": Call(Effect.NODE, path=0, detail=1),
    "mknodat": Call(Effect.NODE, path=1, directory=0, detail=2),
    "truncate": Call(Effect.TRUNCATE, path=0, detail=1, kind="file"),
    "chdir": Call(Effect.MOVE, path=0),
    "fchdir": Call(Effect.MOVE, directory=0),
    "connect": Call(Effect.CONNECT, path=1),
    "bind": Call(Effect.BIND, path=1),
    "clone": Call(Effect.CLONE),
    "clone3": Call(Effect.CLONE),
    "fork": Call(Effect.CLONE),
    "vfork": Call(Effect.CLONE),
}

TRACED: tuple[str, ...] = tuple(CALLS)
"""The calls to name on the tracer's command line."""

CLONES = frozenset(name for name, call in CALLS.items() if call.effect is Effect.CLONE)
OPENS = frozenset(name for name, call in CALLS.items() if call.effect is Effect.OPEN)
