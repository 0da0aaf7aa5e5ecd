"""Read a Jupyter notebook: its code cells in order, how each is identified, and its digests.

The file on disk is the user's and is only read. `Notebook.to_node` gives a fresh copy to execute.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode, ValidationError
from nbformat.v4.rwbase import rejoin_lines

from nbrepro.errors import NotebookError, NotFoundError
from nbrepro.model import CellId

PARAMETERS_TAG = "parameters"
INJECTED_TAG = "injected-parameters"


@dataclass(frozen=True, slots=True)
class CodeCell:
    """A code cell: `position` counts from 1 among code cells, `index` from 0 among all cells.

    Formats before 4.5 have no cell ids: `cell_id` is `position-<n>` there.
    """

    position: int
    index: int
    cell_id: CellId
    source: str
    tags: tuple[str, ...] = ()

    @property
    def blank(self) -> bool:
        """Tell whether there is nothing to execute."""
        return not self.source.strip()


@dataclass(frozen=True)
class Notebook:
    """A notebook as it was read; `sha256` is of the file's bytes."""

    path: Path
    data: bytes
    sha256: str
    cells: tuple[CodeCell, ...]
    kernel_name: str = ""
    language: str = ""
    node: NotebookNode = field(repr=False, default_factory=NotebookNode)

    @property
    def source_digest(self) -> str:
        """Give the digest of the ordered code: outputs, text and metadata do not count."""
        return digest_sources(cell.source for cell in self.cells)

    def to_node(self) -> NotebookNode:
        """Give a copy that may be executed and changed."""
        node: NotebookNode = nbformat.from_dict(json.loads(json.dumps(self.node)))
        return node


def digest_source(source: str) -> str:
    """Give the sha256 of one cell's source, line ends normalised."""
    return hashlib.sha256(_normalised(source)).hexdigest()


def digest_sources(sources: Iterable[str]) -> str:
    """Give the sha256 over the digests of `sources`, in order."""
    digest = hashlib.sha256()
    for source in sources:
        digest.update(bytes.fromhex(digest_source(source)))
    return digest.hexdigest()


def read_notebook(path: Path) -> Notebook:
    """Read a notebook of format 3 or 4. Raises NotFoundError and NotebookError."""
    return parse_notebook(read_bytes(path), path)


def read_bytes(path: Path) -> bytes:
    """Read the notebook's file. Raises NotFoundError where there is none."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise NotFoundError(f"{path}: there is no such notebook; check the path") from None
    except IsADirectoryError:
        raise NotFoundError(f"{path}: is a directory; give a notebook (.ipynb)") from None
    except OSError as error:
        raise NotebookError(f"{path}: cannot be read ({error.strerror}); check it") from None


def parse_notebook(data: bytes, path: Path) -> Notebook:
    """Parse a notebook's bytes; `path` is for messages. Raises NotebookError."""
    node = _upgraded(_parsed(data, path), path)
    metadata = node.metadata
    return Notebook(
        path=path,
        data=data,
        sha256=hashlib.sha256(data).hexdigest(),
        cells=tuple(find_code_cells(node)),
        kernel_name=_text(metadata, "kernelspec", "name"),
        language=_text(metadata, "kernelspec", "language")
        or _text(metadata, "language_info", "name"),
        node=node,
    )


def find_code_cells(node: NotebookNode) -> list[CodeCell]:
    """List the code cells of a format-4 notebook in order."""
    cells: list[CodeCell] = []
    for index, cell in enumerate(node.cells):
        if cell.cell_type == "code":
            position = len(cells) + 1
            identity = CellId(str(cell.get("id") or f"position-{position}"))
            cells.append(CodeCell(position, index, identity, cell.source, read_tags(cell)))
    return cells


def read_tags(cell: NotebookNode) -> tuple[str, ...]:
    """Give a cell's tags; anything that is not a list of words counts as none."""
    tags = cell.get("metadata", {}).get("tags", ())
    return tuple(str(tag) for tag in tags) if isinstance(tags, list) else ()


def _parsed(data: bytes, path: Path) -> dict[str, Any]:
    try:
        record = json.loads(data.decode("utf-8-sig"))
    except ValueError as error:
        raise NotebookError(
            f"{path}: is not a notebook ({error}); it must hold the JSON that Jupyter saves"
        ) from None
    if not isinstance(record, dict) or not isinstance(record.get("nbformat"), int):
        raise NotebookError(f"{path}: is JSON but not a notebook; its 'nbformat' is missing")
    if record["nbformat"] not in (3, 4):
        raise NotebookError(
            f"{path}: has notebook format {record['nbformat']}; only 3 and 4 can be run, "
            "convert it with 'jupyter nbconvert --to notebook'"
        )
    return record


def _upgraded(record: dict[str, Any], path: Path) -> NotebookNode:
    """Give the notebook in format 4, as lenient as Jupyter is when it opens one.

    nbformat's own reader invents random cell ids where they are missing: a missing id stays
    missing here, so that it is the same in the next run.
    """
    try:
        if record["nbformat"] == 3:
            old = nbformat.reads(json.dumps(record), as_version=nbformat.NO_CONVERT)
            record = json.loads(json.dumps(nbformat.convert(old, 4)))
            for cell in record["cells"]:
                cell.pop("id", None)
        return _joined(record)
    except ValidationError as error:
        reason = error.message
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        reason = str(error)
    raise NotebookError(f"{path}: is not a valid notebook ({reason}); repair it")


def _joined(record: dict[str, Any]) -> NotebookNode:
    """Fill in what every cell must have, and join what the file keeps as lists of lines."""
    if not isinstance(record.get("cells"), list):
        raise ValueError("'cells' is not a list")
    cells = [_completed(cell, number) for number, cell in enumerate(record["cells"], 1)]
    whole = {"nbformat_minor": 0} | record | {"cells": cells, "metadata": _metadata(record)}
    joined: NotebookNode = rejoin_lines(nbformat.from_dict(whole))
    return joined


def _completed(cell: Any, number: int) -> dict[str, Any]:
    if not isinstance(cell, dict) or not isinstance(cell.get("cell_type"), str):
        raise ValueError(f"cell {number} has no 'cell_type'")
    source = cell.get("source", "")
    lines = source if isinstance(source, list) else [source]
    if not all(isinstance(line, str) for line in lines):
        raise ValueError(f"cell {number} has a 'source' that is not text")
    code = cell["cell_type"] == "code"
    defaults: dict[str, Any] = {"outputs": [], "execution_count": None} if code else {}
    return {"source": ""} | defaults | cell | {"metadata": _metadata(cell)}


def _metadata(record: dict[str, Any]) -> dict[str, Any]:
    metadata = record.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _normalised(source: str) -> bytes:
    return source.replace("\r\n", "\n").encode("utf-8", "surrogatepass")


def _text(metadata: Any, *keys: str) -> str:
    """Follow `keys` through nested dictionaries; empty where the way breaks off."""
    for key in keys:
        metadata = metadata.get(key) if isinstance(metadata, dict) else None
    return metadata if isinstance(metadata, str) else ""
