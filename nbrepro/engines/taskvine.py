"""Read TaskVine's tasks: the submit log tells the cell and the files, the manager's own
`transactions` log the attempts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nbrepro.engines.clocks import Clock, measure_clock
from nbrepro.engines.submits import Submit, observed_by
from nbrepro.engines.transactions import Transactions, Try, parse_transactions
from nbrepro.rundir import RunDirectory
from nbrepro.tasks import OWN_ENGINE, TaskFile, TaskRecord

ENGINE = "taskvine"
_OWN_CATEGORY = "nbrepro-collect"  # the tasks that fetch the workers' traces


@dataclass(slots=True)
class _Manager:
    """What the submit log tells of one manager, named `host:port`."""

    name: str
    logs: str = ""
    submits: dict[int, Submit] = field(default_factory=dict)
    libraries: list[Submit] = field(default_factory=list)
    minis: list[Submit] = field(default_factory=list)
    done: dict[int, Submit] = field(default_factory=dict)
    workers: dict[str, dict[str, Any]] = field(default_factory=dict)
    made: dict[str, list[Any]] = field(default_factory=dict)

    @property
    def port(self) -> str:
        return self.name.rpartition(":")[2]


class TaskVineLog:
    """What the submit log tells of TaskVine's tasks, once `follow` was given each event in order.

    Times are by the manager's clock: from sending a task to a worker until it tells the end.
    """

    def __init__(self, directory: RunDirectory) -> None:
        self._directory = directory
        self._managers: dict[str, _Manager] = {}

    def follow(self, submit: Submit) -> None:
        """Note one event; what is not TaskVine's is passed over."""
        if submit.engine == ENGINE and "manager" in submit.fields:
            name = submit.fields["manager"]
            _follow(submit, self._managers.setdefault(name, _Manager(name)))

    def tasks(self) -> list[TaskRecord]:
        """Give the attempts at each task in order of number; tasks that never ran have one."""
        return [r for m in self._managers.values() for r in _records(m, self._directory)]

    def clocks(self) -> dict[str, tuple[str, Clock]]:
        """Give address and clock of the workers that have directories of their own, by id."""
        found = {}
        for manager in self._managers.values():
            log = _read_transactions(manager, self._directory)
            connections = {address: name for name, address in log.addresses.items()}
            for address, said in manager.workers.items():
                exchanges = log.exchanges.get(connections.get(address, ""), ())
                found[str(said["nbrepro_worker"])] = (address, measure_clock(exchanges))
        return found


def _follow(submit: Submit, manager: _Manager) -> None:
    fields = submit.fields
    match submit.event:
        case "manager":
            manager.logs = fields["logs"]
        case "submit" if fields["type"] == "mini":
            manager.minis.append(submit)
        case "submit" if not fields["number"]:
            manager.libraries.append(submit)
        case "submit":
            manager.submits[fields["number"]] = submit
        case "done":
            manager.done[fields["number"]] = submit
        case "workers":
            manager.workers |= fields["workers"]
        case "minis":
            manager.made = fields["minis"]
        case _:
            pass


def _records(manager: _Manager, directory: RunDirectory) -> Iterator[TaskRecord]:
    log = _read_transactions(manager, directory)
    tries: dict[int, list[Try]] = defaultdict(list)
    for attempt in log.tries:
        tries[attempt.number].append(attempt)
    for number in sorted({*tries, *manager.submits}):
        own = log.categories.get(number) == _OWN_CATEGORY
        for order, attempt in enumerate(tries[number] or [_untold(number, manager)], 1):
            record = _record(manager, directory, log, attempt, order)
            yield replace(record, engine=OWN_ENGINE) if own else record
    yield from _mini_records(manager, directory, log)


def _mini_records(
    manager: _Manager, directory: RunDirectory, log: Transactions
) -> Iterator[TaskRecord]:
    """Give what workers did to have files that tasks needed, for the cell that declared it."""
    names = {address: name for name, address in log.addresses.items()}
    number = 0
    for address, minis in manager.made.items():
        said = manager.workers.get(address, {})
        own = str(said.get("nbrepro_worker", ""))
        seen: Counter[str] = Counter()
        for order, mini in enumerate(map(_mini, minis), 1):
            number += 1
            started_ns = ended_ns = 0
            if mini["status"] == "ok":
                times = log.made.get((names.get(address, ""), mini["cache"]), [])
                started_ns, ended_ns = dict(enumerate(times)).get(seen[mini["cache"]], (0, 0))
                seen[mini["cache"]] += 1
            execution, inputs = _declarer(manager, mini["source"])
            yield TaskRecord(
                task=f"{manager.port}.mini.{number}",
                engine=ENGINE,
                function=mini["source"],
                execution=execution,
                attempt=1,
                worker=own or address,
                host=str(said.get("host", "") or address.rpartition(":")[0]),
                started_ns=started_ns,
                ended_ns=ended_ns,
                status=mini["status"],
                inputs=_files(inputs, manager),
                observed=observed_by(directory, own, traced=False),
                sandbox=f"mini.{order}",
            )


def _mini(said: str | dict[str, str]) -> dict[str, str]:
    """Give what a log tells of a mini task; earlier versions told its source only."""
    return said if isinstance(said, dict) else {"source": said, "cache": "", "status": "unknown"}


def _declarer(manager: _Manager, source: str) -> tuple[int, Sequence[dict[str, str]]]:
    """Give the one execution that declared a mini task, and the inputs; 0 and none if unsure."""
    declared = [submit for submit in manager.minis if submit.fields.get("source") == source]
    cells = {submit.execution for submit in declared}
    inputs = declared[0].fields["inputs"] if len(declared) == 1 else ()
    return (cells.pop() if len(cells) == 1 else 0), inputs


def _read_transactions(manager: _Manager, directory: RunDirectory) -> Transactions:
    """Read the copy in the run directory, or the manager's own log; empty where neither is."""
    copy = directory.path / f"taskvine-{manager.port}.transactions"
    for path in (copy, Path(manager.logs) / "transactions") if manager.logs else (copy,):
        if path.is_file():
            with path.open(encoding="utf-8", errors="replace") as lines:
                return parse_transactions(lines)
    return Transactions()


def _untold(number: int, manager: _Manager) -> Try:
    """Give the one attempt that is known where the manager's log tells of none."""
    done = manager.done.get(number)
    if done is None:
        return Try(number, "", 0)
    status = "ok" if done.fields["status"] == "ok" else "failed"
    return Try(number, "", 0, done.at_ns, status)


def _submit_of(manager: _Manager, log: Transactions, number: int) -> Submit | None:
    """Find who submitted a task; an instance of a library is known if there is but one library."""
    if number in log.libraries:
        return manager.libraries[0] if len(manager.libraries) == 1 else None
    return manager.submits.get(number)


def _record(
    manager: _Manager, directory: RunDirectory, log: Transactions, attempt: Try, order: int
) -> TaskRecord:
    submit = _submit_of(manager, log, attempt.number)
    fields = submit.fields if submit else {}
    done = manager.done.get(attempt.number)
    address = log.addresses.get(attempt.worker, "")
    if not attempt.worker and done is not None:
        address = str(done.fields.get("address", ""))
    said = manager.workers.get(address, {})
    own = str(said.get("nbrepro_worker", ""))
    task = f"{manager.port}.{attempt.number}"
    return TaskRecord(
        task=task if order == 1 else f"{task}#{order}",
        engine=ENGINE,
        function=str(fields.get("function") or fields.get("library") or ""),
        execution=submit.execution if submit else 0,
        attempt=order,
        worker=own or address,
        host=str(said.get("host", "") or address.rpartition(":")[0]),
        started_ns=attempt.started_ns,
        ended_ns=attempt.ended_ns,
        status=attempt.status,
        inputs=_files(fields.get("inputs", ()), manager),
        outputs=_files(fields.get("outputs", ()), manager),
        observed=observed_by(directory, own, traced=False),
        sandbox=_sandbox(attempt.number, log, str(fields.get("type", ""))),
    )


def _sandbox(number: int, log: Transactions, kind: str) -> str:
    """Give the name of the directory that a worker runs the task in."""
    if number in log.libraries:
        return f"libr.{number}"
    return f"func.{number}" if kind == "FunctionCall" else f"task.{number}"


def _files(records: Sequence[dict[str, str]], manager: _Manager) -> tuple[TaskFile, ...]:
    """Give the files that the notebook declared: arguments and results are staged by TaskVine."""
    staging = str(Path(manager.logs).parent / "staging") + "/"
    files = (TaskFile(record["remote"], record["path"]) for record in records)
    return tuple(file for file in files if not (manager.logs and file.path.startswith(staging)))
