"""Draw a dependency set in Graphviz's language: who needs whom."""

from __future__ import annotations

from nbrepro.dependencies import POSSIBLE, Dependency, DependencySet, Need
from nbrepro.export.drawing import quoted
from nbrepro.formats import shorten

_SHAPES = {
    Need.CELL: "box, style=rounded", Need.TASK: "box, style=dashed", Need.FILE: "note",
    Need.UNOWNED: "note, style=dotted", Need.SETTING: "parallelogram", Need.ENDPOINT: "hexagon",
}  # fmt: skip


def to_dot(members: DependencySet, root: str | None = None) -> str:
    """Write a set as DOT: an edge leads from what is needed to what needs it."""
    lines = [f"{_key(m)} [shape={_shape(m)}, label={quoted(*_label(m, root))}]" for m in members]
    by_name: dict[str, str] = {}
    for member in members:
        by_name.setdefault(member.name, _key(member))
    for member in members:
        parent = by_name.get(member.by)
        if parent and parent != _key(member):
            dashed = " [style=dashed]" if member.certainty == POSSIBLE else ""
            lines.append(f"{_key(member)} -> {parent}{dashed}")
    body = "".join(f"  {line}\n" for line in lines)
    return f"digraph {quoted(members.title)} {{\n  rankdir=LR\n  node [fontname=sans]\n{body}}}\n"


def _key(member: Dependency) -> str:
    return quoted(" ".join(member.key))


def _shape(member: Dependency) -> str:
    return _SHAPES.get(Need(member.kind), "component")


def _label(member: Dependency, root: str | None) -> list[str]:
    name = shorten(member.name, root)
    if member.kind == Need.CELL:
        return [f"cell {name}"]
    return [name, member.version] if member.version else [name]
