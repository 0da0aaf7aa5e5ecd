"""Read TaskVine's `transactions` log: which worker tried which task when, and how it ended.

Lines are `<time in us> <pid> <subject> <id> <event> <details>`; the log's own header says which
subjects and events there are (cctools: taskvine/src/manager/vine_perf_log and vine_txn_log).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from nbrepro.engines.clocks import Exchange

_MOMENTS = ("commit_start", "worker_start", "worker_end")


@dataclass(slots=True)
class Try:
    """One attempt at a task, by the manager's clock; `status` as in TaskRecord."""

    number: int
    worker: str
    started_ns: int
    ended_ns: int = 0
    status: str = "unknown"


@dataclass(slots=True)
class Transactions:
    """All attempts in order, the address of each worker, and which tasks are instances of
    libraries; `exchanges` are what tells of each worker's clock. `made` gives start and end, ns by
    the manager's clock, of how a worker got a file of its cache, by the worker and the file's name
    there. `ignored` counts lines that are of no such use."""

    tries: list[Try] = field(default_factory=list)
    addresses: dict[str, str] = field(default_factory=dict)
    libraries: set[int] = field(default_factory=set)
    categories: dict[int, str] = field(default_factory=dict)
    exchanges: dict[str, list[Exchange]] = field(default_factory=lambda: defaultdict(list))
    made: dict[tuple[str, str], list[tuple[int, int]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    ignored: int = 0
    _running: dict[int, Try] = field(default_factory=dict)

    def read(self, line: str) -> None:
        """Take one line; a torn or unknown one is counted."""
        words = line.split()
        if line.startswith("#") or not line.endswith("\n") or len(words) < 5:
            self.ignored += 1
            return
        try:
            at_ns = int(words[0]) * 1000
            self._read(at_ns, words[2], words[3], words[4], words[5:])
        except ValueError:
            self.ignored += 1

    def _read(self, at_ns: int, subject: str, name: str, event: str, rest: list[str]) -> None:
        match subject, event:
            case "WORKER", "CONNECTION" if rest:
                self.addresses[name] = rest[0]
            case "WORKER", "CACHE_UPDATE" if len(rest) > 2:
                self.made[name, rest[0]].append((at_ns - int(rest[2]) * 1000, at_ns))
            case "WORKER", "DISCONNECTION":
                self._lose(name, at_ns)
            case "LIBRARY", "SENT":
                self.libraries.add(int(name))
            case "TASK", "READY" | "WAITING":
                self._again(int(name), at_ns, rest)
            case "TASK", "RUNNING" if rest:
                self._start(int(name), at_ns, rest[0])
            case "TASK", "WAITING_RETRIEVAL" | "RETRIEVED" | "DONE":
                self._end(int(name), at_ns, event, rest)
            case _:
                self.ignored += 1

    def _start(self, number: int, at_ns: int, worker: str) -> None:
        self._again(number, at_ns, [])
        attempt = self._running[number] = Try(number, worker, at_ns)
        self.tries.append(attempt)

    def _again(self, number: int, at_ns: int, rest: list[str]) -> None:
        """A task waits again: if nobody retrieved it, its worker went away."""
        if rest:
            self.categories[number] = rest[0]
        attempt = self._running.pop(number, None)
        if attempt is not None:
            attempt.status, attempt.ended_ns = "lost", attempt.ended_ns or at_ns

    def _end(self, number: int, at_ns: int, event: str, rest: list[str]) -> None:
        attempt = self._running.get(number)
        if attempt is None:
            return
        attempt.ended_ns = attempt.ended_ns or at_ns
        if event != "WAITING_RETRIEVAL":
            self._compare_clocks(attempt, rest)
            attempt.status = _status(rest)
            del self._running[number]

    def _compare_clocks(self, attempt: Try, rest: list[str]) -> None:
        """Note when the worker itself says that it began and ended the task."""
        said = _measured(rest)
        sent, began, ended = (said.get(f"time_{name}", 0) for name in _MOMENTS)
        if sent and began and ended:
            exchange = Exchange(sent, began, ended, attempt.ended_ns)
            self.exchanges[attempt.worker].append(exchange)

    def _lose(self, worker: str, at_ns: int) -> None:
        for number, attempt in list(self._running.items()):
            if attempt.worker == worker:
                self._again(number, at_ns, [])


def _measured(rest: list[str]) -> dict[str, int]:
    """Give the moments, in ns, in the last JSON object of a line: `{"name": [SECONDS, "s"]}`."""
    try:
        record = json.loads(rest[-1], parse_float=str) if rest else {}
    except ValueError:
        return {}
    return {
        name: _to_ns(value[0])
        for name, value in (record.items() if isinstance(record, dict) else ())
        if isinstance(value, list) and value[1:] == ["s"]
    }


def _to_ns(seconds: str | int) -> int:
    """Give nanoseconds of a decimal number of seconds, of which a float holds too few digits."""
    whole, _, fraction = str(seconds).partition(".")
    digits = f"{whole}{fraction:0<9.9}"
    return int(digits) if digits.isdigit() else 0


def _status(rest: list[str]) -> str:
    """Give the status that `SUCCESS <exit code>` or another result means.

    A library that ended was removed, or broke: the log does not tell which.
    """
    if rest[:1] == ["SUCCESS"]:
        return "ok" if rest[1:2] == ["0"] else "failed"
    if rest[:1] in (["LIBRARY_EXIT"], ["CANCELLED"]):
        return "unknown"
    return "failed" if rest and rest[0] not in ("UNKNOWN", "FORSAKEN") else "lost"


def parse_transactions(lines: Iterable[str]) -> Transactions:
    """Read a whole log, line by line, however it ends."""
    transactions = Transactions()
    for line in lines:
        transactions.read(line)
    return transactions
