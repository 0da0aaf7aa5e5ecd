"""How much CPU and memory exports take by the number of records, beside the library prov's.

python -m tests.benchmarks.export [RECORDS ...]

Each format is written in a process of its own: peak memory above that of a process that has the
modules loaded, and CPU seconds, of what writes the graph as it comes (statement by statement).
`prov` makes its document of the same statements and serializes it.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator

from nbrepro.model import Statement
from tests.graphs import GraphMaker

OURS = ("prov-json", "prov-n", "prov-xml", "nquads", "trig", "turtle", "json-ld", "cyclonedx",
        "html")  # fmt: skip
THEIRS = {"prov json": "json", "prov provn": "provn", "prov xml": "xml"}
TOO_LARGE = 200_000
"""prov is not asked for more: it takes a gigabyte for a hundred thousand."""

FILES = 300


def graph(records: int) -> Iterator[Statement]:
    """Yield the statements of a run cell by cell: five records for a file, with its reader."""
    maker = GraphMaker()
    maker.start("/home/u/project/book.ipynb")
    packages = [maker.package(f"package{number}") for number in range(40)]
    members = [maker.software(f"/lib/p/m{n}.py", packages[n % 40]) for n in range(1000)]
    cell, given = 0, 0
    while given < records:
        cell += 1
        activity = maker.cell(cell)
        if cell == 1:
            maker.footprint(activity, members)
        for number in range(FILES):
            version = maker.file(f"/home/u/project/{cell}/{number}.csv", f"{cell} {number}")
            maker.writes(activity, version, 1.0)
            maker.reads(activity, version, 1.1)
        given += len(maker.statements)
        yield from maker.statements
        maker.statements.clear()
        maker._known.clear()


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(name: str, records: int) -> dict[str, float]:
    """Write one format; give CPU seconds, MiB of peak memory above the start, records, bytes."""
    import nbrepro.export.documents as documents
    from nbrepro.export.extract import Extract
    from nbrepro.export.writers import FORMATS

    if name in THEIRS:
        import prov.model  # noqa: F401
    else:
        __import__(f"nbrepro.export.{FORMATS[name].home}")
    before, start = peak_mib(), time.process_time()
    with open("/dev/null", "wb") as nowhere:
        if name in THEIRS:
            document = documents.make_document(graph(records))
            count = len(list(document.get_records()))
            nowhere.write(document.serialize(format=THEIRS[name]).encode())
        else:
            with Extract(graph(records), unique=True) as extract:
                count = len(extract)
                FORMATS[name].write(extract, nowhere)
    return {"cpu": time.process_time() - start, "mib": peak_mib() - before, "records": count}


def making(records: int) -> float:
    """Give the CPU seconds that making the statements takes by itself."""
    start = time.process_time()
    for _ in graph(records):
        pass
    return time.process_time() - start


def main(sizes: list[int]) -> None:
    for size in sizes:
        base = making(size)
        print(f"\n{size} records asked; {base:.2f} s of each time below is making them")
        print(f"{'format':<12}{'records':>9}{'CPU':>9}{'own':>9}{'records/s':>11}{'peak':>9}")
        for name in (*OURS, *(THEIRS if size <= TOO_LARGE else ())):
            command = [sys.executable, "-m", __spec__.name, "--one", name, str(size)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found = json.loads(done.stdout)
            own = found["cpu"] - base
            count, rate = found["records"], found["records"] / own
            print(f"{name:<12}{count:>9}{found['cpu']:>8.2f}s{own:>8.2f}s{rate:>11.0f}"
                  f"{found['mib']:>5.0f} MiB", flush=True)  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(sys.argv[2], int(sys.argv[3]))))
    else:
        main([int(size) for size in sys.argv[1:]] or [100_000, 1_000_000])
