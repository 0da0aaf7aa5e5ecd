"""Answer a query in a process of its own: the engine cannot be stopped inside ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict

from nbrepro.errors import NbreproError, QueryError, StoreError
from nbrepro.model import Table

_REFUSED = 3


def select_bounded(location: str, text: str, limit: int | None, timeout_s: float) -> Table:
    """Answer a query that only reads, as Store.select does, or end it after `timeout_s`."""
    request = json.dumps({"location": location, "text": text, "limit": limit})
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__],
            input=request,
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
        raise {"StoreError": StoreError}.get(kind, QueryError)(message)
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2]
        raise StoreError(f"{location}: the process that asked it ended ({last}); ask again")
    answer = json.loads(done.stdout)
    return Table(
        tuple(answer["columns"]), tuple(map(tuple, answer["rows"])), bool(answer["truncated"])
    )


def _answer() -> int:
    from nbrepro.stores import open_store

    request = json.loads(sys.stdin.read())
    try:
        table = open_store(request["location"]).select(request["text"], request["limit"])
    except NbreproError as error:
        sys.stdout.write(json.dumps([type(error).__name__, str(error)]))
        return _REFUSED
    sys.stdout.write(json.dumps(asdict(table)))
    return 0


if __name__ == "__main__":
    sys.exit(_answer())
