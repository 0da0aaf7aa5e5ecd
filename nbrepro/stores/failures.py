"""Say in one sentence why the embedded store failed, and what to do about it."""

from __future__ import annotations

import errno
from pathlib import Path

from nbrepro.errors import StoreError

_ADVICE = (
    ("No space left", "free some disk space and do it again"),
    ("Permission denied", "check who owns it, or choose another with --store"),
    ("orruption", "move it away and rebuild it from the run directories with `nbrepro ingest`"),
)
_OTHERWISE = "check the disk, or move it away and rebuild it with `nbrepro ingest`"


def explain_failure(path: Path, error: OSError | RuntimeError, what: str) -> StoreError:
    """Make a StoreError: `what` could not be done (`read`, `written`) with the store at a path."""
    reason = str(error).strip().rstrip(".")
    if isinstance(error, OSError):
        reason = error.strerror or reason
        if error.errno == errno.EDQUOT:
            reason = f"No space left for this user: {reason}"
    advice = next((advice for word, advice in _ADVICE if word in reason), _OTHERWISE)
    return StoreError(f"{path}: the store cannot be {what} ({reason}); {advice}")
