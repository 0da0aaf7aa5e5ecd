"""What a program or library asks the dynamic loader for, and where the loader finds it (ld.so(8)).

A trace does not show the loader itself, which the kernel opens, nor the interpreter of a script.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSegment, DynamicTag
from elftools.elf.elffile import ELFFile
from elftools.elf.segments import InterpSegment

LOADER_CACHE = "/etc/ld.so.cache"
_DEFAULT = ("/lib64", "/usr/lib64", "/lib", "/usr/lib")
_CACHED = re.compile(r"^\s*(\S+) \(([^)]*)\) => (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Needs:
    """What one ELF file asks for: its loader, the sonames it needs, directories to search."""

    interpreter: str = ""
    libraries: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()


def read_needs(path: str) -> Needs | None:
    """Read what an ELF file asks for; None for other files and for broken ones."""
    try:
        with Path(path).open("rb") as stream:
            if stream.read(4) != b"\x7fELF":
                return None
            stream.seek(0)
            return _needs_of(ELFFile(stream), path)
    except (ELFError, OSError, ValueError, KeyError, UnicodeError):
        return None


def _needs_of(elf: ELFFile, path: str) -> Needs:
    interpreter, libraries, directories = "", [], []
    for segment in elf.iter_segments():
        if isinstance(segment, InterpSegment):
            interpreter = segment.get_interp_name()
        elif isinstance(segment, DynamicSegment):
            for tag in segment.iter_tags():
                if tag.entry.d_tag == "DT_NEEDED":
                    libraries.append(_text(tag))
                elif tag.entry.d_tag in ("DT_RPATH", "DT_RUNPATH"):
                    text = _text(tag)
                    directories += [_expand(word, path) for word in text.split(":") if word]
    return Needs(interpreter, tuple(libraries), tuple(directories))


def _text(tag: DynamicTag) -> str:
    # The library gives each kind of tag an attribute of the kind's name.
    text: str = getattr(tag, tag.entry.d_tag[3:].lower())
    return text


def _expand(directory: str, path: str) -> str:
    origin = os.path.dirname(os.path.realpath(path))  # noqa: PTH120 (text by the thousand)
    return directory.replace("${ORIGIN}", origin).replace("$ORIGIN", origin)


def find_library(name: str, needs: Needs) -> str | None:
    """Find where the loader takes a needed library from; None where it is in none of its places."""
    if "/" in name:
        return name if Path(name).exists() else None
    for directory in needs.directories:
        if Path(directory, name).exists():
            return f"{directory.rstrip('/')}/{name}"
    cached = _loader_cache().get(name)
    if cached:
        return cached
    return next((f"{d}/{name}" for d in _DEFAULT if Path(d, name).exists()), None)


@functools.cache
def _loader_cache() -> dict[str, str]:
    program = shutil.which("ldconfig") or shutil.which("ldconfig", path="/sbin:/usr/sbin")
    if not program:
        return {}
    done = subprocess.run([program, "-p"], capture_output=True, text=True, check=False, timeout=30)
    wanted = "x86-64" if os.uname().machine == "x86_64" else ""
    found: dict[str, str] = {}
    for name, kind, path in _CACHED.findall(done.stdout):
        if wanted in kind:
            found.setdefault(name, path)
    return found


def find_interpreters(path: str) -> Iterator[str]:
    """Yield the programs that the first line of an executable script names."""
    try:
        with Path(path).open("rb") as stream:
            first = stream.readline(256)
    except OSError:
        return
    if not first.startswith(b"#!"):
        return
    try:
        words = shlex.split(os.fsdecode(first[2:].strip()))
    except ValueError:
        return
    yield from words[:1]
    if len(words) > 1 and words[0].endswith("/env"):
        found = next((shutil.which(w) for w in words[1:] if w[0] != "-" and "=" not in w), None)
        if found:
            yield found
