"""How much CPU checking takes by the number of records: each part, reading PROV-JSON, and memory.

python -m tests.benchmarks.checking [CELLS ...]
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable

from nbrepro.model import Statement
from nbrepro.validity import statements as described
from nbrepro.validity.checking import check_records, uncollected
from nbrepro.validity.provjson import parse_document
from nbrepro.validity.records import SIGNATURES, Record
from nbrepro.validity.rules import check_rules
from nbrepro.validity.shapes import check_shapes
from tests.graphs import plausible_run

FILES = 300


def timed(act: Callable[[], object]) -> tuple[float, object]:
    with uncollected():
        start = time.process_time()
        result = act()
        return time.process_time() - start, result


def to_json(records: list[Record]) -> str:
    """Write records as PROV-JSON, each under a number of its own where it has no name."""
    kinds: dict[str, dict[str, object]] = {}
    for number, record in enumerate(records):
        content = {
            "prov:" + argument.name: text
            for argument, text in zip(SIGNATURES[record.kind], record.arguments, strict=True)
            if text
        }
        kinds.setdefault(record.kind, {})[record.uid or f"_:{number}"] = content
    return json.dumps({"prefix": {"arcp": "arcp:", "nih": "nih:", "pkg": "pkg:"}, **kinds})


def main(sizes: list[int]) -> None:
    print(f"{'records':>9}{'constraints':>13}{'shapes':>9}{'rules':>8}{'PROV-JSON':>11}"
          f"{'records/s':>11}{'MiB':>6}  found")  # fmt: skip
    for cells in sizes:
        known: list[Statement] = plausible_run(
            1, cells=cells, data_files=FILES, software=2000
        ).statements
        records = list(described.records(known))
        constraints, first = timed(lambda records=records: list(check_records(records)))
        shapes, second = timed(lambda known=known: list(check_shapes(known)))
        rules, third = timed(lambda known=known: list(check_rules(known)))
        text = to_json(records)
        reading, _ = timed(lambda text=text: parse_document(text))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        found = Counter(f.rule for part in (first, second, third) for f in part)
        rate = f"{len(records) / (constraints + shapes + rules):>11.0f}"
        print(f"{len(records):>9}{constraints:>12.2f}s{shapes:>8.2f}s{rules:>7.2f}s"
              f"{reading:>10.2f}s{rate}{peak:>6}  {dict(found)}")  # fmt: skip


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [10, 30, 90])
