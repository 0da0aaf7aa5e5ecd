"""Describe what executions read of the environment: one node for each name and value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from nbrepro.model import Owner, Statement
from nbrepro.provenance.identity import digest_of, filled
from nbrepro.provenance.scribe import Scribe
from nbrepro.rundir import EnvironmentRead
from nbrepro.vocabulary import to_text


def settings(scribe: Scribe) -> Iterator[Statement]:
    """Describe the settings, and who read them: of each execution the first read of a name.

    A kernel asks for a hundred names as it starts: those that are unset are left to the log.
    """
    names: dict[tuple[str, str, str], str] = {}
    told: set[tuple[int, str]] = set()
    roots = scribe.facts.manifest.roots
    for read in scribe.facts.environment:
        if (read.execution, read.name) in told or not (read.execution or read.state != "unset"):
            continue
        told.add((read.execution, read.name))
        key = (read.name, read.state, read.value)
        if key not in names:
            names[key] = f"setting/{len(names) + 1}"
            yield _setting(scribe, names[key], read, roots)
        yield scribe.plain("used", scribe.activity(Owner(read.execution)), names[key])


def _setting(
    scribe: Scribe, name: str, read: EnvironmentRead, roots: Mapping[str, str]
) -> Statement:
    return scribe.node(
        "Setting",
        name,
        name=to_text(read.name),
        state=read.state,
        **filled(
            value=to_text(read.value),
            relative_value=to_text(relative_value(read.value, roots)),
        ),
        logical_key=digest_of(["setting", to_text(read.name)]),
    )


def relative_value(value: str, roots: Mapping[str, str]) -> str:
    """Name the roots in a value, `{home}/bin:/usr/bin`, so that it compares across machines."""
    for name, root in sorted(roots.items(), key=lambda r: (-len(r[1]), r[0])):
        if len(root) > 1 and root in value:
            found = rf"(?<![\w.-]){re.escape(root.rstrip('/'))}(?![\w.-])"
            value = re.sub(found, lambda _, name=name: f"{{{name}}}", value)  # type: ignore[misc]
    return value
