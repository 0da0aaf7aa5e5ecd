"""What people call a run, a cell, a file, a role or a mode, turned into what is meant.

All functions are pure: they choose among what exists, and raise NotFoundError or UsageError with a
sentence that lists it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from nbrepro.errors import NotFoundError, UsageError
from nbrepro.model import DATA_ROLES, Mode, Role
from nbrepro.rows import CellRow, RunRow

LAST = "last"
ALL = "all"

_WIDENED = {
    Mode.READ: (Mode.READ, Mode.READ_WRITE),
    Mode.WRITE: (Mode.WRITE, Mode.READ_WRITE),
}
_SHOWN = 6


def choose_run(runs: Sequence[RunRow], reference: str) -> RunRow:
    """Find a run: `last`, an id, a unique prefix, and `~N` behind any of them for the N-th before.

    `runs` come newest first.
    """
    if not runs:
        raise NotFoundError("no run is recorded here yet; run: nbrepro run NOTEBOOK")
    name, steps = _split_steps(reference)
    index = _find_run(runs, name) + steps
    if index >= len(runs):
        raise NotFoundError(
            f"run {reference!r}: only {len(runs)} runs are recorded; see: nbrepro runs"
        )
    return runs[index]


def _split_steps(reference: str) -> tuple[str, int]:
    name, tilde, steps = reference.partition("~")
    if tilde and steps and not steps.isdecimal():
        raise UsageError(f"run {reference!r}: write a number behind '~', for example RUN~1")
    return name or LAST, int(steps or 1) if tilde else 0


def _find_run(runs: Sequence[RunRow], name: str) -> int:
    ids = [row.run for row in runs]
    if name in (LAST, "RUN"):
        return 0
    if name in ids:
        return ids.index(name)
    matches = [run for run in ids if run.startswith(name)]
    if len(matches) == 1:
        return ids.index(matches[0])
    if matches:
        raise UsageError(f"run {name!r} may mean {_listed(matches)}; write more of it")
    raise NotFoundError(f"run {name!r} does not exist; there are {_listed(nearest(name, ids))}")


def choose_cell(cells: Sequence[CellRow], reference: int | str) -> int:
    """Find a cell by its position among code cells (from 1), or by its id; give the position."""
    text = str(reference)
    positions = sorted({row.cell for row in cells})
    if text.isdecimal() and int(text) in positions:
        return int(text)
    by_id = {row.cell for row in cells if row.cell_id == text}
    if by_id:
        return by_id.pop()
    by_prefix = {row.cell for row in cells if row.cell_id and row.cell_id.startswith(text)}
    if len(by_prefix) == 1 and not text.isdecimal():
        return by_prefix.pop()
    raise NotFoundError(
        f"cell {text!r} did not run; cells that did: {_ranges(positions) or 'none'} "
        "(numbers count code cells from 1; see: nbrepro show)"
    )


def check_execution(cells: Sequence[CellRow], execution: int, cell: int | None) -> None:
    """Check that the run has this execution, and of this cell. Raises NotFoundError."""
    known = sorted(row.execution for row in cells if cell is None or row.cell == cell)
    if execution not in known:
        of_cell = "" if cell is None else f" of cell {cell}"
        raise NotFoundError(
            f"execution {execution}{of_cell} does not exist; there are {_ranges(known) or 'none'} "
            "(see: nbrepro show)"
        )


def choose_name(what: str, known: Iterable[str | None], reference: str) -> str:
    """Find a task, worker or host (`what`) of a run by its name or a unique prefix of it."""
    names = sorted({name for name in known if name})
    if reference in names:
        return reference
    matches = [name for name in names if name.startswith(reference)]
    if len(matches) == 1:
        return matches[0]
    if matches and reference:
        raise UsageError(f"{what} {reference!r} may mean {_listed(matches)}; write more of it")
    hint = f"there are {_listed(names)}" if names else "the run has none"
    raise NotFoundError(f"{what} {reference!r} does not exist; {hint}")


def choose_path(
    known: Collection[str], reference: str | os.PathLike[str], bases: Iterable[Path]
) -> str:
    """Find a file of a run: an absolute path, one relative to a base, or a unique end of one."""
    text = os.fspath(reference)
    for candidate in _candidates(text, bases):
        if candidate in known:
            return candidate
    ending = "/" + text.removeprefix("./").strip("/")
    matches = sorted(path for path in known if path.endswith(ending))
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UsageError(f"{text!r} may mean {_listed(matches)}; write more of the path")
    hint = _listed(nearest(text, known)) if known else "no file at all"
    raise NotFoundError(f"{text!r}: the run did not touch it; it touched for example {hint}")


def _candidates(text: str, bases: Iterable[Path]) -> list[str]:
    plain = [os.path.normpath(base / text) for base in bases]
    return [text, *plain, *(os.path.realpath(path) for path in plain)]


def choose_modes(mode: str | None) -> tuple[Mode, ...] | None:
    """Give the modes that `mode` means: `read` and `write` include `read-write`; None means all."""
    if mode is None or mode == ALL:
        return None
    try:
        known = Mode(mode)
    except ValueError:
        raise UsageError(f"{mode!r} is not a mode; one of: {', '.join(Mode)}") from None
    return _WIDENED.get(known, (known,))


def choose_roles(role: str | Collection[str] | None) -> frozenset[Role] | None:
    """Give the roles that are meant: what a person calls data by default; None for `all`."""
    names = [role] if isinstance(role, str) else list(role or DATA_ROLES)
    if ALL in names:
        return None
    try:
        return frozenset(Role(name) for name in names)
    except ValueError as error:
        raise UsageError(f"{error}; one of: {', '.join(Role)}, all") from None


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Give up to three names that look like `name`, compared by their last part; else a few."""
    from difflib import get_close_matches

    by_end: dict[str, str] = {}
    for path in known:
        by_end.setdefault(path.rpartition("/")[2], path)
    close = get_close_matches(name.rpartition("/")[2], list(by_end), n=3, cutoff=0.5)
    return [by_end[end] for end in close] or list(by_end.values())[:_SHOWN]


def _listed(names: Sequence[str]) -> str:
    # repr keeps odd names on one line and pastes back into a shell's $'...'.
    shown = [name if re.fullmatch(r"[\w./+~@%:=-]+", name) else repr(name) for name in names]
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return ", ".join(shown[:_SHOWN]) + more


def _ranges(numbers: Sequence[int]) -> str:
    """Write sorted distinct numbers as `1-4, 7`."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number <= spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(f"{first}-{last}" if last > first else f"{first}" for first, last in spans)
