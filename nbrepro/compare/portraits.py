"""Read from the statements of a run what a comparison needs: it wants a graph, no evidence."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from nbrepro.compare.values import (
    Activity,
    Build,
    FileUse,
    PackageUse,
    Portrait,
    SettingUse,
    TaskUse,
)
from nbrepro.model import Edge, Node, Statement
from nbrepro.outputs import normalise
from nbrepro.variables import find_needs

ANY_NAME = frozenset("*")
_COMPARED_ROLES = ("data", "config", "code")
_BYTE_CODE = re.compile(r"/(?:__pycache__/)([^/]+?)\.(?:cpython|pypy|graalpy)[^/]*\.pyc[^/]*\Z")
_MODULE = re.compile(r"/(?:site|dist)-packages/([^/]+)")
_SUFFIX = re.compile(r"\.(?:py|pyc|so|cpython-[^/]*|abi3\.so|pypy[^/]*)\Z")
_NATIVE = re.compile(r"openblas|libmkl|libgomp|libomp|libiomp|libblis|libatlas|libcblas|liblapack")
_INTERPRETER = re.compile(r"(lib)?(python|pypy)\d*(\.\d+)?t?(-minimal|-stdlib|-dev)?\Z")


def read_portrait(statements: Iterable[Statement]) -> Portrait:
    """Make the portrait of the one run whose statements these are.

    Raises KeyError where there is no run among them.
    """
    return _Reading(statements).portrait()


class _Reading:
    """The statements of a run, indexed."""

    def __init__(self, statements: Iterable[Statement]) -> None:
        self.nodes: dict[str, Node] = {}
        self.kinds: dict[str, list[Node]] = defaultdict(list)
        self.edges: dict[str, list[Edge]] = defaultdict(list)
        for statement in statements:
            if isinstance(statement, Edge):
                self.edges[statement.relation].append(statement)
            elif statement.uid not in self.nodes:
                self.nodes[statement.uid] = statement
                self.kinds[statement.kind].append(statement)
        self.activities: dict[str, Activity] = {}
        self.kernel = Activity()

    def portrait(self) -> Portrait:
        """Put everything together."""
        [run], [kernel] = self.kinds["Run"][:1], self.kinds["Kernel"][:1]
        about, host = run.properties, self._host(kernel)
        self._name_activities()
        self._read_files()
        self._read_software()
        self._read_settings()
        executions = sorted(
            (a for uid, a in self.activities.items() if self.nodes[uid].kind == "CellExecution"),
            key=lambda activity: activity.execution,
        )
        return Portrait(
            run=_text(about, "run"),
            name=_text(about, "run"),
            notebook=_text(about, "notebook"),
            status=_text(about, "status"),
            error=_text(about, "error"),
            parameters=_json(about, "parameters"),
            host=_text(about, "host"),
            python=_text(kernel.properties, "version"),
            platform=" ".join(filter(None, (_text(host, "distribution"), _text(host, "machine")))),
            cpus=int(host.get("cpus") or 0),
            kernel=self.kernel,
            executions=executions,
            needs=_needs(executions),
            unseen=_text(about, "tracer_unseen"),
        )

    def _host(self, kernel: Node) -> Mapping[str, Any]:
        for edge in self.edges["atLocation"]:
            if edge.source == kernel.uid and edge.target in self.nodes:
                return self.nodes[edge.target].properties
        return {}

    def _name_activities(self) -> None:
        """Give every activity its place: a task's is its execution, all else's the kernel."""
        steps = {e.source: e.target for e in self.edges["correspondsToStep"]}
        by_execution: dict[int, Activity] = {}
        for node in self.kinds["CellExecution"]:
            cell = self.nodes.get(steps.get(node.uid, ""))
            found = _execution(node.properties, cell.properties if cell else {})
            self.activities[node.uid] = by_execution[found.execution] = found
        for node in self.kinds["Task"]:
            execution = node.properties.get("execution")
            owner = by_execution.get(execution) if isinstance(execution, int) else None
            self.activities[node.uid] = owner or self.kernel
            if owner is not None:
                about = node.properties
                owner.tasks.append(
                    TaskUse(_text(about, "function"), _text(about, "worker"), _text(about, "host"))
                )
        for node in self.kinds["Session"]:
            self.activities[node.uid] = self.kernel

    def _read_files(self) -> None:
        made_by = {e.source: e.target for e in self.edges["wasGeneratedBy"]}
        makers = {
            version: self.activities[maker].execution
            for version, maker in made_by.items()
            if maker in self.activities
        }
        every = {n.uid: _file_use(n, makers.get(n.uid)) for n in self.kinds["FileVersion"]}
        uses = {uid: use for uid, use in every.items() if use.role in _COMPARED_ROLES}
        for edge in sorted(self.edges["used"], key=lambda e: _text(e.properties, "at")):
            use, activity = uses.get(edge.target), self.activities.get(edge.source)
            if use is None or activity is None:
                continue
            if use.maker != activity.execution or not use.maker:
                activity.inputs.setdefault(use.key, use)
        for version, maker in made_by.items():
            use, owner = uses.get(version), self.activities.get(maker)
            if use is not None and owner is not None and use.maker is not None:
                owner.made[use.key] = use

    def _read_software(self) -> None:
        members: dict[str, list[str]] = defaultdict(list)
        for edge in self.edges["hadMember"]:
            members[edge.source].append(edge.target)
        owners = {e.source: e.target for e in self.edges["ofPackage"]}
        found: dict[str, dict[str, PackageUse]] = {}
        for edge in self.edges["used"]:
            activity = self.activities.get(edge.source)
            if activity is None or edge.target not in members:
                continue
            if edge.target not in found:
                found[edge.target] = self._packages(members[edge.target], owners)
            for name, use in found[edge.target].items():
                activity.packages[name] = _joined(activity.packages.get(name), use)

    def _packages(self, files: Iterable[str], owners: Mapping[str, str]) -> dict[str, PackageUse]:
        paths: dict[str, dict[str, str]] = defaultdict(dict)
        for file in files:
            if file in owners and file in self.nodes:
                about = self.nodes[file].properties
                paths[owners[file]][_text(about, "path")] = _text(about, "sha256")
        found: dict[str, PackageUse] = {}
        for uid, opened in paths.items():
            if uid in self.nodes:
                use = _package_use(self.nodes[uid].properties, opened)
                found[use.name] = _joined(found.get(use.name), use)
        return found

    def _read_settings(self) -> None:
        for edge in self.edges["used"]:
            node, activity = self.nodes.get(edge.target), self.activities.get(edge.source)
            if node is None or activity is None or node.kind != "Setting":
                continue
            about = node.properties
            value = _text(about, "value")
            use = SettingUse(_text(about, "state"), value, _text(about, "relative_value") or value)
            activity.settings.setdefault(_text(about, "name"), use)


def _execution(about: Mapping[str, Any], cell: Mapping[str, Any]) -> Activity:
    return Activity(
        execution=int(about["execution"]),
        position=int(about["cell"]),
        cell_id=_text(about, "cell_id"),
        source=_text(cell, "source"),
        digest=_text(cell, "source_digest"),
        status=_text(about, "status"),
        error=normalise(_text(about, "error")),
        outputs=_text(about, "outputs_digest"),
    )


def _file_use(node: Node, maker: int | None) -> FileUse:
    about = node.properties
    byte_code = _BYTE_CODE.search(_text(about, "path"))
    if byte_code:
        return _source_use(node.properties)
    root, relative = _text(about, "root"), _text(about, "relative_path")
    key = f"{{{root}}}/{normalise(relative)}" if root else normalise(_text(about, "path"))
    reason = _text(about, "undigested")
    if not reason and not about.get("sha256") and about.get("kind") not in ("file", "", None):
        reason = f"is a {about['kind']}"
    return FileUse(
        key, _text(about, "path"), _text(about, "sha256"), reason, _text(about, "role"), maker
    )


def _source_use(about: Mapping[str, Any]) -> FileUse:
    """Take byte-code of the project for the source that it was made of."""
    source = {
        name: _BYTE_CODE.sub(r"/\1.py", "/" + _text(about, name)).removeprefix("/")
        for name in ("path", "relative_path")
    }
    root = _text(about, "root")
    found = root == "project"
    return FileUse(
        f"{{{root}}}/{source['relative_path']}" if root else "/" + source["path"],
        "/" + source["path"],
        _text(about, "source_digest"),
        "" if about.get("source_digest") else "known by its byte-code only",
        "code" if found and _text(about, "role") in ("cache", "code") else "cache",
        None,
    )


def _package_use(about: Mapping[str, Any], paths: Mapping[str, str]) -> PackageUse:
    manager, name = _text(about, "manager"), _text(about, "name")
    build = Build(_text(about, "version"), _text(about, "record_digest"), _text(about, "build"))
    modules = {match[1] for path in paths if (match := _MODULE.search(path))}
    native = any(_NATIVE.search(path.rpartition("/")[2]) for path in paths)
    return PackageUse(
        f"{manager} {name}" if manager in ("dpkg", "python") else name,
        _kind(manager, name),
        frozenset([build]),
        frozenset(_SUFFIX.sub("", module) for module in modules),
        native,
        frozenset((_below_site(path), sha256) for path, sha256 in paths.items() if sha256),
    )


def _below_site(path: str) -> str:
    """Name a file of a package so that it compares: by its path below site-packages."""
    match = _MODULE.search(path)
    return path[match.start(1) :] if match else path.rpartition("/")[2]


def _kind(manager: str, name: str) -> str:
    if manager == "python" or _INTERPRETER.match(name):
        return "interpreter"
    return "system-library" if manager == "dpkg" else "package"


def _joined(one: PackageUse | None, other: PackageUse) -> PackageUse:
    if one is None:
        return other
    return one._replace(
        builds=one.builds | other.builds,
        modules=one.modules | other.modules,
        native=one.native or other.native,
        altered=one.altered | other.altered,
    )


def _needs(executions: Iterable[Activity]) -> dict[int, dict[int, frozenset[str]]]:
    """Tell which earlier executions each one needs directly: through variables and files."""
    known = list(executions)
    through = find_needs([activity.record() for activity in known])
    needs: dict[int, dict[int, frozenset[str]]] = {}
    for activity in known:
        found: dict[int, frozenset[str]] = {}
        for need in through.get(activity.execution, ()):
            names = frozenset(need.names if need.kind == "variable" else ()) or ANY_NAME
            found[need.execution] = found.get(need.execution, frozenset()) | names
        for use in activity.inputs.values():
            if use.maker and use.maker != activity.execution:
                found[use.maker] = found.get(use.maker, frozenset()) | ANY_NAME
        needs[activity.execution] = found
    return needs


def _text(about: Mapping[str, Any], name: str) -> str:
    return str(about.get(name) or "")


def _json(about: Mapping[str, Any], name: str) -> dict[str, object]:
    try:
        found = json.loads(_text(about, name) or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
