"""Steps, tools and actions of a Provenance Run Crate: a notebook's cells and what they did."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from nbrepro.export.crate_files import CrateFiles
from nbrepro.export.extract import Extract
from nbrepro.model import Node
from nbrepro.stores.rdf import literal_text

Entity = dict[str, Any]

_STATUS = {
    "ok": "http://schema.org/CompletedActionStatus",
    "failed": "http://schema.org/FailedActionStatus",
    "running": "http://schema.org/ActiveActionStatus",
}
_ENGINE, _RUN, _ORGANIZE = "#engine", "#run", "#organize"


class Actions:
    """What was done in a run, as a crate says it."""

    def __init__(self, extract: Extract, files: CrateFiles, notebook: str) -> None:
        self._extract = extract
        self._files = files
        self._notebook = notebook
        activities = list(extract.nodes("Activity"))
        self._executions = [node for node in activities if node.kind == "CellExecution"]
        self._tasks = [node for node in activities if node.kind == "Task"]
        self._cells = [node for node in extract.nodes("Entity") if node.kind == "Cell"]
        self._used: dict[str, dict[str, None]] = defaultdict(dict)
        self._made: dict[str, dict[str, None]] = defaultdict(dict)
        self._gone = {edge.source for edge in extract.edges("wasInvalidatedBy")}
        for edge in extract.edges("used"):
            if files.find(edge.target):
                self._used[edge.source][edge.target] = None
        for edge in extract.edges("wasGeneratedBy"):
            if files.find(edge.source):
                self._made[edge.target][edge.source] = None
        self._values = _values(extract)

    def steps(self) -> Iterator[str]:
        """Name the steps."""
        return (f"#step/{_position(cell)}" for cell in self._cells)

    def tools(self) -> Iterator[str]:
        """Name the tools: the code of each cell, and the functions of tasks."""
        yield from (f"#code/{_position(cell)}" for cell in self._cells)
        yield from dict.fromkeys(_function(task) for task in self._tasks)

    def _inputs(self) -> list[str]:
        """Give the files that the run took and did not make."""
        made = {uid for versions in self._made.values() for uid in versions}
        return list(
            dict.fromkeys(uid for used in self._used.values() for uid in used if uid not in made)
        )

    def _outputs(self) -> list[str]:
        """Give the files that the run made and left."""
        made = dict.fromkeys(uid for versions in self._made.values() for uid in versions)
        return [uid for uid in made if uid not in self._gone]

    def parameters(self, way: str) -> Iterator[str]:
        """Name the formal parameters of one way, `input` or `output`."""
        chosen = self._inputs() if way == "input" else self._outputs()
        yield from (f"#{way}/{number}" for number, _ in enumerate(chosen, 1))
        if way == "input":
            yield from (f"#parameter/{number}" for number, _ in enumerate(self._values, 1))

    def entities(self) -> Iterator[Entity]:
        """Yield all of it."""
        yield from self._formal_parameters()
        for cell in self._cells:
            yield from _step(cell)
        for task in {_function(task): task for task in self._tasks}.values():
            name = str(task.properties.get("function") or "unknown function")
            yield {"@id": _function(task), "@type": "SoftwareApplication", "name": name}
        yield self._run()
        yield from self._organization()
        for node in self._executions:
            yield self._action(node, f"#code/{node.properties.get('cell')}")
        for node in self._tasks:
            yield self._action(node, _function(node))

    def _formal_parameters(self) -> Iterator[Entity]:
        for way, chosen in (("input", self._inputs()), ("output", self._outputs())):
            for number, uid in enumerate(chosen, 1):
                yield {
                    "@id": f"#{way}/{number}",
                    "@type": "FormalParameter",
                    "additionalType": "File",
                    "name": self._files.name(uid),
                    "workExample": {"@id": self._files.find(uid)},
                }
        for number, (name, value) in enumerate(self._values, 1):
            yield {
                "@id": f"#parameter/{number}",
                "@type": "FormalParameter",
                "additionalType": "Text",
                "name": name,
                "workExample": {"@id": f"#value/{number}"},
            }
            yield {"@id": f"#value/{number}", "@type": "PropertyValue", "name": name,
                   "value": value, "exampleOfWork": {"@id": f"#parameter/{number}"}}  # fmt: skip

    def _run(self) -> Entity:
        values = [f"#value/{number}" for number, _ in enumerate(self._values, 1)]
        given = self._extract.run
        return {
            "@id": _RUN,
            "@type": "CreateAction",
            "name": literal_text(f"run {given.get('run', '')}"),
            "instrument": {"@id": self._notebook},
            "object": refer([*self._ids(self._inputs()), *values]),
            "result": refer(self._ids(self._outputs())),
            **_times(given),
        }

    def _organization(self) -> Iterator[Entity]:
        kernel = next((n for n in self._extract.nodes("Agent") if n.kind == "Kernel"), None)
        given = kernel.properties if kernel else {}
        yield {
            "@id": _ENGINE,
            "@type": "SoftwareApplication",
            "name": literal_text(f"Jupyter kernel {given.get('name', '')}".strip()),
            **({"softwareVersion": str(given["version"])} if given.get("version") else {}),
        }
        controls = [_name("#control", node) for node in self._executions]
        if not controls:
            return
        yield {
            "@id": _ORGANIZE,
            "@type": "OrganizeAction",
            "name": "the kernel ran the cells",
            "instrument": {"@id": _ENGINE},
            "object": refer(controls),
            "result": {"@id": _RUN},
            **_times(self._extract.run),
        }
        for node in self._executions:
            yield {
                "@id": _name("#control", node),
                "@type": "ControlAction",
                "name": f"orchestrate cell {node.properties.get('cell')}",
                "instrument": {"@id": f"#step/{node.properties.get('cell')}"},
                "object": {"@id": _name("#action", node)},
            }

    def _action(self, node: Node, tool: str) -> Entity:
        given = node.properties
        error = given.get("error")
        return {
            "@id": _name("#action", node),
            "@type": "CreateAction",
            "name": literal_text(str(given.get("label") or given.get("task") or node.uid)),
            "instrument": {"@id": tool},
            "object": refer(self._ids(self._used.get(node.uid, ()))),
            "result": refer(self._ids(self._made.get(node.uid, ()))),
            **_times(given),
            **({"error": literal_text(str(error))} if error else {}),
        }

    def _ids(self, uids: Iterable[str]) -> Iterator[str]:
        return (found for uid in uids if (found := self._files.find(uid)))


def refer(ids: Iterable[str]) -> Entity | list[Entity]:
    """Give references; one stands by itself, as readers of crates expect."""
    found = [{"@id": one} for one in ids]
    return found[0] if len(found) == 1 else found


def _values(extract: Extract) -> list[tuple[str, str]]:
    """Give the parameters that the run was given, with their values as text."""
    given = json.loads(str(extract.run.get("parameters") or "{}"))
    return [(name, literal_text(json.dumps(value))) for name, value in sorted(given.items())]


def _step(cell: Node) -> Iterator[Entity]:
    position = _position(cell)
    yield {
        "@id": f"#step/{position}",
        "@type": "HowToStep",
        "position": position,
        "name": f"cell {position}",
        "workExample": {"@id": f"#code/{position}"},
    }
    yield {
        "@id": f"#code/{position}",
        "@type": "SoftwareSourceCode",
        "name": f"code of cell {position}",
        "identifier": literal_text(str(cell.properties.get("cell_id", ""))),
        "text": literal_text(str(cell.properties.get("source", ""))),
        "programmingLanguage": {"@id": "#language"},
    }


def _position(cell: Node) -> str:
    return str(cell.properties.get("position", ""))


def _function(task: Node) -> str:
    name = str(task.properties.get("function") or "unknown")
    return "#function/" + "".join(c if c.isalnum() and c.isascii() else "-" for c in name)


def _name(prefix: str, node: Node) -> str:
    """Name an action by the run-scoped end of its IRI."""
    return f"{prefix}/{'/'.join(node.uid.split('/')[3:])}"


def _times(given: Any) -> Entity:
    found = {
        name: f"{str(given[key])[:26]}Z"
        for name, key in (("startTime", "started"), ("endTime", "ended"))
        if given.get(key)
    }
    status = _STATUS.get(str(given.get("status", "")), "http://schema.org/FailedActionStatus")
    return {**found, "actionStatus": status}
