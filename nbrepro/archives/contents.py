"""What an archive of a run says it holds: `archive.json`, its first member.

An archive is a tar (ustar) compressed with zstd. After archive.json comes graph.nq, the run's graph
as N-Quads, so that it can be asked without reading further; then the same in other formats, an
RO-Crate's metadata that describes them, and below evidence/ the run directory.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nbrepro.archives.tars import RefusedError
from nbrepro.conformity import find_violation

SCHEMA = "nbrepro-archive/1"
CONTENTS = "archive.json"
GRAPH = "graph.nq"
EVIDENCE = "evidence/"
SUFFIX = ".nbrepro"
MAGIC = b"\x28\xb5\x2f\xfd"
"""How every zstd frame begins (RFC 8878), and so every archive."""

CONTENTS_BYTES = 64 << 20
UNPACKED_BYTES = 64 << 30
"""The most that archive.json, and an archive in all, may unpack to."""

_DEEPEST = 12
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\\]")


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive: its name, its bytes and their digest."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Contents:
    """`archive.json`. `statements` is the number that the store noted of the run; `redacted` how
    many users, homes, hosts and secrets were replaced, None where nothing was."""

    run: str
    uuid: str
    statements: int
    members: tuple[Member, ...]
    redacted: Mapping[str, int] | None = None
    notebook: str = ""
    writer: str = ""
    schema: str = SCHEMA

    def to_json(self) -> bytes:
        """Give the bytes of archive.json."""
        return json.dumps(dataclasses.asdict(self), indent=1, sort_keys=True).encode() + b"\n"


def parse_contents(content: bytes) -> Contents:
    """Parse and check archive.json. Raises RefusedError with the reason."""
    try:
        record = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"{CONTENTS} is not JSON ({error})") from None
    version = record.get("schema") if isinstance(record, dict) else None
    if version is not None and version != SCHEMA:
        raise RefusedError(
            f"its schema {str(version)[:60]!r} is not {SCHEMA!r}: use the version of nbrepro "
            "that wrote it"
        )
    wrong = find_violation(record, "archive.schema.json")
    if wrong is not None:
        raise RefusedError(f"{CONTENTS}: {wrong.path}: {wrong.message[:200]}")
    members = tuple(Member(**member) for member in record["members"])
    check_names(member.name for member in members)
    if not members or members[0].name != GRAPH:
        raise RefusedError(f"{GRAPH} is not its second member")
    check_name(record["run"], deepest=1)
    return Contents(**record | {"members": members})


def check_names(names: Iterable[str]) -> None:
    """Check that names lead nowhere else, and that none is there twice."""
    seen = set()
    for name in names:
        check_name(name)
        if name in seen:
            raise RefusedError(f"{name!r} is there twice")
        seen.add(name)


def check_name(name: str, deepest: int = _DEEPEST) -> None:
    """Check that a name is a path below where it is unpacked. Raises RefusedError."""
    parts = name.split("/")
    if _UNSAFE.search(name) or len(parts) > deepest:
        raise RefusedError(f"{name!r} is no name that a member may have")
    if any(part in ("", ".", "..") for part in parts):
        raise RefusedError(f"{name!r} would lead out of where it is unpacked")
