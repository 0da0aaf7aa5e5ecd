"""What a file came from and what depends on it: trees of cell executions and file versions.

Pure: from the rows of the question `edges-of-run`. An execution is taken to have made everything
it generated from everything it used, whichever came first inside the cell. A task that a cell sent
to a worker is a step of its own.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from nbrepro.model import Role
from nbrepro.rows import EdgeRow, Rows

LINEAGE_ROLES = frozenset({Role.DATA, Role.CONFIG, Role.CODE, Role.TEMPORARY})
"""Roles whose files carry results from one cell to another."""

USED, GENERATED, INVALIDATED = "used", "generated", "invalidated"


@dataclass(slots=True)
class FileNode:
    """A file version and the steps behind it (lineage) or the steps that used it (impact).

    `repeated` says that its steps are shown elsewhere in the tree.
    """

    path: str
    version: str
    sha256: str | None
    role: str
    steps: list[StepNode] = field(default_factory=list)
    removed_by: int | None = None
    repeated: bool = False


@dataclass(slots=True)
class StepNode:
    """A cell execution, or a task of it, and the files it used (lineage) or generated (impact).

    `cell` is None for the kernel or a worker itself.
    """

    cell: int | None
    execution: int | None
    files: list[FileNode] = field(default_factory=list)
    task: str | None = None
    worker: str | None = None


@dataclass(frozen=True, slots=True)
class LineageRow:
    """One file of a tree, with the step that connects it to the file `depth - 1` above it."""

    depth: int
    cell: int | None
    execution: int | None
    path: str
    role: str
    sha256: str | None
    repeated: bool
    task: str | None = None
    worker: str | None = None


_Step = tuple[int | None, str | None, str | None]
"""What made or used files: an execution, a task of it and its worker, or a worker itself."""


class Flow:
    """The edges of one run, indexed from files to executions and back."""

    def __init__(
        self, edges: Iterable[EdgeRow], roles: Collection[str] | None = LINEAGE_ROLES
    ) -> None:
        self._roles = roles
        self._files: dict[str, EdgeRow] = {}
        self._of_path: dict[str, list[str]] = defaultdict(list)
        self._maker: dict[str, EdgeRow] = {}
        self._ender: dict[str, EdgeRow] = {}
        self._users: dict[str, list[EdgeRow]] = defaultdict(list)
        self._by_step: dict[str, dict[_Step, list[EdgeRow]]] = {
            mode: defaultdict(list) for mode in (USED, GENERATED, INVALIDATED)
        }
        for edge in edges:
            self._add(edge)

    def _add(self, edge: EdgeRow) -> None:
        if edge.version not in self._files:
            self._files[edge.version] = edge
            self._of_path[edge.path].append(edge.version)
        self._by_step[edge.mode][_step_of(edge)].append(edge)
        if edge.mode == GENERATED:
            self._maker[edge.version] = edge
        elif edge.mode == INVALIDATED:
            self._ender[edge.version] = edge
        else:
            self._users[edge.version].append(edge)

    @property
    def paths(self) -> Collection[str]:
        """Give every path that the edges name."""
        return self._of_path.keys()

    @property
    def carriers(self) -> Collection[str]:
        """Give the paths whose roles are those that the trees follow."""
        return {edge.path for edge in self._files.values() if self._carries(edge)}

    def _carries(self, edge: EdgeRow) -> bool:
        return self._roles is None or edge.role in self._roles

    def behind(self, path: str) -> FileNode:
        """Build the tree of what the last version of `path` came from. KeyError if unknown."""
        versions = self._of_path.get(path, [])
        if not versions:
            raise KeyError(path)
        made = [version for version in versions if version in self._maker]
        root = self._node((made or versions)[-1])
        self._expand(root, self._steps_behind)
        return root

    def after(self, path: str) -> FileNode:
        """Build the tree of what depends on any version of `path`. KeyError if unknown."""
        versions = self._of_path.get(path, [])
        if not versions:
            raise KeyError(path)
        root = self._node(versions[0])
        seen = set(versions)
        for version in versions:
            root.steps += self._steps_after(version)
        root.steps = _merged(root.steps)
        for child in [file for step in root.steps for file in step.files]:
            self._expand(child, self._steps_after, seen)
        return root

    def _expand(self, root: FileNode, steps_of: Any, seen: set[str] | None = None) -> None:
        # Breadth first, so that a file's steps are shown where it is nearest to the root; and
        # without recursion, because a chain can be as long as the notebook.
        seen = set() if seen is None else seen
        queue = deque([root])
        while queue:
            node = queue.popleft()
            if node.version in seen:
                node.repeated = bool(steps_of(node.version))
                continue
            seen.add(node.version)
            node.steps = steps_of(node.version)
            queue.extend(file for step in node.steps for file in step.files)

    def _steps_behind(self, version: str) -> list[StepNode]:
        made = self._maker.get(version)
        if made is None:
            return []
        maker = _step_of(made)
        used = self._by_step[USED][maker]
        renamed = [
            edge
            for edge in self._by_step[INVALIDATED][maker]
            if edge.sha256 and edge.sha256 == made.sha256 and edge.version != version
        ]
        inputs = [edge for edge in (*used, *renamed) if not self._made_by(edge, maker)]
        return [_step_node(made, self._nodes(inputs))]

    def _steps_after(self, version: str) -> list[StepNode]:
        steps = [
            _step_node(
                edge,
                self._nodes(
                    made
                    for made in self._by_step[GENERATED][_step_of(edge)]
                    if made.version != version
                ),
            )
            for edge in self._users[version]
            if not self._made_by(edge, _step_of(edge))
        ]
        return _merged(steps)

    def _made_by(self, edge: EdgeRow, step: _Step) -> bool:
        made = self._maker.get(edge.version)
        return made is not None and _step_of(made) == step

    def _nodes(self, edges: Iterable[EdgeRow]) -> list[FileNode]:
        chosen = dict.fromkeys(edge.version for edge in edges if self._carries(edge))
        nodes = [self._node(version) for version in chosen]
        return sorted(nodes, key=lambda node: (node.path, node.version))

    def _node(self, version: str) -> FileNode:
        edge = self._files[version]
        ender = self._ender.get(version)
        return FileNode(
            edge.path, version, edge.sha256, edge.role, removed_by=ender.cell if ender else None
        )


def _merged(steps: Iterable[StepNode]) -> list[StepNode]:
    """Join the nodes of one step, in order of execution."""
    by_step: dict[_Step, StepNode] = {}
    for step in steps:
        known = by_step.setdefault(_step_of(step), _step_node(step, []))
        present = {file.version for file in known.files}
        known.files += [file for file in step.files if file.version not in present]
    return sorted(
        by_step.values(),
        key=lambda step: (step.execution or 0, step.task or "", step.worker or ""),
    )


def _step_of(edge: EdgeRow | StepNode) -> _Step:
    return (edge.execution, edge.task, edge.worker)


def _step_node(edge: EdgeRow | StepNode, files: list[FileNode]) -> StepNode:
    return StepNode(edge.cell, edge.execution, files, edge.task, edge.worker)


def walk(root: FileNode) -> Iterator[tuple[int, StepNode | None, FileNode]]:
    """Yield each file of a tree with its depth and the step that leads to it, top down."""
    stack: list[tuple[int, StepNode | None, FileNode]] = [(0, None, root)]
    while stack:
        depth, step, node = stack.pop()
        yield depth, step, node
        below = [(depth + 1, inner, file) for inner in node.steps for file in inner.files]
        stack.extend(reversed(below))


def to_rows(root: FileNode) -> Rows[LineageRow]:
    """Flatten a tree into rows."""
    return Rows(
        LineageRow,
        (
            LineageRow(
                depth,
                step.cell if step else None,
                step.execution if step else None,
                node.path,
                node.role,
                node.sha256,
                node.repeated,
                step.task if step else None,
                step.worker if step else None,
            )
            for depth, step, node in walk(root)
        ),
    )


def to_nested(root: FileNode, steps: str, files: str) -> dict[str, Any]:
    """Turn a tree into nested dictionaries; `steps` and `files` are the keys of the two levels."""
    top: dict[str, Any] = {}
    work: list[tuple[FileNode, dict[str, Any]]] = [(root, top)]
    while work:
        node, record = work.pop()
        record.update(
            path=node.path, role=node.role, sha256=node.sha256, removed_by=node.removed_by,
            repeated=node.repeated, **{steps: []},
        )  # fmt: skip
        for step in node.steps:
            inner: list[dict[str, Any]] = [{} for _ in step.files]
            known = {"cell": step.cell, "execution": step.execution}
            owner = {"task": step.task, "worker": step.worker}
            record[steps].append({**known, **owner, files: inner})
            work.extend(zip(step.files, inner, strict=True))
    return top


@dataclass(frozen=True, slots=True)
class Tree:
    """The tree of `Run.lineage` or `Run.impact`; `steps` and `files` name its levels in JSON."""

    root: FileNode
    steps: str
    files: str

    def nested(self) -> dict[str, Any]:
        """Give the tree as nested dictionaries."""
        return to_nested(self.root, self.steps, self.files)

    def rows(self) -> Rows[LineageRow]:
        """Give the tree flat, top down, with the depth of each file."""
        return to_rows(self.root)
