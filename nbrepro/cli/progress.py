"""Shows on standard error how far a run is: a bar on a terminal, lines elsewhere, or nothing."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Protocol

import click

from nbrepro.formats import to_first_line

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID


class Shown(Protocol):
    """What `nbrepro.capture.Progress` asks for, and so what every display here has."""

    def started(self, cells: int) -> None:
        """Hear how many code cells will run."""

    def cell_started(self, position: int, source: str) -> None:
        """Hear that a cell starts."""

    def cell_ended(self, position: int, status: str) -> None:
        """Hear that a cell ended."""

    def stage(self, name: str) -> None:
        """Hear what is being done besides running cells."""

    def counted(self, what: str, done: int, of: int) -> None:
        """Hear how many of how many things are done; `of` is 0 where nobody knows."""


def open_progress(wanted: bool) -> AbstractContextManager[Shown]:
    """Open the display that fits standard error."""
    if not wanted:
        return nullcontext(Silence())
    return Bar() if sys.stderr.isatty() else nullcontext(Lines())


class Silence:
    """Shows nothing."""

    def started(self, cells: int) -> None:
        """Show nothing."""

    def cell_started(self, position: int, source: str) -> None:
        """Show nothing."""

    def cell_ended(self, position: int, status: str) -> None:
        """Show nothing."""

    def stage(self, name: str) -> None:
        """Show nothing."""

    def counted(self, what: str, done: int, of: int) -> None:
        """Show nothing."""


class Lines:
    """Writes a line an event: for logs and pipes."""

    def __init__(self) -> None:
        self._cells = 0

    def started(self, cells: int) -> None:
        """Remember how many cells will run."""
        self._cells = cells

    def cell_started(self, position: int, source: str) -> None:
        """Write which cell starts."""
        click.echo(f"cell {position} of {self._cells}: {to_first_line(source)}", err=True)

    def cell_ended(self, position: int, status: str) -> None:
        """Write how a cell ended, unless well."""
        if status != "ok":
            click.echo(f"cell {position} {status}", err=True)

    def stage(self, name: str) -> None:
        """Write what is being done."""
        click.echo(name, err=True)

    def counted(self, what: str, done: int, of: int) -> None:
        """Write what is being done when it begins."""
        if done == 0:
            click.echo(what, err=True)


class Bar(AbstractContextManager["Bar"]):
    """Shows a bar by cell, with the cell that runs."""

    def __init__(self) -> None:
        self._progress: RichProgress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Bar:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.progress import TimeElapsedColumn as Elapsed

        from nbrepro.cli.printing import make_console

        self._progress = Progress(
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            Elapsed(),
            TextColumn("{task.description}", markup=False),
            console=make_console(stderr=True),
            transient=True,
        )
        self._progress.start()
        self._task = self._progress.add_task("starting", total=None)
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress:
            self._progress.stop()

    def started(self, cells: int) -> None:
        """Set the length of the bar."""
        self._update(total=cells)

    def cell_started(self, position: int, source: str) -> None:
        """Show the cell that runs."""
        self._update(description=f"cell {position}: {to_first_line(source, 50)}")

    def cell_ended(self, position: int, status: str) -> None:
        """Move the bar by one cell."""
        self._update(advance=1)

    def stage(self, name: str) -> None:
        """Show what is being done."""
        self._update(description=name)

    def counted(self, what: str, done: int, of: int) -> None:
        """Move the bar to what is done."""
        assert self._progress is not None and self._task is not None
        self._progress.update(self._task, description=what, completed=done, total=of or None)

    def _update(
        self, total: int | None = None, advance: int | None = None, description: str | None = None
    ) -> None:
        assert self._progress is not None and self._task is not None
        self._progress.update(self._task, total=total, advance=advance, description=description)
