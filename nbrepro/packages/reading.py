"""Read other programs' metadata: whatever is on disk, the answer is text or a reason."""

from __future__ import annotations

import json
import os
import stat
from typing import Any, NamedTuple

LIMIT_BYTES = 64 << 20
"""No package manager's metadata file is larger."""


class Content(NamedTuple):
    """A file's bytes, or none with the reason in words."""

    data: bytes | None
    reason: str = ""

    @property
    def text(self) -> str:
        """Give the content as text that keeps every byte (surrogateescape), empty if unread."""
        return (self.data or b"").decode("utf-8", "surrogateescape")


def read(path: str) -> Content:
    """Read a regular file. Never blocks on a named pipe and never raises."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        return Content(None, getattr(error, "strerror", None) or str(error))
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            return Content(None, "not a regular file")
        if status.st_size > LIMIT_BYTES:
            return Content(None, f"larger than {LIMIT_BYTES} bytes")
        with os.fdopen(handle, "rb", closefd=False) as stream:
            return Content(stream.read(LIMIT_BYTES))
    except OSError as error:
        return Content(None, error.strerror or str(error))
    finally:
        os.close(handle)


def read_json(path: str) -> tuple[dict[str, Any], str]:
    """Read a JSON object: the object (empty if there is none) and the reason."""
    content = read(path)
    if content.data is None:
        return {}, content.reason
    try:
        value = json.loads(content.data)
    except (ValueError, RecursionError) as error:
        return {}, f"not JSON ({error})"
    return (value, "") if isinstance(value, dict) else ({}, "not a JSON object")


def read_headers(text: str) -> dict[str, str]:
    """Read the `Key: value` lines of core metadata up to the first empty line, keys in lower case.

    Of a key that comes twice the first counts, as for importlib.metadata.
    """
    headers: dict[str, str] = {}
    for line in text.split("\n"):
        if not line.strip():
            break
        key, colon, value = line.partition(":")
        if colon and not line[0].isspace():
            headers.setdefault(key.strip().lower(), value.strip())
    return headers
