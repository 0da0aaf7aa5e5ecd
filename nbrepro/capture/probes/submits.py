"""Log what a distributed engine's client does: one line of JSON an event, whole or not at all."""

import os


class Submits:
    """The submit log of one run; a process that may not write it goes on without."""

    def __init__(self, path, marks):
        self.path = path
        self.marks = marks
        self.told = set()

    def log(self, engine, event, cell=None, **fields):
        """Append an event of the `cell` that the thread works for, unless another is given."""
        import time

        cell = cell or self.marks["owner"]()
        record = {"event": event, "engine": engine, "at_ns": time.time_ns()}
        record["execution"] = int(cell[0]) if cell else 0
        record.update(fields)
        self._append(record)

    def problem(self, engine, where, error):
        """Say once what could not be observed; the notebook must not notice."""
        reason = "%s: %s: %s" % (where, type(error).__name__, error)
        if reason not in self.told:
            self.told.add(reason)
            self.log(engine, "problem", reason=reason[:2000])

    def guarded(self, engine, where, act, *arguments):
        """Do `act`; a defect of ours becomes an event."""
        try:
            return act(*arguments)
        except Exception as error:
            self.problem(engine, where, error)

    def _append(self, record):
        if not self.path:
            return
        import json

        line = json.dumps(record, default=str) + "\n"
        try:
            target = os.open(
                self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644
            )
        except OSError:
            return
        try:
            os.write(target, line.encode("ascii"))
        finally:
            os.close(target)
