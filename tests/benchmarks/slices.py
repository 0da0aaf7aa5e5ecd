"""Print how large slices are against what is truly needed: `python tests/benchmarks/slices.py`.

Every case declares the executions that each of its outputs needs (tests/cases/slices). Sufficient:
the share of outputs that the slice shows again when it runs alone. Size: executions kept against
executions needed. `--check` tries besides whether any declared need can be left out after all;
`--ipyflow PYTHON` asks ipyflow in another environment for its slices of the same notebooks (its
slices are by statement; a cell of which anything is kept counts as kept).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from slice_cases import Ran, Server, SliceCase, load_cases, missing, records_of

from nbrepro.outputs import compare_outputs
from nbrepro.variables import close_needs, find_needs


@dataclass
class Way:
    """One way of slicing, summed up."""

    name: str
    outputs: int = 0
    right: int = 0
    kept: int = 0
    needed: int = 0
    minimal: int = 0
    failed: int = 0

    def add(self, kept: int, needed: int, right: bool) -> None:
        self.outputs += 1
        self.right += right
        self.kept += kept
        self.needed += needed
        self.minimal += right and kept <= needed

    def row(self) -> str:
        share = self.right / self.outputs if self.outputs else 0
        size = self.kept / self.needed if self.needed else 0
        return (f"| {self.name} | {self.outputs} | {self.right} ({share:.2f}) | {self.kept} | "
                f"{self.needed} | {size:.2f} | {self.minimal} | {self.failed} |")  # fmt: skip


class Judge:
    """Runs cases and their slices."""

    def __init__(self, server: Server, folder: Path, verbose: bool) -> None:
        self.server = server
        self.folder = folder
        self.verbose = verbose
        self.jobs = 0

    def new(self) -> Path:
        self.jobs += 1
        return self.folder / str(self.jobs)

    def whole(self, case: SliceCase) -> Ran:
        log = self.new()
        log.mkdir()
        return self.server.run(case.sources(), self.new(), log / "submits.jsonl")

    def shows(self, sources: list[str], wanted: str) -> bool:
        again = self.server.run(sources, self.new()).outputs[-1] if sources else ""
        return not compare_outputs([_stream(wanted)], [_stream(again)])

    def say(self, text: str) -> None:
        if self.verbose:
            print(text)


def _stream(text: str) -> dict[str, str]:
    return {"output_type": "stream", "name": "stdout", "text": text}


def judge_ours(judge: Judge, way: Way, case: SliceCase, ran: Ran, *, seen: bool) -> None:
    """Judge our slices of one case, with the kernel's view or by the code alone."""
    needs = find_needs(records_of(case, ran), ran.views if seen else ())
    for goal, true in case.needs.items():
        kept = {one.execution for one in close_needs(needs, [goal])}
        counted = any(need.kind == "history" for one in kept for need in needs[one])
        right = judge.shows(_sources(case, kept, counted), ran.outputs[goal - 1])
        way.add(len(kept), len(true), right)
        if not right or kept - true:
            judge.say(f"{way.name}: {case.name} {goal}: {sorted(kept)}, needed {sorted(true)}, "
                      f"{'right' if right else 'WRONG'}")  # fmt: skip


def _sources(case: SliceCase, kept: set[int], counted: bool) -> list[str]:
    sources = case.sources()
    if counted:
        return [sources[n - 1] if n in kept else "# counted" for n in range(1, max(kept) + 1)]
    return [sources[n - 1] for n in sorted(kept)]


def check_truth(judge: Judge, case: SliceCase, ran: Ran) -> Iterator[str]:
    """Name the declared needs that can be left out after all."""
    for goal, true in case.needs.items():
        for one in sorted(true - {goal}):
            sources = _sources(case, set(true) - {one}, counted=False)
            if judge.shows(sources, ran.outputs[goal - 1]):
                yield f"{case.name} {goal}: {one} can be left out"


class Ipyflow:
    """ipyflow in its own environment."""

    def __init__(self, python: str) -> None:
        program = Path(__file__).with_name("ipyflow_slices.py")
        self._process = subprocess.Popen(
            [python, str(program)], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def judge(self, judge: Judge, way: Way, case: SliceCase, ran: Ran) -> None:
        assert self._process.stdin and self._process.stdout
        folder = judge.new()
        folder.mkdir()
        job = {"cells": case.sources(), "folder": str(folder), "goals": list(case.needs)}
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        told = json.loads(self._process.stdout.readline() or '{"error": "died"}')
        if "error" in told:
            way.failed += len(case.needs)
            judge.say(f"{way.name}: {case.name}: {told['error']}")
            return
        for goal, true in case.needs.items():
            cut = {int(n): text for n, text in told["slices"][str(goal)].items() if text.strip()}
            right = judge.shows([cut[n] for n in sorted(cut)], ran.outputs[goal - 1])
            way.add(len(cut), len(true), right)
            if not right:
                judge.say(f"{way.name}: {case.name} {goal}: {sorted(cut)}, needed {sorted(true)}")


def main() -> int:
    """Judge the corpus and print the table; exit 1 where an output is not shown again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="default: all")
    parser.add_argument("--ipyflow", metavar="PYTHON", help="an interpreter that has ipyflow")
    parser.add_argument("--check", action="store_true", help="try to leave out declared needs")
    parser.add_argument("--verbose", action="store_true", help="name what is wrong or too large")
    given = parser.parse_args()
    seen, code, flow = Way("nbrepro"), Way("nbrepro, by the code alone"), Way("ipyflow")
    with tempfile.TemporaryDirectory(prefix="nbrepro-slices-") as base, Server() as server:
        judge = Judge(server, Path(base), given.verbose)
        other = Ipyflow(given.ipyflow) if given.ipyflow else None
        for case in load_cases():
            if (given.cases and case.name not in given.cases) or missing(case):
                continue
            print(f"{case.name} ...", end="\r", file=sys.stderr)
            ran = judge.whole(case)
            judge_ours(judge, seen, case, ran, seen=True)
            judge_ours(judge, code, case, ran, seen=False)
            if other:
                other.judge(judge, flow, case, ran)
            if given.check:
                print("".join(f"{line}\n" for line in check_truth(judge, case, ran)), end="")
    print("| slices by | outputs | sufficient | kept | needed | size | minimal | none |")
    print("|---|---|---|---|---|---|---|---|")
    print("\n".join(way.row() for way in (seen, code, *([flow] if given.ipyflow else []))))
    return int(seen.right < seen.outputs)


if __name__ == "__main__":
    sys.exit(main())
