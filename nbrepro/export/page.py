"""Write a run as one HTML page that needs nothing else: no script, no file, no network."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from nbrepro.errors import MachineError
from nbrepro.export.extract import Extract
from nbrepro.export.layered import Box, draw
from nbrepro.formats import to_duration, to_moment, to_size, visible
from nbrepro.lineage import LINEAGE_ROLES
from nbrepro.model import DATA_ROLES, Node, Role
from nbrepro.vocabulary import from_text

DRAWN_BOXES = 400
ROWS = 2000
"""Longer tables and larger drawings than these are for programs, and other formats."""

_CELL_ROWS = 200
_DRAWN = LINEAGE_ROLES - {Role.TEMPORARY}
_ACCESSES = {"used": "read", "wasGeneratedBy": "write", "wasInvalidatedBy": "remove"}


def write_page(extract: Extract, out: BinaryIO) -> None:
    """Write the extract as a page. Raises MachineError where Jinja is not installed."""
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
        from markupsafe import Markup
    except ImportError:
        raise MachineError(
            "the library jinja2 is not installed here; run: pip install jinja2"
        ) from None
    environment = Environment(
        loader=PackageLoader("nbrepro.export"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True,
    )  # fmt: skip
    told = _Told(extract)
    drawing = told.drawing()
    stream = environment.get_template("page.html").stream(
        about=_about(extract), cells=told.cells(), tasks=told.tasks[:ROWS],
        more_tasks=len(told.tasks[ROWS:]), files=told.files()[:ROWS],
        more_files=len(told.files()[ROWS:]), packages=_packages(extract),
        drawing=Markup(drawing),  # noqa: S704 (its texts were escaped as they were written)
        undrawn=f"More than {DRAWN_BOXES} cells and files: too many to draw.", writer=_writer(),
    )  # fmt: skip
    for piece in stream:
        out.write(piece.encode("utf-8", "replace"))


def _writer() -> str:
    import nbrepro

    return f"nbrepro {nbrepro.__version__}"


def _text(value: Any) -> str:
    return visible(from_text(str(value))) if value is not None else ""


def _about(extract: Extract) -> dict[str, str]:
    given: Any = extract.run.get
    path = from_text(str(given("notebook", "")))
    parameters = str(given("parameters", ""))
    host = next((node.properties for node in extract.nodes("Entity") if node.kind == "Host"), {})
    system = " ".join(str(host[name]) for name in ("distribution", "machine") if host.get(name))
    return {
        "notebook": visible(PurePosixPath(path).name) or "a notebook",
        "run": _text(given("run", "")),
        "status": _text(given("status", "")),
        "error": _text(given("error", "")),
        "started": to_moment(given("started")),
        "took": to_duration(given("seconds")),
        "where": ", ".join(filter(None, (_text(given("host", "")), system, visible(path)))),
        "tracer": _text(given("tracer", "")),
        "unseen": _text(given("tracer_unseen", "")),
        "parameters": "" if parameters in ("", "{}") else _text(parameters),
        "part": _text(given("part", "")),
        "redacted": _text(given("redacted", "")),
    }


def _packages(extract: Extract) -> list[dict[str, str]]:
    found = [
        {name: _text(p.properties.get(name, "")) for name in ("name", "version", "manager", "purl")}
        for p in extract.nodes("Entity")
        if p.kind == "Package"
    ]
    return sorted(found, key=lambda row: (row["name"].lower(), row["version"]))


class _Told:
    """What the page tells, gathered in a few passes over the extract."""

    def __init__(self, extract: Extract) -> None:
        self._activities = {
            node.uid: node
            for node in extract.nodes("Activity")
            if node.kind in ("CellExecution", "Task", "Session")
        }
        self._files = {n.uid: n for n in extract.nodes("Entity") if n.kind == "FileVersion"}
        self._sources = {
            node.properties.get("position"): str(node.properties.get("source", ""))
            for node in extract.nodes("Entity")
            if node.kind == "Cell"
        }
        self._accesses: dict[str, list[dict[str, str]]] = defaultdict(list)
        self._made: dict[str, dict[str, None]] = defaultdict(dict)
        self._used: dict[str, dict[str, None]] = defaultdict(dict)
        self._read_accesses(extract)
        self._packages = _packages_by_activity(extract)
        self.tasks = [_task(n) for n in self._activities.values() if n.kind == "Task"]

    def _read_accesses(self, extract: Extract) -> None:
        for edge in extract.edges(*_ACCESSES):
            used = edge.relation == "used"
            activity, file = (edge.source, edge.target) if used else (edge.target, edge.source)
            if file not in self._files or activity not in self._activities:
                continue
            if edge.relation != "wasInvalidatedBy":
                (self._used if used else self._made)[file][activity] = None
            if self._files[file].properties.get("role") in LINEAGE_ROLES:
                mode = edge.properties.get("mode") or _ACCESSES[edge.relation]
                self._accesses[activity].append(
                    {**_file(self._files[file]), "mode": _text(mode),
                     "evidence": _text(edge.properties.get("evidence", ""))}
                )  # fmt: skip

    def cells(self) -> Iterator[dict[str, Any]]:
        """Yield the executions of cells in order."""
        executions = [n for n in self._activities.values() if n.kind == "CellExecution"]
        for node in sorted(executions, key=lambda n: int(n.properties.get("execution", 0))):
            given: Any = node.properties.get
            rows = self._accesses[node.uid]
            source = self._sources.get(given("cell"), "").splitlines()
            yield {
                "position": _text(given("cell")),
                "execution": _text(given("execution")),
                "status": _text(given("status", "")),
                "error": _text(given("error", "")),
                "took": to_duration(given("seconds")),
                "source": "\n".join(visible(line.expandtabs(4)) for line in source),
                "accesses": rows[:_CELL_ROWS],
                "more": len(rows[_CELL_ROWS:]),
                "packages": sorted(self._packages.get(node.uid, ())),
            }

    def files(self) -> list[dict[str, str]]:
        """List the versions of data and settings, with who made and used them."""
        return [
            {**_file(node), "made": self._names(self._made[uid]),
             "used": self._names(self._used[uid])}
            for uid, node in self._files.items()
            if node.properties.get("role") in DATA_ROLES
        ]  # fmt: skip

    def _names(self, activities: Iterable[str]) -> str:
        return ", ".join(_name(self._activities[uid]) for uid in activities)

    def drawing(self) -> str:
        """Draw the lineage; empty where it would be too large."""
        shown = {
            uid: node
            for uid, node in self._files.items()
            if node.properties.get("role") in _DRAWN and (self._made[uid] or self._used[uid])
        }
        arrows = [(a, f) for f in shown for a in self._made[f]]
        arrows += [(f, a) for f in shown for a in self._used[f] if a not in self._made[f]]
        joined = {key for arrow in arrows for key in arrow}
        boxes = {u: _activity_box(n) for u, n in self._activities.items() if u in joined}
        boxes |= {uid: _file_box(node) for uid, node in shown.items() if uid in joined}
        return draw(boxes, arrows) if 0 < len(boxes) <= DRAWN_BOXES else ""


def _packages_by_activity(extract: Extract) -> dict[str, set[str]]:
    names = {
        p.uid: f"{_text(p.properties.get('name'))} {_text(p.properties.get('version', ''))}".strip()
        for p in extract.nodes("Entity")
        if p.kind == "Package"
    }
    of_file = {e.source: names.get(e.target, "") for e in extract.edges("ofPackage")}
    of_footprint: dict[str, set[str]] = defaultdict(set)
    for edge in extract.edges("hadMember"):
        if of_file.get(edge.target):
            of_footprint[edge.source].add(of_file[edge.target])
    found: dict[str, set[str]] = defaultdict(set)
    for edge in extract.edges("used"):
        found[edge.source] |= of_footprint.get(edge.target, set())
    return found


def _file(node: Node) -> dict[str, str]:
    given: Any = node.properties.get
    digest = given("sha256")
    return {
        "path": _text(given("path", "")),
        "role": _text(given("role", "")),
        "size": to_size(given("size")),
        "content": str(digest)[:12] if digest else f"unknown: {_text(given('undigested', ''))}",
    }


def _task(node: Node) -> dict[str, str]:
    names = ("task", "function", "cell", "worker", "status")
    found = {name: _text(node.properties.get(name, "")) for name in names}
    seconds: Any = node.properties.get("seconds")
    return {**found, "took": to_duration(seconds)}


def _name(node: Node) -> str:
    given: Any = node.properties.get
    if node.kind == "Task":
        return f"task {_text(given('task'))}"
    if node.kind == "Session":
        return "the kernel" if node.uid.endswith("/session") else "a worker"
    cell, execution = given("cell"), given("execution")
    return f"cell {cell}" + ("" if cell == execution else f" (execution {execution})")


def _activity_box(node: Node) -> Box:
    failed = " failed" if node.properties.get("status") == "failed" else ""
    return Box(_name(node), _name(node), f"cell{failed}")


def _file_box(node: Node) -> Box:
    path = _text(node.properties.get("path", ""))
    role = str(node.properties.get("role", ""))
    about = _file(node)
    return Box(
        PurePosixPath(path).name or path,
        f"{path}\n{role}, {about['size']}, {about['content']}",
        "file code" if role == "code" else "file",
    )
