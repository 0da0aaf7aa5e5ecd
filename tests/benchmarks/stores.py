"""What keeping and asking costs by the number of runs, in Oxigraph and in Neo4j.

python -m tests.benchmarks.stores [--only oxigraph|neo4j] [--calls N] [--keep DIRECTORY]
                                  [--at-once] [RUNS ...]

The runs are one recorded run of the quickstart notebook under other names: the software and the
inputs are those of all, what the run itself made has other contents in each. Printed are the rate
of loading, what the first run and a repeated one take on disk once the store is compacted, and for
every question the median and worst time of its calls inside the process, its median CPU there (of
the store too where that is embedded), and its rows; at the end,
how the times grow. A kept directory is taken up again where it ends. `--at-once` puts the runs into
Oxigraph's database in one go: minutes less, for who wants the questions' times and no rate.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import re
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copytree, ignore_patterns
from uuid import UUID

from pyoxigraph import RdfFormat

from nbrepro.ingest import Evidence
from nbrepro.model import Edge, Node, RunId, Statement, Value
from nbrepro.queries import Question, load_questions
from nbrepro.rundir import RunDirectory
from nbrepro.stores import open_store
from nbrepro.stores.credentials import Credentials
from nbrepro.stores.interface import Store
from nbrepro.stores.neo4j import Neo4jStore
from nbrepro.stores.oxigraph import OxigraphStore
from nbrepro.vocabulary import content_iri, run_iri
from nbrepro.walk import observe_all
from tests.live.neo4j import neo4j_server
from tests.observing import observe

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@dataclass
class Original:
    """The statements of one run, to be said again of other runs."""

    run: str
    uuid: str
    statements: list[Statement]
    made: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        contents = {node.uid: node.properties.get("sha256") for node in self.statements
                    if isinstance(node, Node) and node.kind == "FileVersion"}  # fmt: skip
        self.made = {str(contents[edge.source]) for edge in self.statements
                     if isinstance(edge, Edge) and edge.relation == "wasGeneratedBy"
                     and contents.get(edge.source)}  # fmt: skip

    def names(self, number: int) -> list[str]:
        """List what differs in the text of another run: its uuid, its name, what it made."""
        run, uuid = self.name_of(number)
        return [uuid, run, *(self.other(sha256, number) for sha256 in sorted(self.made))]

    @staticmethod
    def name_of(number: int) -> tuple[RunId, str]:
        """Give the name and the uuid of another run."""
        return RunId(f"20261122-204501-{number:06}"), str(UUID(int=0xBE9C << 96 | number))

    @staticmethod
    def other(sha256: str, number: int) -> str:
        """Give the digest that stands for one in another run."""
        return hashlib.sha256(f"{sha256} {number}".encode()).hexdigest()

    def again(self, number: int) -> tuple[RunId, str, list[Statement]]:
        """Give the run, uuid and statements of another run that did the same."""
        run, uuid = self.name_of(number)
        bases = run_iri(self.uuid), run_iri(uuid)
        texts = {self.run: run, self.uuid: uuid}
        for sha256 in self.made:
            other = self.other(sha256, number)
            texts |= {sha256: other, content_iri(sha256): content_iri(other)}

        def name(uid: str) -> str:
            return uid.replace(*bases, 1) if uid.startswith(bases[0]) else texts.get(uid, uid)

        def said(value: Value) -> Value:
            return name(value) if isinstance(value, str) else value

        def renamed(statement: Statement) -> Statement:
            properties = {key: said(value) for key, value in statement.properties.items()}
            if isinstance(statement, Node):
                return Node(name(statement.uid), statement.kind, properties)
            ends = name(statement.source), name(statement.target)
            return Edge(statement.relation, *ends, name(statement.uid), properties)

        return run, uuid, [renamed(statement) for statement in self.statements]


def record(folder: Path) -> Original:
    """Record the quickstart notebook, or read the record that a kept directory has."""
    known = sorted(folder.glob("notebooks/.nbrepro/runs/*"))
    if known:
        directory = RunDirectory(known[-1])
    else:
        ignored = ignore_patterns("results", ".nbrepro", ".ipynb_checkpoints")
        copytree(NOTEBOOKS, folder / "notebooks", ignore=ignored)
        directory = observe(folder / "notebooks" / "quickstart.ipynb").directory
    evidence = Evidence(directory)
    statements = list(evidence.statements(observe_all(evidence.sources())))
    return Original(evidence.manifest.run, evidence.manifest.uuid, statements)


@dataclass
class Engine:
    """A store under measurement: where its files are, and how to have them written out."""

    name: str
    store: Store
    files: Path
    server: neo4j_server.Server | None = None

    def size_bytes(self) -> int:
        """Give what the store's compacted files take, logs of transactions aside."""
        self.store.compact()
        if isinstance(self.store, Neo4jStore):
            with self.store._session() as session:
                session.run("CALL db.checkpoint()").consume()
        return sum(path.stat().st_blocks * 512 for path in self.files.rglob("*") if path.is_file())


@contextlib.contextmanager
def oxigraph(folder: Path) -> Iterator[Engine]:
    (folder / "store").mkdir(exist_ok=True)
    with open_store(folder / "store") as store:
        yield Engine("Oxigraph", store, folder / "store")


@contextlib.contextmanager
def neo4j(folder: Path) -> Iterator[Engine]:
    server = neo4j_server.Server(folder / "neo4j")
    noted = folder / "neo4j.password"
    if noted.exists():
        server.password = noted.read_text()
    server.start()
    noted.write_text(server.password)
    try:
        with Neo4jStore(server.url, Credentials(neo4j_server.USER, server.password)) as store:
            yield Engine("Neo4j", store, server.home / "data" / "databases" / "neo4j", server)
    finally:
        server.stop()


ENGINES = {"oxigraph": oxigraph, "neo4j": neo4j}


def values_of(store: Store, run: str, other: str) -> dict[str, Value]:
    """Give a value for each parameter, found in a run of the store."""
    edges = list(store.ask(load_questions()["edges-of-run"], {"run": run}).records())
    last = [row for row in edges if row["mode"] == "generated" and row["execution"]][-1]
    read = next(row for row in edges if row["mode"] == "used" and row["sha256"])
    found = {"run": run, "other": other, "cell": last["cell"], "execution": last["execution"],
             "file": last["path"], "task": "none", "worker": "none", "host": "none",
             "package": "numpy", "content": read["sha256"]}  # fmt: skip
    return {name: value for name, value in found.items() if value is not None}


def asked(question: Question, known: dict[str, Value]) -> Iterator[dict[str, Value]]:
    """Yield what to ask a question with: the required values, then with the cell or package too."""
    required = {p.name: known[p.name] for p in question.parameters if p.required}
    yield required
    for parameter in question.parameters:
        if not parameter.required and parameter.name in ("cell", "package"):
            yield required | {parameter.name: known[parameter.name]}


Times = dict[tuple[str, str], float]
"""Medians in ms, by the name of a question and what it was asked with."""


def report_questions(store: Store, known: dict[str, Value], calls: int) -> Times:
    medians = {}
    print(f"{'question':<30}{'with':>9}{'rows':>8}{'median ms':>11}{'worst ms':>10}{'CPU ms':>9}")
    for name, question in load_questions().items():
        for values in asked(question, known):
            taken, used = [], []
            for _ in range(calls):
                start, began = time.perf_counter(), time.process_time()
                rows = len(store.ask(question, values))
                taken.append(1000 * (time.perf_counter() - start))
                used.append(1000 * (time.process_time() - began))
            more = ",".join(sorted(values.keys() - {"run", "file", "other", "task", "worker"}))
            median = medians[name, more] = statistics.median(taken)
            cpu = statistics.median(used)
            print(f"{name:<30}{more:>9}{rows:>8}{median:>11.1f}{max(taken):>10.1f}{cpu:>9.1f}",
                  flush=True)  # fmt: skip
    return medians


def measure(
    engine: Engine, original: Original, sizes: list[int], calls: int, at_once: bool
) -> None:
    loaded, before = len(engine.store.runs()), engine.size_bytes()
    growth: dict[int, Times] = {}
    for size in sizes:
        if size > loaded:
            numbers = range(loaded + 1, size + 1)
            if at_once:
                load_at_once(engine, original, numbers)
            else:
                report_loading(engine, original, numbers, before)
            loaded, before = size, engine.size_bytes()
        if size == loaded:
            other = f"20261122-204501-{max(1, size // 2):06}"
            known = values_of(engine.store, f"20261122-204501-{size:06}", other)
            growth[size] = report_questions(engine.store, known, calls)
    report_growth(engine.name, growth)


def report_loading(engine: Engine, original: Original, numbers: range, before: int) -> None:
    seconds, statements, cpu = 0.0, 0, 0.0
    for number in numbers:
        run, uuid, given = original.again(number)
        start, began = time.perf_counter(), time.process_time()
        statements += engine.store.load(run, uuid, given)
        seconds += time.perf_counter() - start
        cpu += time.process_time() - began
        if number % 50 == 0:
            print(f"{number} runs, {statements / seconds:.0f} statements/s", flush=True)
    after = engine.size_bytes()
    size, runs = numbers.stop - 1, len(numbers)
    print(f"\n{engine.name}, {size} runs, {size * len(original.statements)} statements, "
          f"load average {os.getloadavg()[0]:.1f}")  # fmt: skip
    print(f"loading: {statements / seconds:.0f} statements/s, {seconds / runs:.2f} s a run, "
          f"{cpu / runs:.2f} s of it CPU of this process")  # fmt: skip
    print(f"on disk: {after / 1e6:.1f} MB, {(after - before) / runs / 1000:.0f} kB a new run",
          flush=True)  # fmt: skip


def load_at_once(engine: Engine, original: Original, numbers: range) -> None:
    """Write the lines of one run again under other names, and load them all together."""
    assert isinstance(engine.store, OxigraphStore)
    run, uuid, given = original.again(numbers.start)
    engine.store.load(run, uuid, given)
    pattern, lines = original.names(numbers.start), "".join(engine.store.dump(run))
    own = [line for line in lines.splitlines(keepends=True)
           if any(name in line for name in pattern)]  # fmt: skip
    text = "".join(own)
    with tempfile.TemporaryFile() as file:
        for number in numbers[1:]:
            names = dict(zip(pattern, original.names(number), strict=True))
            changed = _ANY_NAME.sub(lambda found, names=names: names.get(found[0], found[0]), text)
            file.write(changed.encode())
        file.seek(0)
        engine.store._write(lambda store: store.bulk_load(file, RdfFormat.N_QUADS, lenient=True))


_ANY_NAME = re.compile(
    r"[0-9a-f]{64}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{8}-\d{6}-\d{6}"
)


def report_growth(name: str, growth: dict[int, Times]) -> None:
    sizes = sorted(growth)
    print(f"\n{name}: median ms by runs\n{'question':<40}" + "".join(f"{s:>9}" for s in sizes))
    for asked_ in growth[sizes[-1]] if sizes else ():
        times = "".join(f"{growth[size].get(asked_, 0):>9.1f}" for size in sizes)
        print(f"{' '.join(asked_):<40}{times}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", type=int, nargs="*", default=[1, 2, 100, 1000])
    parser.add_argument("--only", choices=ENGINES)
    parser.add_argument("--calls", type=int, default=7)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--at-once", action="store_true")
    given = parser.parse_args()
    with contextlib.ExitStack() as closing:
        folder = given.keep or Path(closing.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        folder = folder.resolve()
        original = record(folder)
        print(f"one run has {len(original.statements)} statements")
        for name in [given.only] if given.only else ENGINES:
            with ENGINES[name](folder) as engine:
                measure(engine, original, sorted(given.runs), given.calls, given.at_once)


if __name__ == "__main__":
    main()
