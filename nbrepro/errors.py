"""Every failure a user can meet: one sentence with what, where and what to do, and an exit code."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the `nbrepro` command, documented in the README."""

    OK = 0
    NOTEBOOK_FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    BAD_INPUT = 4
    STORE = 5
    MACHINE = 6
    INVALID = 7
    DIFFERENT = 8
    INTERNAL = 70
    INTERRUPTED = 130
    TERMINATED = 143


class NbreproError(Exception):
    """A failure with one sentence for the user: what happened, where, and what to do."""

    exit_code: ExitCode = ExitCode.BAD_INPUT


class UsageError(NbreproError):
    """The command or call asks for something that does not fit together."""

    exit_code = ExitCode.USAGE


class NotFoundError(NbreproError):
    """A notebook, run, cell, file or question that does not exist."""

    exit_code = ExitCode.NOT_FOUND


class NotebookError(NbreproError):
    """A notebook that cannot be read."""


class RunDirectoryError(NbreproError):
    """Evidence that is missing, torn or of another version."""


class TraceError(NbreproError):
    """A trace that cannot be read at all (single bad lines are values, not errors)."""


class DocumentError(NbreproError):
    """A PROV document that cannot be read."""


class ArchiveError(NbreproError):
    """An archive that is torn, hostile or of another version."""


class QueryError(NbreproError):
    """A question that is malformed, writes, or takes too long."""


class StoreError(NbreproError):
    """A store that cannot be opened, locked, read or written."""

    exit_code = ExitCode.STORE


class MachineError(NbreproError):
    """Something this machine lacks: a tool, a permission, disk space."""

    exit_code = ExitCode.MACHINE
