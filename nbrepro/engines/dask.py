"""Read Dask's tasks from the submit log: one record for each time a worker executed a key."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from nbrepro.engines.clocks import Clock, Exchange, measure_clock
from nbrepro.engines.submits import Submit, observed_by
from nbrepro.rundir import RunDirectory
from nbrepro.tasks import EngineWorker, TaskRecord

ENGINE = "dask"


@dataclass(slots=True)
class _Attempt:
    key: str
    function: str
    execution: int
    address: str
    started_ns: int
    ended_ns: int = 0
    status: str = "unknown"
    hidden: bool = False


class DaskLog:
    """What the submit log tells of Dask's tasks, once `follow` was given each event in order."""

    def __init__(self, directory: RunDirectory) -> None:
        self._directory = directory
        self._attempts: dict[str, list[_Attempt]] = defaultdict(list)
        self._exchanges: dict[str, list[Exchange]] = defaultdict(list)
        self._own: dict[str, str] = {}
        self.workers: dict[str, EngineWorker] = {}
        """The workers that the client ever saw, by address."""

    def follow(self, submit: Submit) -> None:
        """Note one event; what is not Dask's is passed over."""
        if submit.engine != ENGINE:
            return
        fields = submit.fields
        if submit.event == "workers":
            self._note_workers(submit)
        elif submit.event == "clock":
            sent, there, answered = (fields[name] for name in ("sent", "there", "answered"))
            exchange = Exchange(sent, there, there, answered)
            self._exchanges[fields["worker"]].append(exchange)
        else:
            _follow(submit, self._attempts)

    def tasks(self) -> list[TaskRecord]:
        """Give the attempts at each key in order of submission; keys that never started have one.

        Times are by the worker's clock. A status is `unknown` where the worker never told the end,
        and `lost` where another attempt followed.
        """
        return [
            _record(attempt, number, self.workers)
            for several in self._attempts.values()
            for number, attempt in enumerate(_in_order(several), 1)
        ]

    def clocks(self) -> dict[str, tuple[str, Clock]]:
        """Give address and clock of the workers that have directories of their own, by id."""
        return {
            worker: (address, measure_clock(self._exchanges[address]))
            for address, worker in self._own.items()
            if worker
        }

    def _note_workers(self, submit: Submit) -> None:
        for address, said in submit.fields["workers"].items():
            own = self._own[address] = str(said.get("nbrepro_worker", ""))
            observed = observed_by(self._directory, own, bool(said.get("traced")))
            pid = int(said.get("pid") or 0)
            host = str(said.get("host", ""))
            self.workers[address] = EngineWorker(
                own or address, ENGINE, address, host, pid, submit.at_ns, observed
            )


def _follow(submit: Submit, attempts: dict[str, list[_Attempt]]) -> None:
    fields = submit.fields
    match submit.event:
        case "submit":
            for key in fields["keys"]:
                known = attempts[str(key)]
                if not known:
                    known.append(_Attempt(str(key), "", submit.execution, "", 0))
        case "started":
            _start(attempts[fields["key"]], submit)
        case "done":
            attempt = _open(attempts[fields["key"]], fields["worker"])
            if attempt is not None:
                attempt.ended_ns, attempt.status = submit.at_ns, fields["status"]
        case "unobservable":
            attempt = _open(attempts[fields["key"]], fields["worker"])
            if attempt is not None:
                attempt.hidden = True
        case _:
            pass  # clients, archives and problems are no tasks


def _start(several: list[_Attempt], submit: Submit) -> None:
    """Begin an attempt; the first takes the place of the mere submission."""
    fields = submit.fields
    if several and not several[0].started_ns:
        several.clear()
    several.append(
        _Attempt(
            fields["key"], fields["function"], submit.execution, fields["worker"], submit.at_ns
        )
    )


def _open(several: list[_Attempt], address: str) -> _Attempt | None:
    """Find the worker's latest attempt that has not ended."""
    for attempt in reversed(several):
        if attempt.address == address and not attempt.ended_ns:
            return attempt
    return None


def _in_order(several: list[_Attempt]) -> list[_Attempt]:
    ordered = sorted(several, key=lambda attempt: attempt.started_ns)
    for attempt in ordered[:-1]:
        if not attempt.ended_ns:
            attempt.status = "lost"
    return ordered


def _record(attempt: _Attempt, number: int, workers: dict[str, EngineWorker]) -> TaskRecord:
    unknown = EngineWorker(attempt.address, ENGINE, attempt.address, "", 0, 0, observed=False)
    worker = workers.get(attempt.address, unknown)
    return TaskRecord(
        task=attempt.key if number == 1 else f"{attempt.key}#{number}",
        engine=ENGINE,
        function=attempt.function,
        execution=attempt.execution,
        attempt=number,
        worker=worker.worker,
        host=worker.host,
        started_ns=attempt.started_ns,
        ended_ns=attempt.ended_ns,
        status=attempt.status,
        observed=worker.observed and not attempt.hidden,
    )
