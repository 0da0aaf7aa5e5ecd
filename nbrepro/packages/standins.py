"""The other paths whose owner owns a path too: byte-code, links, files of an environment."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from nbrepro.packages.reading import read
from nbrepro.packages.surroundings import Surroundings, parent_of

_BYTECODE = re.compile(
    r"(?P<above>.*/)__pycache__/(?P<stem>[^/]+?)\.(?:cpython|pypy|graalpy)[^/]*\.pyc(?:\.\d+)?\Z",
    re.DOTALL,
)
_ENVIRONMENT_FILE = re.compile(
    r"pyvenv\.cfg|\.gitignore|\.lock|CACHEDIR\.TAG|lib64"
    r"|bin/(?:python|pypy|activate|deactivate|Activate|pydoc\.bat)[^/]*"
    r"|lib/[^/]+/site-packages/(?:__pycache__/)?_virtualenv\.[^/]*"
)


class StandIn(NamedTuple):
    """A path to ask for instead, and the phrase that says why it may stand in."""

    path: str
    why: str


def stand_ins(path: str, surroundings: Surroundings) -> list[StandIn]:
    """Give the paths whose owner owns `path`, the path itself first."""
    found = [StandIn(path, "")]
    real = surroundings.real(path)
    if real != path:
        found.append(StandIn(real, ""))
    byte_codes = [b for stand_in in found if (b := _BYTECODE.match(stand_in.path))]
    found += [StandIn(b["above"] + b["stem"] + ".py", "byte-code of ") for b in byte_codes]
    found += _of_environment(path, surroundings)
    if os.path.islink(path):
        found.append(StandIn(os.path.realpath(path), "link to "))
    return found


def find_source(path: str) -> str:
    """Give the source that byte-code was made of; empty for what is no byte-code."""
    found = _BYTECODE.match(path)
    return f"{found['above']}{found['stem']}.py" if found else ""


def _of_environment(path: str, surroundings: Surroundings) -> Iterator[StandIn]:
    """Let the base interpreter stand in for what `venv` itself put into an environment."""
    prefix = surroundings.nearest(parent_of(path), "pyvenv.cfg")
    if prefix and _ENVIRONMENT_FILE.fullmatch(path[len(prefix) + 1 :]):
        for base in _bases(prefix):
            yield StandIn(base, "virtual environment of ")


def _bases(prefix: str) -> Iterator[str]:
    """Yield where the base interpreter of an environment may be, surest first."""
    lines = read(os.path.join(prefix, "pyvenv.cfg")).text.splitlines()
    settings = {k.strip().lower(): v.strip() for k, _, v in (x.partition("=") for x in lines)}
    named = [settings.get("executable"), settings.get("base-executable")]
    if home := settings.get("home"):
        named += [os.path.join(home, "python3"), os.path.join(home, "python")]
    for candidate in named:
        if candidate and candidate.startswith("/") and "\0" not in candidate:
            yield os.path.realpath(candidate)
