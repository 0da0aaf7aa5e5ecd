"""Imports point one way: words < readers < inference < engines < acts < faces."""

from __future__ import annotations

import ast
import graphlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "nbrepro"

LAYERS = {
    "words": "errors model tasks vocabulary resources conformity config formats",
    "readers": "rundir trace engines notebook archives",
    "inference": (
        "processes owners packages roles versions variables provenance touches graph sandboxes"
        " outputs footprints classifier"
    ),
    "engines": "stores queries sparql_text",
    "acts": (
        "capture ingest dependencies compare export packaging deploy answers lineage doctor"
        " references rows runs slicing walk distributed validity produced"
    ),
    "faces": "cli jupyter ui __init__ __main__",
}
RANK = {room: rank for rank, rooms in enumerate(LAYERS.values()) for room in rooms.split()}
MODULES = sorted(PACKAGE.rglob("*.py"))
STORE_LIBRARIES = re.compile(
    r"(pyoxigraph|neo4j|httpx|requests|urllib3|http\.client|urllib\.request)\b"
)


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    return [*module.split("."), "__init__"][1]


NAMES = {name_of(path): path for path in MODULES}


def imports(path: Path, *, lazy: bool) -> Iterator[str]:
    """Yield the full names a module imports; those inside functions only if `lazy`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not lazy:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from from_imports(path, node)
        pending.extend(ast.iter_child_nodes(node))


def from_imports(path: Path, node: ast.ImportFrom) -> Iterator[str]:
    base = node.module or ""
    if node.level:
        package = name_of(path).split(".")
        package = package if path.name == "__init__.py" else package[:-1]
        base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
    for alias in node.names:
        full = f"{base}.{alias.name}"
        yield full if full in NAMES or not full.startswith("nbrepro") else base


def test_every_room_has_a_layer():
    rooms = {room_of(name) for name in NAMES}
    assert rooms <= set(RANK), f"give {sorted(rooms - set(RANK))} a layer here"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_downwards(path: Path):
    room = room_of(name_of(path))
    for imported in imports(path, lazy=True):
        if imported.split(".")[0] != "nbrepro" or room in ("__init__", "__main__"):
            continue
        other = room_of(imported)
        assert other != "__init__" or imported == "nbrepro", imported
        assert imported == "nbrepro" or RANK.get(other, 0) <= RANK.get(room, 9), (
            f"{room} imports {imported}"
        )


def test_no_modules_import_each_other_in_a_circle():
    edges = {name: {i for i in imports(path, lazy=False) if i in NAMES} - {name, "nbrepro"}
             for name, path in NAMES.items()}  # fmt: skip
    graphlib.TopologicalSorter(edges).prepare()


def test_probes_import_nothing_of_ours():
    for path in (PACKAGE / "capture" / "probes").glob("*.py"):
        ours = [i for i in imports(path, lazy=True) if i.startswith("nbrepro")]
        assert all(i.startswith("nbrepro.capture.probes") for i in ours), f"{path.name}: {ours}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_stores_touch_databases_and_the_network(path: Path):
    if room_of(name_of(path)) != "stores":
        assert not [i for i in imports(path, lazy=True) if STORE_LIBRARIES.match(i)]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_pandas_is_imported_only_when_asked_for(path: Path):
    assert "pandas" not in {imported.split(".")[0] for imported in imports(path, lazy=False)}
