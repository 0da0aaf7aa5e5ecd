"""Graphs for tests and benchmarks: what the provenance stage would say about a made-up run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from hypothesis import strategies as st

from nbrepro.model import Edge, Node, Statement, Value
from nbrepro.vocabulary import content_iri, footprint_iri, run_iri, software_file_iri

START_NS = 1_795_380_301_000_000_000


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def time_text(seconds: float) -> str:
    """Give a time some seconds into 22 November 2026, 20:45:01, in the graph's form."""
    whole = int(seconds)
    minutes, second = divmod(whole + 1, 60)
    hours, minute = divmod(minutes + 45, 60)
    fraction = round((seconds - whole) * 10**9)
    return f"2026-11-22T{20 + hours:02}:{minute:02}:{second:02}.{fraction:09}Z"


@dataclass
class GraphMaker:
    """Builds the statements of one run by the graph's contract, in a few words a fact."""

    run: str = "20261122-204501-demo"
    number: int = 1
    host: str = "h1"
    statements: list[Statement] = field(default_factory=list)
    _edges: int = 0
    _files: int = 0
    _known: set[str] = field(default_factory=set)

    @property
    def uuid(self) -> str:
        return str(UUID(int=0xABCDEF << 96 | self.number))

    @property
    def base(self) -> str:
        return run_iri(self.uuid)

    def node(self, uid: str, kind: str, /, **properties: Value) -> str:
        if uid not in self._known:
            self._known.add(uid)
            self.statements.append(Node(uid, kind, properties))
        return uid

    def scoped(self, part: str, what: str, /, **properties: Value) -> str:
        return self.node(self.base + part, what, run=self.run, **properties)

    def edge(self, relation: str, source: str, to: str, /, **properties: Value) -> None:
        uid = ""
        if properties:
            self._edges += 1
            uid = f"{self.base}edge/{self._edges}"
        self.statements.append(Edge(relation, source, to, uid, properties))

    def start(self, notebook: str = "/p/a.ipynb", status: str = "ok", **more: Value) -> None:
        """Say the run itself, its notebook, kernel and host, and the kernel's own session."""
        self.scoped(
            "", "Run", uuid=self.uuid, notebook=notebook, status=status,
            started=time_text(self.number), ended=time_text(self.number + 60), seconds=60.0,
            host=self.host, tracer="strace", cells=2, lines=10, events=8, ignored=1, unparsed=0,
            unattributed=0, notebook_sha256=sha256(notebook), source_digest=sha256("s"),
            logical_key="run-key", **more,
        )  # fmt: skip
        book = self.scoped(
            "notebook", "Notebook", path=notebook, sha256=sha256(notebook),
            source_digest=sha256("s"), logical_key="notebook-key",
        )  # fmt: skip
        kernel = self.scoped(
            "kernel", "Kernel", name="python3", language="python", version="3.12",
            executable="/usr/bin/python3", pid=10,
        )  # fmt: skip
        host = self.scoped(
            f"host/{self.host}", "Host", name=self.host, system="Linux", release="6.1",
            distribution="Debian 12", machine="x86_64", cpus=2,
        )  # fmt: skip
        session = self.scoped("session", "Session", label="the kernel itself")
        self.edge("atLocation", kernel, host)
        self.edge("wasAssociatedWith", self.base, kernel, plan=book)
        self.edge("partOfRun", session, self.base)

    def cell(self, execution: int, position: int | None = None, source: str = "x = 1",
             seconds: float = 1.0, status: str = "ok", processes: int = 0) -> str:  # fmt: skip
        """Say one execution of a cell, by default of the cell at the same position."""
        position = execution if position is None else position
        cell_id = f"cell-{position}"
        cell = self.scoped(
            f"cell/{position}", "Cell", position=position, cell_id=cell_id, source=source,
            source_digest=sha256(source), logical_key=f"cell-key-{position}",
        )  # fmt: skip
        activity = self.scoped(
            f"execution/{execution}", "CellExecution", execution=execution, cell=position,
            cell_id=cell_id, execution_count=execution, status=status,
            started=time_text(10.0 * execution), ended=time_text(10.0 * execution + seconds),
            seconds=seconds, processes=processes, label=f"cell {position}",
            logical_key=f"execution-key-{execution}",
            **({"error": "ValueError: no"} if status == "failed" else {}),
        )  # fmt: skip
        self.edge("isStepOfPlan", cell, self.base + "notebook")
        self.edge("correspondsToStep", activity, cell)
        self.edge("partOfRun", activity, self.base)
        self.edge("wasAssociatedWith", activity, self.base + "kernel", plan=cell)
        if execution > 1:
            self.edge("wasInformedBy", activity, f"{self.base}execution/{execution - 1}")
        return activity

    @property
    def session(self) -> str:
        return self.base + "session"

    def file(self, path: str, content: str | None = "content", role: str = "data",
             rule: str = "project-data", kind: str = "file") -> str:  # fmt: skip
        """Say one version of a file; without content it is undigested."""
        self._files += 1
        found: dict[str, Value] = {"undigested": "not looked at"}
        if content is not None:
            found = {"sha256": sha256(content), "size": len(content)}
        elif kind != "file":
            found = {"undigested": f"is a {kind}"}
        version = self.scoped(
            f"file/{self._files}", "FileVersion", path=path, root="project",
            relative_path=path.rpartition("/")[2], kind=kind, role=role, rule=rule,
            logical_key=f"file-key-{path}", mtime_ns=START_NS, **found,
        )  # fmt: skip
        if content is not None:
            digest = sha256(content)
            known = self.node(content_iri(digest), "Content", sha256=digest)
            self.edge("specializationOf", version, known)
        return version

    def access(self, mode: str, at: float, role: str = "data", rule: str = "project-data",
               **more: Value) -> dict[str, Value]:  # fmt: skip
        return {
            "mode": mode, "named": "n.csv", "role": role, "rule": rule, "evidence": "mark",
            "certainty": "exact", "process": "10 /usr/bin/python3", "host": self.host,
            "accesses": 1, "at": time_text(at),
        } | more  # fmt: skip

    def reads(self, activity: str, version: str, at: float, mode: str = "read",
              **more: Value) -> None:  # fmt: skip
        self.edge("used", activity, version, **self.access(mode, at, **more))

    def writes(self, activity: str, version: str, at: float, mode: str = "write",
               **more: Value) -> None:  # fmt: skip
        self.edge("wasGeneratedBy", version, activity, **self.access(mode, at, **more))

    def removes(self, activity: str, version: str, at: float, mode: str = "remove",
                **more: Value) -> None:  # fmt: skip
        self.edge("wasInvalidatedBy", version, activity, **self.access(mode, at, **more))

    def setting(self, activity: str, name: str, value: str | None) -> None:
        """Say that an activity read a name of the environment, which None leaves unset."""
        said: dict[str, Value] = {"state": "unset"}
        if value is not None:
            said = {"state": "set", "value": value, "relative_value": value}
        setting = self.scoped(
            f"setting/{name}", "Setting", name=name, logical_key=f"setting-key-{name}", **said
        )
        self.edge("used", activity, setting)

    def connects(self, activity: str, address: str, port: int, at: float) -> None:
        name = f"endpoint/{self._edges + 1}"
        endpoint = self.scoped(
            name, "Endpoint", address=address, port=port, role="network", rule="connect"
        )
        more = {"named": f"{address}:{port}"}
        self.edge(
            "used", activity, endpoint, **self.access("connect", at, "network", "connect", **more)
        )

    def package(self, name: str, version: str = "1.0", manager: str = "pip") -> str:
        purl = f"pkg:{'pypi' if manager == 'pip' else 'deb/debian'}/{name}@{version}"
        return self.node(
            purl, "Package", name=name, version=version, manager=manager, purl=purl,
            location="/lib/site", record_digest=sha256(purl),
        )  # fmt: skip

    def software(self, path: str, package: str = "", role: str = "package",
                 rule: str = "owned-by-package") -> str:  # fmt: skip
        uid = software_file_iri(sha256(path + "\0" + package))
        known = uid in self._known
        self.node(uid, "SoftwareFile", path=path, role=role, rule=rule)
        if package and not known:
            self.edge("ofPackage", uid, package)
        return uid

    def footprint(self, activity: str, members: list[str]) -> str:
        digest = sha256("\n".join(sorted(members)))
        uid = footprint_iri(digest)
        known = uid in self._known
        self.node(uid, "Footprint", digest=digest, files=len(members))
        if not known:
            for member in sorted(members):
                self.edge("hadMember", uid, member)
        self.statements.append(Edge("used", activity, uid, "", {"mode": "footprint"}))
        return uid


def plausible_run(number: int, cells: int = 20, data_files: int = 10, software: int = 2000,
                  packages: int = 40) -> GraphMaker:  # fmt: skip
    """Make a run as a notebook gives it: every cell reads and writes data, some import packages.

    The software is the same in every run; data paths too, their contents differ by run.
    """
    maker = GraphMaker(run=f"20261122-204501-{number:05}", number=number)
    maker.start(notebook=f"/home/u/project/book{number % 7}.ipynb")
    owners = [maker.package(f"package{i}") for i in range(packages)]
    files = [
        maker.software(f"/usr/lib/python3/site/p{i % packages}/m{i}.py", owners[i % packages])
        for i in range(software)
    ]
    half = software // 2
    maker.footprint(maker.session, files[:half])
    last = maker.file("/home/u/project/in.csv", f"in {number}")
    for execution in range(1, cells + 1):
        activity = maker.cell(execution, source=f"step({execution})", seconds=execution / 10)
        if execution % 4 == 1:
            maker.footprint(activity, files[half // execution :])
        at = 10.0 * execution
        maker.reads(activity, last, at)
        for index in range(data_files - 1):
            version = maker.file(
                f"/home/u/project/out/{execution}/{index}.csv", f"{number} {execution} {index}"
            )
            maker.writes(activity, version, at + 0.01 * index)
            maker.edge("wasDerivedFrom", version, last)
        last = version
    return maker


def plausible_runs(count: int) -> Iterator[GraphMaker]:
    for number in range(1, count + 1):
        yield plausible_run(number)


NEWLINE = "/p/a\nb 'c' \"d\" \\u0022 {e} é☃.csv"
NOT_UTF8 = "/p/\udcff\udc80.bin"


def demo(run: str = "20261122-204501-demo", number: int = 1) -> GraphMaker:
    """Make a small run by hand, with one of everything that a question asks about.

    The kernel reads a setting. Cell 1 reads in.csv, writes out.csv and connects; cell 2 reads
    out.csv, updates a database, renames part.tmp to final.csv and removes in.csv; then cell 1 runs
    again, reads two oddly named files, and fails.
    """
    maker = GraphMaker(run=run, number=number)
    maker.start()
    numpy = maker.package("numpy", "2.1.0")
    libc = maker.package("libc6", "2.36-9", "dpkg")
    members = [
        maker.software("/lib/site/numpy/__init__.py", numpy),
        maker.software("/lib/site/numpy/core.so", numpy),
        maker.software("/lib/libc.so.6", libc, "system", "owned-by-dpkg"),
        maker.software("/opt/x.so", "", "unresolved", "nobody-owns"),
    ]
    maker.footprint(maker.session, members[2:3])
    settings = maker.file("/p/settings.toml", "s", "config", "configuration-suffix")
    maker.reads(maker.session, settings, 1.0, role="config", rule="configuration-suffix")

    first = maker.cell(1, source="a = read()", seconds=2.0)
    maker.footprint(first, members)
    given = maker.file("/p/in.csv", "in")
    maker.reads(first, given, 10.5, named="in.csv", accesses=3)
    out = maker.file("/p/out.csv", "out")
    maker.writes(first, out, 11.0, process="11 /bin/sh", evidence="inherited")
    maker.edge("wasDerivedFrom", out, given)
    maker.connects(first, "10.0.0.1", 443, 11.5)
    maker.setting(first, "LANG", "C.UTF-8")
    maker.setting(maker.session, "TZ", None)
    iris = maker.file("/lib/site/numpy/iris.csv", "iris", "package-data", "owned-by-package")
    maker.edge("ofPackage", iris, numpy)
    maker.reads(first, iris, 11.7, role="package-data", rule="owned-by-package")

    second = maker.cell(2, source="b = a", processes=1)
    maker.reads(second, out, 20.1)
    before, after = maker.file("/p/db.sqlite", "old"), maker.file("/p/db.sqlite", "new")
    maker.reads(second, before, 20.2, "read-write")
    maker.writes(second, after, 20.2, "read-write")
    maker.edge("wasRevisionOf", after, before)
    part, final = maker.file("/p/part.tmp", "final"), maker.file("/p/final.csv", "final")
    maker.writes(second, part, 20.3)
    maker.edge("wasDerivedFrom", part, out)
    maker.removes(second, part, 20.4, "rename", target="/p/final.csv")
    maker.writes(second, final, 20.4)
    maker.edge("wasDerivedFrom", final, part)
    maker.removes(second, given, 20.5)

    again = maker.cell(3, position=1, source="a = read()", seconds=0.5, status="failed")
    maker.reads(again, maker.file(NEWLINE, "odd"), 30.1, named="a\nb")
    maker.reads(
        again, maker.file(NOT_UTF8, None), 30.2, named="\udcff\udc80.bin", certainty="inferred",
        evidence="handle",
    )  # fmt: skip
    return maker


_TEXTS = st.text(st.characters(exclude_categories=()), max_size=30)
_VALUES = {
    "path": _TEXTS, "named": _TEXTS, "size": st.integers(0, 2**80),
    "role": st.sampled_from(["data"]),
    "seconds": st.floats(allow_nan=False), "probed": st.booleans(),
    "at": st.datetimes().map(lambda t: t.strftime("%Y-%m-%dT%H:%M:%S.%f000Z").rjust(30, "0")),
}  # fmt: skip


@st.composite
def graph_statements(draw: st.DrawFn) -> list[Statement]:
    """Draw run-scoped statements with properties of every type, for the run of a GraphMaker."""
    base = GraphMaker().base
    properties = st.fixed_dictionaries({}, optional=_VALUES)
    of_run = properties.map(lambda drawn: drawn | {"run": GraphMaker().run})
    files = [f"{base}file/{number}" for number in range(draw(st.integers(1, 4)))]
    nodes = [Node(uid, "FileVersion", draw(of_run)) for uid in files]
    relations = st.sampled_from(["wasDerivedFrom", "wasRevisionOf", "specializationOf"])
    count = draw(st.integers(0, 6))
    edges = [
        Edge(draw(relations), draw(st.sampled_from(files)), draw(st.sampled_from(files)),
             draw(st.sampled_from(["", f"{base}edge/x{number}"])), draw(properties))
        for number in range(count)
    ]  # fmt: skip
    return [*nodes, *edges]
