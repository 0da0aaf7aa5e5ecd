"""Take user names, home directories, host names and secrets out of what leaves a machine.

Each is replaced by the same stand-in everywhere, in names of nodes as in text, so that references
lead where they led before. `Private` gathers what is private from everything that will be written;
a `Redactor` then replaces it. Digests stay: they are of the contents as they were.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from nbrepro.export.extract import Extract
from nbrepro.export.renaming import find_new_names
from nbrepro.export.secrets import find_secrets
from nbrepro.model import Edge, Node, Statement, Value
from nbrepro.vocabulary import footprint_iri

_HOME = re.compile(
    r"(?<![\w.-])(?<![\w.-]/)(/(?:home|Users)/[^/\s\"'\\:;,<>|()]{1,64}|/root)(?![\w.-])"
)
_HOMES = ("/home/", "/Users/", "/root")
_NO_PERSON = frozenset(
    {
        "root", "nobody", "user", "users", "jovyan", "runner", "ubuntu", "debian", "admin",
        "shared", "public", "data", "home", "default", "guest", "all",
    }
)  # fmt: skip
"""Names of accounts that name nobody; below their homes the path is replaced all the same."""
_NO_HOST = frozenset({"localhost", "unknown", "localhost.localdomain", ""})
_DOMAIN = ".example"
_SHORTEST_USER = 3
"""Shorter user names are replaced in the paths of homes only: as words they mean other things."""
_NO_HOMES = frozenset({"/", "/tmp", "/usr", "/var", "/nonexistent", "/opt", "/srv", "/home"})  # noqa: S108

FIXED = frozenset(
    {
        "role", "rule", "kind", "mode", "evidence", "certainty", "status", "engine", "manager",
        "tracer", "uuid", "sha256", "source_digest", "logical_key", "record_digest", "digest",
        "notebook_sha256", "started", "ended", "at", "language", "system", "schema", "state",
        "cell_type", "output_type", "nbformat", "mimetype",
    }
)  # fmt: skip
"""Properties and keys whose values are words of ours or digests: nothing in them is private."""


class Private:
    """What is private, gathered text by text. `kept` are texts that only look like secrets."""

    def __init__(self, kept: Iterable[str] = ()) -> None:
        self.homes: set[str] = set()
        self.hosts: set[str] = set()
        self.secrets: set[str] = set()
        self._kept = frozenset(kept)
        self._seen: set[str] = set()

    def see_text(self, text: str) -> None:
        """Look for home directories and secrets in a text."""
        if any(mark in text for mark in _HOMES):
            self.homes.update(_HOME.findall(text))
        self.secrets.update(found for found in find_secrets(text) if found not in self._kept)

    def see_home(self, path: str) -> None:
        """Note a home directory."""
        path = path.rstrip("/")
        if path.startswith("/") and path not in _NO_HOMES:
            self.homes.add(path)

    def see_host(self, name: str) -> None:
        """Note the name of a machine, and the first part of a longer one."""
        for one in (name, name.partition(".")[0]):
            if one not in _NO_HOST and not one.replace(".", "").isdigit():
                self.hosts.add(one)

    def see_statement(self, statement: Statement) -> None:
        """Look into a node or an edge."""
        properties = statement.properties
        for name, value in properties.items():
            if isinstance(value, str) and name not in FIXED:
                if name == "host":
                    self.see_host(value)
                elif value not in self._seen:
                    self.see_text(value)
        if isinstance(statement, Node) and statement.kind == "Host":
            self.see_host(str(properties.get("name", "")))

    def see_json(self, value: Any, key: str = "") -> None:
        """Look into a value of JSON."""
        if isinstance(value, str):
            if key == "host":
                self.see_host(value)
            elif key not in FIXED:
                self.see_text(f'{key}="{value}"' if key else value)
                self.see_text(value)
        elif isinstance(value, Mapping):
            for name, inner in value.items():
                self.see_json(inner, str(name))
        elif isinstance(value, list | tuple):
            for inner in value:
                self.see_json(inner, key)

    @property
    def users(self) -> set[str]:
        """Give the user names that the homes tell."""
        return {PurePosixPath(home).name for home in self.homes}


class Redactor:
    """Replaces what is private."""

    def __init__(self, private: Private) -> None:
        self._standins: dict[str, tuple[str, str]] = {}
        users = {name: f"user{number}" for number, name in enumerate(sorted(private.users), 1)}
        self._add_homes(private, users)
        for number, secret in enumerate(sorted(private.secrets), 1):
            self._standins.setdefault(secret, ("secrets", f"redacted-secret-{number}"))
        for number, host in enumerate(_grouped(private.hosts), 1):
            for name in host:
                more = name.removeprefix(host[0])
                domain = _DOMAIN if more.startswith(".") else ""
                self._standins.setdefault(name.lower(), ("hosts", f"host{number}{domain}"))
        for name, standin in users.items():
            if len(name) >= _SHORTEST_USER and name.lower() not in _NO_PERSON:
                self._standins.setdefault(name, ("users", standin))
        self._pattern = re.compile(_any_of(self._standins), re.IGNORECASE)

    def _add_homes(self, private: Private, users: Mapping[str, str]) -> None:
        taken: Counter[str] = Counter()
        for home in sorted(private.homes):
            standin = f"/home/{users[PurePosixPath(home).name]}"
            taken[standin] += 1
            again = f"-{taken[standin]}" if taken[standin] > 1 else ""
            self._standins[home] = ("homes", standin + again)

    @property
    def counts(self) -> dict[str, int]:
        """Count what is replaced, by sort: `users`, `homes`, `hosts`, `secrets`."""
        told = {(sort, name.removesuffix(_DOMAIN)) for sort, name in self._standins.values()}
        found = Counter(sort for sort, _ in told)
        return {sort: found[sort] for sort in ("users", "homes", "hosts", "secrets")}

    def text(self, text: str) -> str:
        """Give a text with stand-ins in it."""
        return self._pattern.sub(self._standin, text) if self._standins else text

    def _standin(self, match: re.Match[str]) -> str:
        name = match[0] if match[0] in self._standins else match[0].lower()
        if name not in self._standins:
            # Paths, users and secrets are told apart by case: another case is another thing.
            return match[0]
        return self._standins[name][1]

    def raw(self, content: bytes) -> bytes:
        """Give bytes of any text, a trace's too, with stand-ins in them."""
        text = content.decode("utf-8", "surrogateescape")
        return self.text(text).encode("utf-8", "surrogateescape")

    def value(self, value: Any, key: str = "") -> Any:
        """Give a value of JSON with stand-ins in its texts, and in keys that are paths."""
        if isinstance(value, str):
            return value if key in FIXED else self.text(value)
        if isinstance(value, dict):
            return {
                (self.text(name) if "/" in name else name): self.value(inner, name)
                for name, inner in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.value(inner, key) for inner in value]
        return value

    def statements(self, extract: Extract) -> Iterator[Statement]:
        """Give the nodes and edges of a graph with stand-ins in names and properties; the run's
        node says in `redacted` how many of each sort there are."""
        noted = json.dumps(self.counts)
        names = find_new_names(extract, self.text)

        def name(uid: str) -> str:
            return names.get(uid) or self.text(uid)

        for node in extract.nodes():
            properties = self._properties(node.properties)
            if node.kind == "Run":
                properties["redacted"] = noted
            elif node.kind == "Footprint":
                properties["digest"] = name(node.uid).removeprefix(footprint_iri(""))
            yield Node(name(node.uid), node.kind, properties)
        for edge in extract.edges():
            ends = name(edge.source), name(edge.target)
            properties = self._properties(edge.properties)
            yield Edge(edge.relation, *ends, name(edge.uid), properties)

    def _properties(self, properties: Mapping[str, Value]) -> dict[str, Value]:
        return {
            name: self.text(value) if isinstance(value, str) and name not in FIXED else value
            for name, value in properties.items()
        }


def _grouped(hosts: Iterable[str]) -> list[list[str]]:
    """Put a machine's names together, the short one first."""
    groups: dict[str, list[str]] = {}
    for name in sorted({host.lower() for host in hosts}, key=lambda name: (len(name), name)):
        groups.setdefault(name.partition(".")[0], []).append(name)
    return [group for _, group in sorted(groups.items())]


def _any_of(names: Iterable[str]) -> str:
    """Write a pattern of whole words; the longest that fits comes first."""
    found = []
    for name in sorted(names, key=lambda name: (-len(name), name)):
        before = (
            r"(?<![A-Za-z0-9])" if name[0].isalnum() else r"(?<![\w.-])" if name[0] == "/" else ""
        )
        after = r"(?![A-Za-z0-9])" if name[-1].isalnum() else ""
        found.append(before + re.escape(name) + after)
    return "|".join(found) or r"(?!)"
