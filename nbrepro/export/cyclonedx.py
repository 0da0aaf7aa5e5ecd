"""Write a CycloneDX 1.6 bill of materials (Ecma-424): packages by purl, systems, data and code.

A package's hash is the digest over what its package manager recorded of its files (pip: RECORD),
as `nbrepro:hash-of` says: two machines may have one version with different files. The serial number
is made from the packages: equal environments have equal ones.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any, BinaryIO
from uuid import NAMESPACE_URL, uuid5

from nbrepro.export.extract import Extract
from nbrepro.model import Node, Role
from nbrepro.stores.rdf import literal_text

_SHA256_DIGITS = 64
_DATA_TYPES = {Role.DATA: "dataset", Role.CONFIG: "configuration", Role.CODE: "source-code"}


def write_cyclonedx(extract: Extract, out: BinaryIO) -> None:
    """Write the extract as CycloneDX JSON."""
    head = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, environment_digest(extract))}",
        "version": 1,
        "metadata": _metadata(extract),
    }
    out.write(json.dumps(head, indent=1)[:-2].encode())
    _write_array(out, "components", _components(extract))
    _write_array(out, "dependencies", _dependencies(extract))
    out.write(b"\n}\n")


def environment_digest(extract: Extract) -> str:
    """Give the sha256 over the sorted packages with the digests of their files."""
    lines = sorted(
        f"{p.properties.get('purl')} {p.properties.get('record_digest', '')}"
        for p in packages_of(extract)
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def packages_of(extract: Extract) -> Iterator[Node]:
    """Yield the packages of an extract, in order."""
    return (node for node in extract.nodes("Entity") if node.kind == "Package")


def _write_array(out: BinaryIO, name: str, items: Iterable[dict[str, Any]]) -> None:
    out.write(f",\n {json.dumps(name)}: [".encode())
    for number, item in enumerate(items):
        out.write(f"{',' if number else ''}\n  {json.dumps(item)}".encode())
    out.write(b"]")


def _metadata(extract: Extract) -> dict[str, Any]:
    import nbrepro

    run = extract.run
    notebook = literal_text(str(run.get("notebook", "")))
    more = {name: run.get(name, "") for name in ("run", "status", "redacted", "part")}
    when = str(run.get("ended") or run.get("started") or "")
    return {
        **({"timestamp": f"{when[:19]}Z"} if when else {}),
        "tools": {
            "components": [
                {"type": "application", "name": "nbrepro", "version": nbrepro.__version__}
            ]
        },
        "component": {
            "type": "application",
            "bom-ref": extract.base,
            "name": PurePosixPath(notebook).name or "notebook",
            **_hashes(str(run.get("notebook_sha256", ""))),
            **_properties(more),
        },
    }


def _components(extract: Extract) -> Iterator[dict[str, Any]]:
    for node in extract.nodes("Entity"):
        if node.kind == "Package":
            yield _package(node)
        elif node.kind == "Host":
            yield _host(node)
        elif node.kind == "FileVersion" and node.properties.get("role") in _DATA_TYPES:
            yield _file(node)


def _package(node: Node) -> dict[str, Any]:
    given = {name: literal_text(str(value)) for name, value in node.properties.items()}
    digest = given.get("record_digest", "")
    about = {
        "manager": given.get("manager", ""),
        "source": given.get("source", ""),
        "hash-of": "the files that the package manager recorded" if digest else "",
    }
    return {
        "type": "library",
        "bom-ref": node.uid,
        "name": given.get("name", node.uid),
        **({"version": given["version"]} if given.get("version") else {}),
        **_hashes(digest),
        "purl": given.get("purl", node.uid),
        **_properties(about),
    }


def _host(node: Node) -> dict[str, Any]:
    given = node.properties.get
    about = {name: given(name, "") for name in ("name", "release", "machine", "cpus")}
    return {
        "type": "operating-system",
        "bom-ref": node.uid,
        "name": str(given("distribution") or given("system") or "unknown"),
        **_properties(about),
    }


def _file(node: Node) -> dict[str, Any]:
    given: Any = node.properties.get
    path = literal_text(str(given("path", node.uid)))
    about = {name: given(name, "") for name in ("role", "rule", "size", "undigested")}
    return {
        "type": "data",
        "bom-ref": node.uid,
        "name": path,
        **_hashes(str(given("sha256", ""))),
        **_properties(about),
        "data": [{"type": _DATA_TYPES[given("role")], "name": PurePosixPath(path).name or path}],
    }


def _hashes(sha256: str) -> dict[str, Any]:
    if len(sha256) != _SHA256_DIGITS:
        return {}
    return {"hashes": [{"alg": "SHA-256", "content": sha256}]}


def _properties(values: dict[str, Any]) -> dict[str, Any]:
    found = [
        {"name": f"nbrepro:{name}", "value": literal_text(str(value))}
        for name, value in values.items()
        if value not in ("", None)
    ]
    return {"properties": found} if found else {}


def _dependencies(extract: Extract) -> Iterator[dict[str, Any]]:
    needed = [component["bom-ref"] for component in _components(extract)]
    yield {"ref": extract.base, "dependsOn": sorted(needed)}
