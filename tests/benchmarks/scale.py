"""What a run of very many tasks costs to ingest: time, memory, and the size of its graph.

    python tests/benchmarks/scale.py [--tasks 100000] [--workers 10] [--markdown]

A real run is recorded first: a notebook sends a few tasks to a Dask worker under `nbrepro worker`;
each reads a file of its own and twenty files of software, and writes a file. From its trace and
logs, a run of as many tasks as asked for is made: the lines between a task's marks, renumbered,
over and over, for as many workers. It is ingested in a child process, which tells what it took.

*own edges* are those of tasks to their data, their cell and their worker; a footprint is the set
of software files that a task opened, of which equal ones are kept once.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import nbformat
import zstandard

sys.path.insert(0, str(Path(__file__).parents[1]))

from separate_workers import HOMES, separate_workers

LIMIT_S = 3600
# What no run owns: of it, the same is said again wherever it is met.
SHARED = ("Footprint", "SoftwareFile", "Package", "Content", "hadMember", "ofPackage",
          "describesPackage")  # fmt: skip
STEADY = "3"  # the recorded task that stands for all: by then everything is imported
CELL = """
import os
from distributed import Client
client = Client(os.environ["SCHEDULER"])
def convert(number):
    import importlib.util
    import pathlib
    folder = pathlib.Path(importlib.util.find_spec("numpy").origin).parent
    for path in sorted(folder.glob("lib/*.py"))[:20]:
        path.read_bytes()
    text = open(f"in/{number}.txt").read()
    open(f"out/{number}.txt", "w").write(text)
for number in range(1, 5):
    client.submit(convert, number, key=f"convert-{number}").result()
client.close()
"""


@dataclass
class Taken:
    """What an ingest took (CPU seconds, MB), and what it made; `repeated` said nothing new."""

    walk_s: float
    describe_s: float
    load_s: float
    peak_mb: float
    peak_with_load_mb: float
    nodes: int
    edges: int
    own_edges: int
    footprint_edges: int
    repeated: int


def record(folder: Path) -> Path:
    """Record the run of a few tasks; give its directory."""
    for name in ("in", "out"):
        (folder / name).mkdir()
    for number in range(1, 5):
        (folder / "in" / f"{number}.txt").write_text(f"{number}\n")
    cell = nbformat.v4.new_code_cell(CELL.strip())
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel})
    nbformat.write(notebook, folder / "tasks.ipynb")
    with separate_workers(folder, 1) as address:
        words = [sys.executable, "-m", "nbrepro", "run", "tasks.ipynb", "--no-progress"]
        environment = os.environ | {"SCHEDULER": address}
        done = subprocess.run(
            words, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
        )
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = (folder / ".nbrepro/runs").iterdir()
    return run


class Multiplied:
    """A run like a recorded one, of `tasks` tasks on `workers` workers."""

    def __init__(self, recorded: Path, target: Path, tasks: int, workers: int) -> None:
        self.target, self.tasks, self.workers = target, tasks, workers
        ignored = shutil.ignore_patterns(HOMES, "submits.jsonl")
        shutil.copytree(recorded, target, ignore=ignored)
        (self.home,) = (recorded / HOMES).iterdir()
        self.submits = [json.loads(line) for line in (recorded / "submits.jsonl").open()]
        self.numbers = [range(n, tasks, workers) for n in range(workers)]

    def write(self) -> None:
        """Write everything."""
        lines = self._trace_lines()
        begin, block, rest = split_at_marks(lines)
        for number in range(self.workers):
            home = self.target / HOMES / self._name(number)
            home.mkdir(parents=True)
            manifest = json.loads((self.home / "worker.json").read_text())
            manifest |= {"worker": home.name, "address": f"tcp://127.0.0.1:{number + 1}"}
            manifest["host"] |= {"name": f"host{number}"}
            (home / "worker.json").write_text(json.dumps(manifest))
            for name in ("software.jsonl", "names.jsonl"):
                if (self.home / name).exists():
                    shutil.copyfile(self.home / name, home / name)
            self._write_sightings(home, number)
            self._write_trace(home, number, begin, block, rest)
        self._write_submits()

    def _name(self, number: int) -> str:
        return f"host{number}-1-{number:08x}"

    def _trace_lines(self) -> list[str]:
        (trace,) = self.home.glob("trace.strace*")
        with trace.open("rb") as stream:
            text = zstandard.ZstdDecompressor().stream_reader(stream).read()
        return text.decode("ascii").splitlines(keepends=True)

    def _write_trace(
        self, home: Path, number: int, begin: list[str], block: list[str], rest: list[str]
    ) -> None:
        with (
            (home / "trace.strace.zst").open("wb") as sink,
            zstandard.ZstdCompressor(level=3).stream_writer(sink) as packed,
        ):
            packed.write("".join(begin).encode())
            pattern = "".join(block)
            for task in self.numbers[number]:
                packed.write(renumber(pattern, task).encode())
            packed.write("".join(rest).encode())

    def _write_sightings(self, home: Path, number: int) -> None:
        kept = [json.loads(line) for line in (self.home / "sightings.jsonl").open()]
        own = [r for r in kept if re.search(rf"/(in|out)/{STEADY}\.txt$", r["path"])]
        with (home / "sightings.jsonl").open("w") as log:
            for record in kept:
                log.write(json.dumps(record) + "\n")
            for task in self.numbers[number]:
                for record in own:
                    changed = record | {"path": renumber(record["path"], task), "inode": task}
                    log.write(json.dumps(changed | {"sha256": f"{task:064x}"}) + "\n")

    def _write_submits(self) -> None:
        key = f"convert-{STEADY}"
        others = [r for r in self.submits if r["event"] in ("client", "collected")]
        (told,) = [r for r in self.submits if r["event"] == "workers"]
        (description,) = told["workers"].values()
        workers = {
            f"tcp://127.0.0.1:{n + 1}": description
            | {"nbrepro_worker": self._name(n), "host": f"host{n}"}
            for n in range(self.workers)
        }
        (sent,) = [r for r in self.submits if r["event"] == "submit" and key in r["keys"]]
        ran = [r for r in self.submits if r.get("key") == key]
        with (self.target / "submits.jsonl").open("w") as log:
            for record in (*others, told | {"workers": workers}):
                log.write(json.dumps(record) + "\n")
            for task in range(self.tasks):
                address = f"tcp://127.0.0.1:{task % self.workers + 1}"
                log.write(json.dumps(sent | {"keys": [f"convert-{task}"]}) + "\n")
                for record in ran:
                    changed = record | {"key": f"convert-{task}", "worker": address}
                    log.write(json.dumps(changed) + "\n")


def split_at_marks(lines: list[str]) -> tuple[list[str], list[str], list[str]]:
    """Split a trace into what precedes the tasks, one task's own lines, and what follows."""
    marks = [n for n, line in enumerate(lines) if "/task/" in line and "nbrepro-marker" in line]
    own = [n for n in marks if f"/convert-{STEADY}" in lines[n]]
    thread = lines[own[0]].split(" ", 1)[0]
    inside = lines[own[0] : own[1] + 1]
    block = [line for line in inside if line.split(" ", 1)[0] == thread]
    return lines[: marks[0]], block, lines[marks[-1] + 1 :]


def renumber(text: str, task: int) -> str:
    """Replace the recorded task's number by another."""
    text = text.replace(f"convert-{STEADY}", f"convert-{task}")
    return (
        re.sub(rf"/(in|out)/{STEADY}\.txt", rf"/\1/{task}.txt", text)
        .replace(f'"in/{STEADY}.txt"', f'"in/{task}.txt"')
        .replace(f'"out/{STEADY}.txt"', f'"out/{task}.txt"')
    )


def ingest_here(run: Path) -> Taken:
    """Ingest a run in this process, counting what it is made of."""
    from nbrepro.ingest import Evidence
    from nbrepro.model import Edge, Statement
    from nbrepro.rundir import RunDirectory
    from nbrepro.stores import open_store

    edges: Counter[str] = Counter()
    nodes: Counter[str] = Counter()
    shared: set[object] = set()
    own = repeated = 0

    def counted(statements: Iterator[Statement]) -> Iterator[Statement]:
        nonlocal own, repeated
        for statement in statements:
            is_edge = isinstance(statement, Edge)
            kind = statement.relation if is_edge else statement.kind
            if kind in SHARED:
                name = (statement.source, statement.target) if is_edge else statement.uid
                if name in shared:
                    repeated += 1
                    yield statement
                    continue
                shared.add(name)
            if is_edge:
                edges[statement.relation] += 1
                own += "/task/" in statement.source or "/task/" in statement.target
            else:
                nodes[statement.kind] += 1
            yield statement

    evidence = Evidence(RunDirectory(run))
    graph = evidence.graph()
    walked = spent()
    described, peak = walked, 0.0
    with open_store(run.parent / "store") as store:

        def told() -> Iterator[Statement]:
            nonlocal described, peak
            yield from counted(graph.statements())
            described, peak = spent(), peak_mb()

        store.load(evidence.manifest.run, evidence.manifest.uuid, told())
    sys.stderr.write(f"{dict(nodes)} {dict(edges)}\n")
    footprints = sum(edges[name] for name in SHARED)
    return Taken(walked, described - walked, spent() - described, peak, peak_mb(), nodes.total(),
                 edges.total(), own, footprints, repeated)  # fmt: skip


def spent() -> float:
    """Give the CPU seconds of this process and of its children that have ended."""
    return sum(os.times()[:4])


def peak_mb() -> float:
    """Give the most memory that this process or a child has had."""
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(who).ru_maxrss for who in whose) / 1024


def ingest_apart(run: Path) -> Taken:
    """Ingest a run in a child process."""
    words = [sys.executable, str(Path(__file__).resolve()), "--ingest", str(run)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, done.stderr[-3000:]
    sys.stderr.write(done.stderr)
    return Taken(**json.loads(done.stdout))


def measure(tasks: int, workers: int, base: Path) -> Taken:
    """Make a run of so many tasks below `base` and ingest it."""
    (base / "project").mkdir()
    recorded = record(base / "project")
    (base / "large").mkdir()
    Multiplied(recorded, base / "large" / recorded.name, tasks, workers).write()
    return ingest_apart(base / "large" / recorded.name)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=10)
    parser.add_argument("--ingest", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--markdown", action="store_true")
    arguments = parser.parse_args()
    if arguments.ingest:
        print(json.dumps(asdict(ingest_here(arguments.ingest))))
        return
    with tempfile.TemporaryDirectory() as base:
        taken = measure(arguments.tasks, arguments.workers, Path(base).resolve())
    row = {
        "tasks": f"{arguments.tasks:,}", "workers": f"{arguments.workers}",
        "walk, CPU s": f"{taken.walk_s:.1f}",
        "describe and spool, CPU s": f"{taken.describe_s:.1f}",
        "load, CPU s": f"{taken.load_s:.1f}", "peak before the load, MB": f"{taken.peak_mb:.0f}",
        "peak, MB": f"{taken.peak_with_load_mb:.0f}",
        "statements": f"{taken.nodes + taken.edges + taken.repeated:,}",
        "nodes": f"{taken.nodes:,}", "edges": f"{taken.edges:,}",
        "own edges": f"{taken.own_edges:,}", "edges / own": f"{taken.edges / taken.own_edges:.2f}",
        "of footprints": f"{taken.footprint_edges / taken.edges:.1%}",
        "said again": f"{taken.repeated:,}",
    }  # fmt: skip
    if arguments.markdown:
        print(f"| {' | '.join(row)} |\n|{'---|' * len(row)}\n| {' | '.join(row.values())} |")
    else:
        print("\n".join(f"{name}: {value}" for name, value in row.items()))


if __name__ == "__main__":
    main()
