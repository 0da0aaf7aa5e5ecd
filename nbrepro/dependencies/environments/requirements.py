"""requirements.txt: exact versions, and hashes where the archives' digests are known.

What lies on disk after an installation is not the archive, and its RECORD holds digests of files:
pip's `--hash` wants the archive's. pip refuses a file in which only some requirements have hashes,
so either all do or none, and what is known is then a comment.
"""

from __future__ import annotations

from collections.abc import Iterator

from nbrepro.dependencies.environments.contents import (
    Contents,
    comments,
    doubts,
    is_remote,
    left_out,
    to_requirement,
)
from nbrepro.dependencies.sets import Dependency


def to_requirements(contents: Contents) -> str:
    """Write the distributions of pip as requirements.txt."""
    hashed = bool(contents.pip) and all(
        contents.archive_hashes(m) and not is_remote(m) for m in contents.pip
    )
    lines = [
        *comments([contents.title, _about_hashes(contents, hashed)]),
        *comments(left_out(contents, "pip")),
    ]
    for member in contents.pip:
        lines += _lines(contents, member, hashed)
    return "\n".join(lines) + "\n"


def _about_hashes(contents: Contents, hashed: bool) -> str:
    if hashed:
        return "hashes are those of the archives"
    known = sum(bool(contents.archive_hashes(member)) for member in contents.pip)
    return (
        f"archives' digests are known of {known} of {len(contents.pip)}: pip takes hashes of all "
        "or none; 'record' is the digest of what was installed, not of an archive"
    )


def _lines(contents: Contents, member: Dependency, hashed: bool) -> Iterator[str]:
    notes = [doubts(member)]
    hashes = contents.archive_hashes(member)
    if not hashed:
        notes += [f"archive {digest}" for digest in hashes]
        notes += [f"record sha256:{member.digest}"] if member.digest else []
    yield from (f"    {line}" for line in comments(filter(None, notes)))
    if not hashed:
        yield to_requirement(member)
        return
    options = [f"    --hash={digest}" for digest in hashes]
    yield " \\\n".join([to_requirement(member), *options])
