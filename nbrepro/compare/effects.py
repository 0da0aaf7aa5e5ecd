"""What two executions of a cell did that differs: outputs, status, files."""

from __future__ import annotations

from collections.abc import Iterator

from nbrepro.compare.values import Activity, Effect, FileUse

_GONE = "(none)"


def effects_of(a: Activity, b: Activity) -> Iterator[Effect]:
    """Yield them; what is known of one side only is no difference."""
    if a.outputs and b.outputs and a.outputs != b.outputs:
        yield Effect(a.position, "outputs", "outputs", _digest(a.outputs), _digest(b.outputs))
    one, other = _status(a), _status(b)
    if one != other:
        yield Effect(a.position, "status", "status", one, other)
    for key in sorted(a.made.keys() | b.made.keys()):
        left, right = a.made.get(key), b.made.get(key)
        if left is None or right is None or _differ(left, right):
            yield Effect(a.position, "file", key, _content(left), _content(right))


def _status(activity: Activity) -> str:
    return f"{activity.status}: {activity.error}" if activity.error else activity.status


def _differ(one: FileUse, other: FileUse) -> bool:
    return bool(one.sha256 and other.sha256 and one.sha256 != other.sha256)


def _content(use: FileUse | None) -> str:
    if use is None:
        return _GONE
    return _digest(use.sha256) if use.sha256 else use.reason or "unknown"


def _digest(sha256: str) -> str:
    return f"sha256 {sha256[:12]}"
