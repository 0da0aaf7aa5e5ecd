"""Every output of the corpus is re-created by its slice, by the code alone and by what was seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from slice_cases import Ran, Server, SliceCase, load_cases, missing, records_of

from nbrepro.outputs import compare_outputs
from nbrepro.rundir import NamesView
from nbrepro.variables import Need, close_needs, find_needs

CASES = load_cases()

pytestmark = [pytest.mark.live("IPython"), pytest.mark.xdist_group("slices")]


@dataclass
class Corpus:
    """The server, and what each case did when it ran whole."""

    server: Server
    folder: Path
    ran: dict[str, Ran] = field(default_factory=dict)
    jobs: int = 0

    def whole(self, case: SliceCase) -> Ran:
        if case.name not in self.ran:
            log = self.folder / case.name / "submits.jsonl"
            log.parent.mkdir()
            self.ran[case.name] = self.server.run(case.sources(), self._new(), log)
        return self.ran[case.name]

    def output(self, sources: list[str]) -> str:
        return self.server.run(sources, self._new()).outputs[-1]

    def _new(self) -> Path:
        self.jobs += 1
        return self.folder / f"job-{self.jobs}" / "work"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Corpus]:
    with Server() as server:
        yield Corpus(server, tmp_path_factory.mktemp("slices"))


def kept_sources(case: SliceCase, kept: set[int], needs: dict[int, tuple[Need, ...]]) -> list[str]:
    """Give the code of a slice; where executions are counted, comments stand for the others."""
    sources = case.sources()
    if any(need.kind == "history" for one in kept for need in needs[one]):
        return [sources[n - 1] if n in kept else "# counted" for n in range(1, max(kept) + 1)]
    return [sources[n - 1] for n in sorted(kept)]


def same(one: str, other: str) -> bool:
    def stream(text: str) -> dict[str, str]:
        return {"output_type": "stream", "name": "stdout", "text": text}

    return not compare_outputs([stream(one)], [stream(other)])


def test_the_corpus_is_as_large_as_promised():
    assert len(CASES) + len(load_cases(files=True)) >= 100


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_slice_re_creates_its_output(case: SliceCase, corpus: Corpus):
    if missing(case):
        pytest.skip(f"the case needs {', '.join(missing(case))}")
    ran = corpus.whole(case)
    shown = {n for n, output in enumerate(ran.outputs, 1) if output.strip()}
    assert shown <= set(case.needs), "an output whose needs are not declared"
    assert [view.execution for view in ran.views] == list(range(1, len(case.order) + 1))
    assert not [view.failed for view in ran.views if view.failed]
    for goal in case.needs:
        _check(case, corpus, goal, ran.views)
        _check(case, corpus, goal, [])


def _check(case: SliceCase, corpus: Corpus, goal: int, views: list[NamesView]) -> None:
    ran = corpus.whole(case)
    needs = find_needs(records_of(case, ran), views)
    kept = {one.execution for one in close_needs(needs, [goal])}
    again = corpus.output(kept_sources(case, kept, needs))
    how = "with the kernel's view" if views else "by the code alone"
    assert same(ran.outputs[goal - 1], again), f"execution {goal} of {sorted(kept)}, {how}: {again}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_declared_needs_are_enough(case: SliceCase, corpus: Corpus):
    if missing(case):
        pytest.skip(f"the case needs {', '.join(missing(case))}")
    ran = corpus.whole(case)
    needs = find_needs(records_of(case, ran), ran.views)
    for goal, true in case.needs.items():
        again = corpus.output(kept_sources(case, set(true), needs))
        assert same(ran.outputs[goal - 1], again), f"execution {goal}: {again}"


def test_slices_are_hardly_larger_than_what_is_needed(corpus: Corpus):
    kept = needed = 0
    for case in CASES:
        if missing(case):
            continue
        needs = find_needs(records_of(case, corpus.whole(case)), corpus.whole(case).views)
        for goal, true in case.needs.items():
            kept += len(close_needs(needs, [goal]))
            needed += len(true)
    assert kept <= 1.2 * needed
