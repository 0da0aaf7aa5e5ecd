"""Print how right the answers are on the corpus: `python tests/benchmarks/accuracy.py`.

Every case is executed plain and under `nbrepro run`; its cells declare what they touched. Recall:
the share of what was touched that is reported, for the right execution, direction and path.
Precision: the share of what is reported as data that was touched.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

sys.path.insert(0, str(Path(__file__).parents[1]))

import corpus
import verdicts
from verdicts import Verdict

COLUMNS = ("case", "cells", "touched", "recall", "precision", "digests", "packages", "outputs")


def main() -> int:
    """Judge the cases that are asked for, print the table; exit 1 where an aim is missed."""
    arguments = _arguments()
    outcomes = [_judge(name) for name in arguments.cases or corpus.case_names()]
    judged = [verdict for verdict in outcomes if verdict is not None]
    rows = [*map(_row, judged), _row(_total(judged))]
    if arguments.markdown:
        print("\n".join(_markdown(rows)))
    else:
        _print_table(rows)
    for verdict in judged if arguments.problems else ():
        for problem in verdict.problems:
            print(f"{verdict.case}: {problem}")
    return int(not all(verdict.good for verdict in judged))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="default: all")
    parser.add_argument("--markdown", action="store_true", help="print a table for the README")
    parser.add_argument("--problems", action="store_true", help="name each wrong or missing row")
    return parser.parse_args()


def _judge(name: str) -> Verdict | None:
    case = corpus.load_case(name)
    lacking = corpus.missing(case)
    if lacking:
        print(f"{name}: skipped, needs {', '.join(lacking)}", file=sys.stderr)
        return None
    print(f"{name} ...", end="\r", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="nbrepro-corpus-") as base:
        try:
            return verdicts.judge_case(case, Path(base))
        except AssertionError as error:
            return Verdict(name, outputs_equal=False, problems=[str(error)[-1500:]], failed=True)


def _total(parts: list[Verdict]) -> Verdict:
    total = Verdict(f"all {len(parts)}")
    for name in ("cells", "touched", "found", "reported", "right", "digests", "digests_right",
                 "packages", "packages_right"):  # fmt: skip
        setattr(total, name, sum(getattr(verdict, name) for verdict in parts))
    total.outputs_equal = all(verdict.outputs_equal for verdict in parts)
    total.failed = any(verdict.failed for verdict in parts)
    return total


def _row(verdict: Verdict) -> tuple[str, ...]:
    if verdict.failed and not verdict.cells:
        return (verdict.case, *["failed"] * (len(COLUMNS) - 1))
    return (
        verdict.case,
        str(verdict.cells),
        str(verdict.touched),
        f"{verdict.recall:.2f}",
        f"{verdict.precision:.2f}",
        _share(verdict.digests_right, verdict.digests),
        _share(verdict.packages_right, verdict.packages),
        "equal" if verdict.outputs_equal else "DIFFER",
    )


def _share(right: int, all_: int) -> str:
    return f"{right}/{all_}" if all_ else ""


def _markdown(rows: Iterable[tuple[str, ...]]) -> Iterable[str]:
    yield f"| {' | '.join(COLUMNS)} |"
    yield f"|---{'|--:' * (len(COLUMNS) - 1)}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _print_table(rows: Iterable[tuple[str, ...]]) -> None:
    table = Table(Column(COLUMNS[0], no_wrap=True), *COLUMNS[1:])
    for row in rows:
        table.add_row(*row)
    Console(width=120).print(table)


if __name__ == "__main__":
    sys.exit(main())
