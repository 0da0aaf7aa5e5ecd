"""Answer in a process of its own, which can be ended: the embedded engine cannot be stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nbrepro.errors import NbreproError, NotFoundError, QueryError, StoreError, UsageError
from nbrepro.model import Table, Value
from nbrepro.queries import Parameter, Question

_REFUSED = 3
_KINDS = {kind.__name__: kind for kind in (NotFoundError, QueryError, StoreError, UsageError)}


def select_bounded(location: str, text: str, limit: int | None, timeout_s: float) -> Table:
    """Answer a query that only reads, as Store.select does, or end it after `timeout_s`."""
    return _ask({"location": location, "text": text, "limit": limit}, timeout_s)


def ask_bounded(
    location: str, question: Question, values: Mapping[str, Value], timeout_s: float
) -> Table:
    """Answer a named question, as Store.ask does, or end it after `timeout_s`."""
    asked = asdict(question) | {"path": str(question.path)}
    return _ask({"location": location, "question": asked, "values": dict(values)}, timeout_s)


def _ask(request: Mapping[str, Any], timeout_s: float) -> Table:
    location = request["location"]
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUTF8": "1"},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise QueryError(
            f"the query took longer than {timeout_s:g} s and was ended; narrow it, for example "
            "with LIMIT, or allow more time"
        ) from None
    if done.returncode == _REFUSED:
        kind, message = json.loads(done.stdout)
        raise _KINDS.get(kind, QueryError)(message)
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2]
        raise StoreError(f"{location}: the process that asked it ended ({last}); ask again")
    answer = json.loads(done.stdout)
    return Table(
        tuple(answer["columns"]), tuple(map(tuple, answer["rows"])), bool(answer["truncated"])
    )


def _answer() -> int:
    request = json.loads(sys.stdin.read())
    try:
        table = _table(request)
    except NbreproError as error:
        sys.stdout.write(json.dumps([type(error).__name__, str(error)]))
        return _REFUSED
    sys.stdout.write(json.dumps(asdict(table)))
    return 0


def _table(request: Mapping[str, Any]) -> Table:
    from nbrepro.stores import open_store

    with open_store(request["location"]) as store:
        if "question" not in request:
            return store.select(request["text"], request["limit"])
        asked = request["question"]
        question = Question(
            asked["name"],
            asked["summary"],
            tuple(Parameter(**parameter) for parameter in asked["parameters"]),
            tuple(asked["columns"]),
            asked["texts"],
            Path(asked["path"]),
        )
        return store.ask(question, request["values"])


if __name__ == "__main__":
    sys.exit(_answer())
