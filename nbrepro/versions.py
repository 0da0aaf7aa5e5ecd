"""Tell the versions of each file apart, and find the content of each.

Walks the touches of every path in order of time: the first read of a file that the run did not
make gives its initial version, a cell that writes makes one new version (as it leaves the file),
removing ends a version, renaming carries it over. A version's content is what a sighting saw while
that version was the current one; where nobody looked in time, the version says why.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from nbrepro.model import FileVersion, Mode, Owner, Sighting, Touch

_FOREVER = 1 << 63
_UNDIGESTED_KINDS = {
    "directory": "a directory",
    "fifo": "a named pipe",
    "socket": "a socket",
    "device": "a device",
    "symlink": "a symbolic link",
}


class VersionedTouch(NamedTuple):
    """A touch with the versions it took and left (None where it did neither)."""

    touch: Touch
    used: FileVersion | None = None
    generated: FileVersion | None = None
    invalidated: FileVersion | None = None


@dataclass(slots=True)
class _Draft:
    """A version while its end is not known yet."""

    number: int
    path: str
    kind: str
    maker: Owner | None
    read_ns: int
    written_ns: int
    until_ns: int = _FOREVER
    ended_by: str = ""
    revision_of: int = 0
    derived_from: int = 0


class _Planned(NamedTuple):
    touch: Touch
    used: _Draft | None
    generated: _Draft | None
    invalidated: _Draft | None


class Versions:
    """Assigns versions to the touches of one run on one host; `first` is the first number."""

    def __init__(self, sightings: Iterable[Sighting], first: int = 1) -> None:
        self._first = first
        self._sightings: dict[str, list[Sighting]] = defaultdict(list)
        for sighting in sightings:
            self._sightings[sighting.path].append(sighting)
        self._current: dict[str, _Draft] = {}
        self._last: dict[str, int] = {}
        self._ended: dict[str, int] = {}  # when a path was last removed or renamed
        self._drafts: list[_Draft] = []
        self._heirs: dict[int, list[_Draft]] = defaultdict(list)

    def assign(self, touches: Sequence[Touch]) -> list[VersionedTouch]:
        """Give each touch, in order of time, the versions it used, generated and invalidated.

        Call it once. `next_number` tells afterwards which number is free.
        """
        planned = [self._plan(touch) for touch in touches]
        for draft in self._drafts:
            if draft.derived_from:
                self._heirs[draft.derived_from].append(draft)
        finished = [self._finish(draft) for draft in self._drafts]

        def pick(draft: _Draft | None) -> FileVersion | None:
            return finished[draft.number - self._first] if draft else None

        return [
            VersionedTouch(p.touch, pick(p.used), pick(p.generated), pick(p.invalidated))
            for p in _once_generated(planned)
        ]

    @property
    def next_number(self) -> int:
        """Give the number of the next version."""
        return self._first + len(self._drafts)

    # -- timeline --

    def _plan(self, touch: Touch) -> _Planned:
        match touch.mode:
            case Mode.WRITE:
                return _Planned(touch, None, self._write(touch), None)
            case Mode.READ_WRITE:
                used = self._existing(touch)
                return _Planned(touch, used, self._write(touch), None)
            case Mode.REMOVE:
                return _Planned(touch, None, None, self._end(touch, "removed"))
            case Mode.RENAME:
                return self._rename(touch)
            case _:
                return _Planned(touch, self._existing_or_initial(touch), None, None)

    def _draft(self, touch: Touch, path: str, maker: Owner | None) -> _Draft:
        draft = _Draft(
            number=self.next_number,
            path=path,
            kind=touch.kind,
            maker=maker,
            read_ns=touch.at_ns,
            written_ns=touch.last_ns if maker is not None else 0,
            revision_of=self._last.get(path, 0),
        )
        self._drafts.append(draft)
        self._current[path] = draft
        self._last[path] = draft.number
        return draft

    def _existing_or_initial(self, touch: Touch) -> _Draft:
        return self._current.get(touch.path) or self._draft(touch, touch.path, None)

    def _existing(self, touch: Touch) -> _Draft | None:
        """Find the version before a read-write; none where the file may not have existed."""
        current = self._current.get(touch.path)
        if current or touch.created or not self._seen_before(touch.path, touch.at_ns):
            return current
        return self._draft(touch, touch.path, None)

    def _seen_before(self, path: str, at_ns: int) -> bool:
        since = self._ended.get(path, -1)
        before = [s for s in self._sightings.get(path, ()) if since < s.at_ns <= at_ns]
        return bool(before) and before[-1].kind != "missing"

    def _write(self, touch: Touch) -> _Draft:
        current = self._current.get(touch.path)
        if current and (current.maker == touch.owner or _delivers(touch, current.maker)):
            current.written_ns = max(current.written_ns, touch.last_ns)
            current.kind = current.kind or touch.kind
            return current
        if current:
            current.until_ns, current.ended_by = touch.at_ns, "overwritten"
        return self._draft(touch, touch.path, touch.owner)

    def _end(self, touch: Touch, how: str) -> _Draft:
        current = self._existing_or_initial(touch)
        current.until_ns, current.ended_by = touch.last_ns, how
        current.kind = current.kind or touch.kind
        del self._current[touch.path]
        self._ended[touch.path] = touch.last_ns
        return current

    def _rename(self, touch: Touch) -> _Planned:
        below = touch.path.rstrip("/") + "/"
        for path in [p for p in self._current if p.startswith(below)]:
            self._carry(touch, path, touch.target.rstrip("/") + "/" + path[len(below) :])
        ended = self._end(touch, "renamed")
        replaced = self._current.get(touch.target)
        if replaced:
            replaced.until_ns, replaced.ended_by = touch.at_ns, "replaced"
        made = self._draft(touch, touch.target, touch.owner)
        made.derived_from, made.kind = ended.number, ended.kind
        return _Planned(touch, None, made, ended)

    def _carry(self, touch: Touch, path: str, new: str) -> None:
        """Move a version below a renamed directory to its new name."""
        old = self._current.pop(path)
        old.until_ns, old.ended_by = touch.at_ns, "renamed"
        made = self._draft(touch, new, touch.owner)
        made.derived_from, made.kind = old.number, old.kind

    # -- content --

    def _finish(self, draft: _Draft) -> FileVersion:
        sighting = self._content(draft)
        version = FileVersion(
            number=draft.number,
            path=draft.path,
            kind=draft.kind or (sighting.kind if sighting else "file"),
            size=sighting.size if sighting else -1,
            mtime_ns=sighting.mtime_ns if sighting else -1,
            sha256=sighting.sha256 if sighting else "",
            undigested="",
            revision_of=draft.revision_of,
            derived_from=draft.derived_from,
        )
        if version.sha256:
            return version
        return replace(version, undigested=self._reason(draft, sighting))

    def _content(self, draft: _Draft) -> Sighting | None:
        """Find the sighting of a version; one that was renamed may have been seen elsewhere."""
        found = self._seen(draft)
        if found and found.sha256:
            return found
        relatives = [*self._heirs.get(draft.number, ())]
        if draft.derived_from:
            relatives.insert(0, self._drafts[draft.derived_from - self._first])
        seen = (self._seen(relative) for relative in relatives)
        return next((s for s in seen if s and s.sha256), found)

    def _seen(self, draft: _Draft) -> Sighting | None:
        """Choose among the sightings between a version's last write and its end."""
        window = self._between(draft)
        digested = [s for s in window if s.sha256] or window
        if not digested:
            return None
        if draft.maker is None:
            return _nearest(digested, draft.read_ns)
        left = [s for s in digested if s.execution >= draft.maker.execution > 0]
        return left[0] if left else digested[-1]

    def _between(self, draft: _Draft) -> list[Sighting]:
        sightings = self._sightings.get(draft.path, [])
        first = bisect_left(sightings, draft.written_ns, key=lambda s: s.at_ns)
        return [s for s in sightings[first:] if s.at_ns <= draft.until_ns and s.kind != "missing"]

    def _reason(self, draft: _Draft, sighting: Sighting | None) -> str:
        kind = draft.kind or (sighting.kind if sighting else "")
        if kind in _UNDIGESTED_KINDS:
            return _UNDIGESTED_KINDS[kind]
        if sighting and sighting.reason:
            return sighting.reason
        if draft.ended_by:
            return f"{draft.ended_by} before it could be read"
        return "not looked at"


def _once_generated(planned: Sequence[_Planned]) -> list[_Planned]:
    """Leave each version one generation (PROV-CONSTRAINTS, constraint 24): by the first touch.

    What an activity opens again to write adds to its first touch; where it opens it to read too, it
    reads what it made itself. What brings a task's output home makes no version.
    """
    found: list[_Planned] = []
    first: dict[int, int] = {}
    for plan in planned:
        at = first.setdefault(plan.generated.number, len(found)) if plan.generated else len(found)
        if at == len(found):
            found.append(plan)
        elif plan.touch.mode is Mode.READ_WRITE:
            own = plan.touch._replace(mode=Mode.READ)
            found.append(plan._replace(touch=own, used=plan.generated, generated=None))
        elif plan.touch.owner == found[at].touch.owner:
            again = found[at].touch.accesses + plan.touch.accesses
            found[at] = found[at]._replace(touch=found[at].touch._replace(accesses=again))
    return found


def _delivers(touch: Touch, maker: Owner | None) -> bool:
    """Tell whether a write only brings a task's output home: the kernel itself does that."""
    return touch.owner == Owner() and maker is not None and bool(maker.task)


def _nearest(sightings: Sequence[Sighting], read_ns: int) -> Sighting:
    """Choose what a reader saw at `read_ns`: a later look counts if the file is older than that."""
    after = [s for s in sightings if s.at_ns >= read_ns]
    before = [s for s in sightings if s.at_ns < read_ns]
    unchanged = [s for s in after if s.mtime_ns <= read_ns]
    return (unchanged or before[-1:] or after)[0]
