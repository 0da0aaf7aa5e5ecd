"""What observing costs: the same notebook plain, under `nbrepro run`, and under plain `strace -f`.

    python tests/benchmarks/overhead.py [--rounds 5] [--notebook compute|imports]

The three ways alternate within a round, so that a machine which changes its speed changes all of
them; ratios are within a round, against the plain way of that round. CPU is user + system time
of every process that existed: this program is the subreaper of what it starts, so that a tracer
which detached itself is waited for, and counted, too. The kernel's own share is what the notebook's
last cell says of itself and its children.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import signal
import statistics
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat

from nbrepro.rundir import RunDirectory, open_trace

DATA = Path(__file__).parents[2] / "notebooks" / "data" / "climate"
LIMIT_S = 600
WAYS = ("plain", "nbrepro", "strace -f")

COMPUTE = [
    "import numpy as np\nrandom = np.random.default_rng(7)",
    """
    matrix = random.standard_normal((900, 900))
    symmetric = matrix @ matrix.T
    values = np.linalg.eigvalsh(symmetric)
    """,
    "singular = [np.linalg.svd(random.standard_normal((500, 500)))[1].sum() for _ in range(6)]",
    "solved = [np.linalg.solve(symmetric, matrix).trace() for _ in range(24)]",
    """
    total = 0.0
    for index in range(9_000_000):
        total += index % 7
    """,
]
IMPORTS = [
    "import json, sqlite3, xml.dom.minidom, urllib.request, email.mime.text, multiprocessing",
    "import numpy as np",
    "import pandas as pd",
    "import matplotlib.pyplot as plt",
    "import netCDF4",
    "import h5py, uproot, yaml, PIL.Image",
    """
    from pathlib import Path
    frames = [pd.read_csv(path) for path in sorted(Path(DATA).glob("*.csv"))]
    plt.plot(frames[0]["TMAX"])
    plt.savefig("figure.png")
    """,
]
ACCOUNT = """
import json, resource
spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
with open("cpu.json", "w") as file:
    json.dump(sum(one.ru_utime + one.ru_stime for one in spent), file)
"""
PLAIN = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=600, kernel_name=sys.argv[2]).execute()
"""


@dataclass(frozen=True)
class Cost:
    """Seconds: the whole command's wall clock, and CPU of all, of the kernel and of tracers."""

    wall: float
    cpu: float
    kernel: float
    tracer: float
    run: float = 0.0
    processing: float = 0.0


def write_notebook(path: Path, sources: list[str]) -> None:
    cells = [f"DATA = {str(DATA)!r}", *sources, ACCOUNT]
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [
        nbformat.v4.new_code_cell(textwrap.dedent(source).strip(), id=f"cell-{number}")
        for number, source in enumerate(cells, 1)
    ]
    nbformat.write(notebook, path)


def write_kernelspecs(folder: Path) -> None:
    """Write the kernels `plain` and `straced`, which differ in the tracer only."""
    launch = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    trace = ["strace", "-f", "-o", str(folder / "all.strace")]
    for name, argv in (("plain", launch), ("straced", trace + launch)):
        spec = folder / "kernels" / name / "kernel.json"
        spec.parent.mkdir(parents=True)
        spec.write_text(json.dumps({"argv": argv, "display_name": name, "language": "python"}))


def adopt_orphans() -> None:
    """Become the parent of every descendant whose parent ends (PR_SET_CHILD_SUBREAPER)."""
    if ctypes.CDLL(None, use_errno=True).prctl(36, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def reaped() -> Iterator[tuple[int, str, int, float]]:
    """Yield pid, name, exit code and CPU seconds of every child as it ends, until there is none."""
    with contextlib.suppress(ChildProcessError):
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT):
            name = Path(f"/proc/{ended.si_pid}/comm").read_text().strip()
            pid, status, usage = os.wait4(ended.si_pid, 0)
            exit_code = os.waitstatus_to_exitcode(status)
            yield pid, name, exit_code, usage.ru_utime + usage.ru_stime


def measure(command: list[str], folder: Path, environment: dict[str, str]) -> Cost:
    with (folder / "log").open("ab") as log:
        begin = time.monotonic()
        actions = [(os.POSIX_SPAWN_DUP2, log.fileno(), 1), (os.POSIX_SPAWN_DUP2, log.fileno(), 2)]
        leader = os.posix_spawn(command[0], command, environment, file_actions=actions)
    signal.alarm(LIMIT_S)
    wall = cpu = tracer = 0.0
    for pid, name, status, seconds in reaped():
        if status and name != "strace":
            said = (folder / "log").read_text(errors="replace")[-2000:]
            raise SystemExit(f"{said}\n{name} ({pid}) ended with {status}")
        cpu += seconds
        tracer += seconds if name == "strace" else 0.0
        wall = time.monotonic() - begin if pid == leader else wall
    ended_ns = time.time_ns()
    signal.alarm(0)
    kernel = json.loads((folder / "cpu.json").read_text())
    return Cost(wall, cpu, kernel, tracer, *read_times(folder, ended_ns))


def read_times(folder: Path, ended_ns: int) -> tuple[float, float]:
    """Give the newest run's seconds to the kernel's end, and from there to the command's end.

    The kernel's end is the time stamp of the last line of the trace.
    """
    found = sorted(folder.glob(".nbrepro/runs/*"), key=lambda path: path.stat().st_mtime)
    if not found:
        return 0.0, 0.0
    directory = RunDirectory(found[-1])
    with open_trace(directory.trace_paths()[0]) as trace:
        stamp = float(trace.read().splitlines()[-1].split()[1])
    return stamp - directory.read_manifest().started_ns / 1e9, ended_ns / 1e9 - stamp


def rounds(sources: list[str], count: int, folder: Path) -> Iterator[dict[str, Cost]]:
    """Yield the costs of the three ways, a round at a time; a first round warms up unseen."""
    write_kernelspecs(folder)
    environment = os.environ | {
        "JUPYTER_PATH": str(folder),
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MPLBACKEND": "agg",
    }
    commands = {}
    for way in WAYS:
        place = folder / way.replace(" ", "")
        place.mkdir()
        write_notebook(place / "notebook.ipynb", sources)
        commands[way] = (place, command_of(way, "notebook.ipynb"))
    for number in range(count + 1):
        costs = {}
        # Every way goes first in turn: none always meets the machine as another left it.
        for way in WAYS[number % len(WAYS) :] + WAYS[: number % len(WAYS)]:
            place, command = commands[way]
            os.chdir(place)
            costs[way] = measure(command, place, environment)
        if number:
            yield costs


def command_of(way: str, notebook: str) -> list[str]:
    if way == "nbrepro":
        return [sys.executable, "-m", "nbrepro", "run", notebook, "--kernel", "plain"]
    kernel = "plain" if way == "plain" else "straced"
    return [sys.executable, "-c", PLAIN, notebook, kernel]


def watched(cost: Cost, plain: Cost) -> float:
    """Give the CPU of the kernel and of what watches it.

    A tracer that is the kernel's own parent is not seen apart: it is what the command took more
    than the plain way's starter of the kernel.
    """
    if cost.tracer:
        return cost.kernel + cost.tracer
    return cost.cpu - (plain.cpu - plain.kernel)


def ratios(results: list[dict[str, Cost]], way: str, cost: Callable[[Cost, Cost], float]) -> str:
    """Give the median, least and greatest ratio to the plain way, and that of the least costs.

    The least costs are what the machine did when nothing else disturbed it.
    """
    pairs = [(cost(c[way], c["plain"]), cost(c["plain"], c["plain"])) for c in results]
    values = [mine / plain for mine, plain in pairs]
    least = min(mine for mine, _ in pairs) / min(plain for _, plain in pairs)
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f}), {least:.2f}"


def report(title: str, results: list[dict[str, Cost]]) -> None:
    plain = statistics.median(costs["plain"].kernel for costs in results)
    print(f"\n### {title}: {plain:.1f} s CPU of the plain kernel, {len(results)} rounds\n")
    print("| way | kernel CPU | kernel + tracer CPU | all CPU | wall |")
    print("|---|---|---|---|---|")
    columns = (lambda c, _: c.kernel, watched, lambda c, _: c.cpu, lambda c, _: c.wall)
    for way in WAYS[1:]:
        print(f"| {way} | " + " | ".join(ratios(results, way, one) for one in columns) + " |")
    share = [100 * c["nbrepro"].processing / c["nbrepro"].run for c in results]
    spent = [c["nbrepro"].processing for c in results]
    print(f"\nprocessing after the run: {statistics.median(share):.0f} % of the run's time "
          f"({min(share):.0f}-{max(share):.0f}), {statistics.median(spent):.1f} s")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--notebook", choices=["compute", "imports"])
    arguments = parser.parse_args()
    adopt_orphans()
    for title, sources in (("compute", COMPUTE), ("imports", IMPORTS)):
        if arguments.notebook in (None, title):
            with tempfile.TemporaryDirectory() as folder:
                report(title, list(rounds(sources, arguments.rounds, Path(folder))))
                os.chdir("/")


if __name__ == "__main__":
    main()
