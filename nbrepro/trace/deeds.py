"""Says what a successful call did to which paths, given the caller's working directory.

Choices where a call could be read in two ways:

- An open with O_EXCL or O_TRUNC is a `write` even with O_RDWR: nothing was there to be read.
- `created` is set only where the call proves it: O_CREAT|O_EXCL, O_TMPFILE, mkdir, mknod, link,
  symlink, bind. A plain O_CREAT may have found the file there.
- O_PATH opens no content: no deed.
- A file without a name (O_TMPFILE, or removed while open) keeps the path that the kernel reported,
  with the kind `deleted`; reading it is still a read.
- A hard link is a write that creates `path` (the new name); `target` is the old one.
- A connection in progress counts as one: programs with event loops connect in no other way.
- Where the kernel reported no path, `..` is taken textually, as no trace tells symbolic links.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from nbrepro.model import Mode
from nbrepro.trace.arguments import parse_descriptor, parse_string, split_arguments
from nbrepro.trace.syscalls import Call, Effect


class Deed(NamedTuple):
    """What a call did to one path; the fields are those of Access."""

    mode: Mode
    path: str
    named: str
    target: str = ""
    kind: str = ""
    created: bool = False
    truncated: bool = False


class Unresolved(NamedTuple):
    """A deed whose path is not known, or a call that did nothing to a path, with the reason."""

    reason: str
    mode: Mode | None = None
    named: str = ""


Result = list[Deed | Unresolved]


class Opening(NamedTuple):
    """What the flags of an open ask for; `mode` is None where no content is opened."""

    mode: Mode | None
    kind: str
    created: bool
    truncated: bool


_FLAG = re.compile(r"\bO_[A-Z]+\b")
_PORT = re.compile(r"sin6?_port=htons\((\d+)\)")
_ADDRESS = re.compile(r'inet_(?:addr\(|pton\(AF_INET6, )"([^"]*)"')
_UNIX = re.compile(r'sun_path=(@?)("(?:[^"\\]|\\.)*")')
_FAMILY = re.compile(r"sa_family=(\w+)")
_NODES = {"S_IFIFO": "fifo", "S_IFSOCK": "socket", "S_IFREG": "file"}


@lru_cache(maxsize=4096)
def parse_flags(text: str) -> Opening:
    """Read the flags of an open, wherever they stand in the text."""
    flags = frozenset(_FLAG.findall(text))
    created = "O_TMPFILE" in flags or {"O_CREAT", "O_EXCL"} <= flags
    truncated = "O_TRUNC" in flags
    mode: Mode | None = Mode.READ
    if "O_PATH" in flags or "O_ACCMODE" in flags:
        mode = None
    elif "O_WRONLY" in flags or created or truncated:
        mode = Mode.WRITE
    elif "O_RDWR" in flags:
        mode = Mode.READ_WRITE
    kind = "directory" if "O_DIRECTORY" in flags else ""
    if created:
        kind = "file"
    return Opening(mode, kind, created, truncated)


_CREAT = "O_WRONLY|O_CREAT|O_TRUNC"


def deeds(call: Call, args: str, result: str, cwd: str) -> Result:
    """Give what a successful call did. `cwd` is empty where it is not known."""
    return _DEEDS[call.effect](call, args, result, cwd)


def join_path(directory: str, named: str) -> str:
    """Make a path absolute and plain; two leading slashes are one, unlike in POSIX."""
    path = named if named.startswith("/") else f"{directory}/{named}"
    if "//" in path or "/." in path or path.endswith("/"):
        path = os.path.normpath(path)
        return path[1:] if path.startswith("//") else path
    return path


def _open(call: Call, args: str, result: str, cwd: str) -> Result:
    arguments = split_arguments(args)
    named = _text(arguments, call.path)
    opening = parse_flags(_detail(call, arguments) if call.detail >= 0 else _CREAT)
    if opening.mode is None:
        return [Unresolved("opened as a handle only")]
    opened = parse_descriptor(result)
    if opened is not None:
        return [_opened(opening.mode, opening, named, *opened)]
    path = _path(arguments, call.path, call.directory, cwd)
    if isinstance(path, Unresolved):
        return [path]
    return [Deed(opening.mode, path, named, "", opening.kind, opening.created, opening.truncated)]


def _opened(mode: Mode, opening: Opening, named: str, path: str, deleted: bool) -> Deed:
    kind = "deleted" if deleted else opening.kind
    if not path.startswith("/"):
        # A handle opened anew through /dev/fd: the kernel names it `pipe:[12]`.
        kind = "fifo" if path.startswith("pipe:") else path.partition(":")[0]
        path = named
    return Deed(mode, path, named, "", kind, opening.created, opening.truncated)


def _text(arguments: list[str], position: int) -> str:
    parsed = parse_string(arguments[position]) if 0 <= position < len(arguments) else None
    return parsed[0] if parsed else ""


def _path(arguments: list[str], position: int, directory: int, cwd: str) -> str | Unresolved:
    """Resolve the path at `position` against its descriptor or the working directory."""
    parsed = parse_string(arguments[position]) if 0 <= position < len(arguments) else None
    if parsed is None:
        return Unresolved("path not readable")
    named, cut = parsed
    if cut:
        return Unresolved("path cut short by the tracer")
    if named.startswith("/"):
        return join_path("", named)
    base = cwd
    if directory >= 0:
        descriptor = parse_descriptor(arguments[directory])
        if descriptor is not None:
            base = descriptor[0]
        elif not arguments[directory].startswith("AT_FDCWD"):
            return Unresolved("directory descriptor not known")
    if not base.startswith("/"):
        return Unresolved("working directory not known")
    return join_path(base, named) if named else base


def _on_path(
    call: Call, args: str, cwd: str, make: Callable[[list[str], str, str], Deed]
) -> Result:
    arguments = split_arguments(args)
    path = _path(arguments, call.path, call.directory, cwd)
    if isinstance(path, Unresolved):
        return [path]
    return [make(arguments, path, _text(arguments, call.path))]


def _detail(call: Call, arguments: list[str]) -> str:
    return arguments[call.detail] if 0 <= call.detail < len(arguments) else ""


def _execute(call: Call, args: str, result: str, cwd: str) -> Result:
    arguments = split_arguments(args)
    path, named = _path(arguments, call.path, call.directory, cwd), _text(arguments, call.path)
    if isinstance(path, Unresolved):
        return [path._replace(mode=Mode.EXECUTE, named=named)]
    return [Deed(Mode.EXECUTE, path, named)]


def _remove(call: Call, args: str, result: str, cwd: str) -> Result:
    def make(arguments: list[str], path: str, named: str) -> Deed:
        kind = "directory" if "AT_REMOVEDIR" in _detail(call, arguments) else call.kind
        return Deed(Mode.REMOVE, path, named, kind=kind)

    return _on_path(call, args, cwd, make)


def _directory(call: Call, args: str, result: str, cwd: str) -> Result:
    def make(arguments: list[str], path: str, named: str) -> Deed:
        return Deed(Mode.WRITE, path, named, kind=call.kind, created=True)

    return _on_path(call, args, cwd, make)


def _node(call: Call, args: str, result: str, cwd: str) -> Result:
    def make(arguments: list[str], path: str, named: str) -> Deed:
        kind = _NODES.get(_detail(call, arguments).partition("|")[0], "")
        return Deed(Mode.WRITE, path, named, kind=kind, created=True)

    return _on_path(call, args, cwd, make)


def _truncate(call: Call, args: str, result: str, cwd: str) -> Result:
    def make(arguments: list[str], path: str, named: str) -> Deed:
        emptied = _detail(call, arguments) == "0"
        return Deed(Mode.WRITE, path, named, kind=call.kind, truncated=emptied)

    return _on_path(call, args, cwd, make)


def _rename(call: Call, args: str, result: str, cwd: str) -> Result:
    arguments = split_arguments(args)
    old = _path(arguments, call.path, call.directory, cwd)
    new = _path(arguments, call.target, call.target_directory, cwd)
    if isinstance(old, Unresolved):
        return [old]
    if isinstance(new, Unresolved):
        return [new]
    named = _text(arguments, call.path)
    there = Deed(Mode.RENAME, old, named, target=new)
    if "RENAME_EXCHANGE" in _detail(call, arguments):
        return [there, Deed(Mode.RENAME, new, _text(arguments, call.target), target=old)]
    return [there]


def _link(call: Call, args: str, result: str, cwd: str) -> Result:
    def make(arguments: list[str], path: str, named: str) -> Deed:
        old = _path(arguments, call.target, call.target_directory, cwd)
        target = "" if isinstance(old, Unresolved) else old
        return Deed(Mode.WRITE, path, named, target=target, created=True)

    return _on_path(call, args, cwd, make)


def _symlink(call: Call, args: str, result: str, cwd: str) -> Result:
    def make(arguments: list[str], path: str, named: str) -> Deed:
        target = _text(arguments, call.target)
        return Deed(Mode.WRITE, path, named, target=target, kind="symlink", created=True)

    return _on_path(call, args, cwd, make)


def _connect(call: Call, args: str, result: str, cwd: str) -> Result:
    port, address = _PORT.search(args), _ADDRESS.search(args)
    if port and address:
        kind = "inet6" if "sa_family=AF_INET6" in args else "inet"
        return [Deed(Mode.CONNECT, address[1], address[1], target=port[1], kind=kind)]
    return _unix(Mode.CONNECT, "unix", args, cwd)


def _bind(call: Call, args: str, result: str, cwd: str) -> Result:
    made = _unix(Mode.WRITE, "socket", args, cwd)
    if isinstance(made[0], Deed) and made[0].path.startswith("@"):
        return [Unresolved("bound to an abstract socket")]
    return made


def _unix(mode: Mode, kind: str, args: str, cwd: str) -> Result:
    match = _UNIX.search(args)
    if match is None:
        family = _FAMILY.search(args)
        return [Unresolved(f"address of {family[1] if family else 'unknown family'}")]
    if match[1]:
        name = f"@{_text([match[2]], 0)}"
        return [Deed(mode, name, name, kind=kind)]
    path = _path([match[2]], 0, -1, cwd)
    if isinstance(path, Unresolved):
        return [path]
    return [Deed(mode, path, _text([match[2]], 0), kind=kind, created=mode is Mode.WRITE)]


def _nothing(call: Call, args: str, result: str, cwd: str) -> Result:
    return []


def moved(call: Call, args: str, cwd: str) -> str | Unresolved:
    """Give the working directory after a successful chdir or fchdir."""
    arguments = split_arguments(args)
    if call.path >= 0:
        return _path(arguments, call.path, -1, cwd)
    descriptor = parse_descriptor(arguments[call.directory]) if arguments else None
    return descriptor[0] if descriptor else Unresolved("directory descriptor not known")


_DEEDS: dict[Effect, Callable[[Call, str, str, str], Result]] = {
    Effect.OPEN: _open,
    Effect.EXECUTE: _execute,
    Effect.RENAME: _rename,
    Effect.LINK: _link,
    Effect.SYMLINK: _symlink,
    Effect.REMOVE: _remove,
    Effect.DIRECTORY: _directory,
    Effect.NODE: _node,
    Effect.TRUNCATE: _truncate,
    Effect.CONNECT: _connect,
    Effect.BIND: _bind,
    Effect.MOVE: _nothing,
    Effect.CLONE: _nothing,
}
