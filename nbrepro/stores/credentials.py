"""The user and password of a store's server: from the environment or a file, never from a URL."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from nbrepro.errors import StoreError

USER = "NBREPRO_STORE_USER"
PASSWORD = "NBREPRO_STORE_PASSWORD"  # noqa: S105 - the name of a variable
FILE = "NBREPRO_STORE_CREDENTIALS"

_OF_OTHERS = 0o077


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who asks a server; the password is in no text made of it."""

    user: str
    password: str = field(repr=False)


def find_credentials() -> Credentials | None:
    """Find the credentials: NBREPRO_STORE_USER with NBREPRO_STORE_PASSWORD, or the file that
    NBREPRO_STORE_CREDENTIALS names, the user on its first line and the password on its second.

    Raises StoreError for half of them, or a file that others may read.
    """
    user, password = os.environ.get(USER), os.environ.get(PASSWORD)
    if user is not None and password is not None:
        return Credentials(user, password)
    if (user is None) != (password is None):
        missing = PASSWORD if password is None else USER
        raise StoreError(f"{missing} is not set; a store's server needs a user and a password")
    path = os.environ.get(FILE)
    return _read(Path(path)) if path else None


def _read(path: Path) -> Credentials:
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            lines = file.read(4096).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise StoreError(
            f"{path}: the credentials cannot be read ({reason}); mend what {FILE} names"
        ) from None
    if mode & _OF_OTHERS:
        raise StoreError(f"{path}: others may read these credentials; run: chmod 600 {path}")
    if len(lines) < 2 or not lines[0]:
        raise StoreError(f"{path}: write the user on the first line and the password on the second")
    return Credentials(lines[0], lines[1])


def check_no_credentials(url: str) -> None:
    """Check that a URL carries no user and password: it would be shown and kept.

    Raises StoreError, which does not repeat them.
    """
    parts = urlsplit(url)
    if "@" in parts.netloc:
        host = parts.netloc.rpartition("@")[2]
        raise StoreError(
            f"{parts.scheme}://{host}: a user and password do not belong into a store's URL; "
            f"give them in {USER} and {PASSWORD}"
        )
