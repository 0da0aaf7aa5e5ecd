"""Write a document whose head says which prefixes its body uses: known when that is written."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from typing import BinaryIO

from nbrepro.export.extract import Extract
from nbrepro.export.provrecords import ProvRecords

_TOLD_EACH = 2000


def write_headed(
    records: ProvRecords,
    extract: Extract,
    out: BinaryIO,
    pieces: Iterable[str],
    head: Callable[[Mapping[str, str]], str],
    tail: str,
) -> None:
    """Write the head of the prefixes that the pieces used, the pieces (one a record), the tail.

    The pieces wait in a file without a name, not in memory.
    """
    whole = len(records)
    with tempfile.TemporaryFile(buffering=1 << 16) as body:
        for number, piece in enumerate(pieces, 1):
            body.write(piece.encode())
            if number % _TOLD_EACH == 0:
                extract.say("writing", number, whole)
        out.write(head(records.names.prefixes).encode())
        body.seek(0)
        shutil.copyfileobj(body, out, 1 << 20)
    out.write(tail.encode())
