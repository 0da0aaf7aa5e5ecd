"""The evidence of a run as it goes into an archive: file by file, as it is or redacted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import zstandard

from nbrepro.archives.contents import EVIDENCE
from nbrepro.export.redaction import Private, Redactor
from nbrepro.export.staging import Staging
from nbrepro.rundir import RunDirectory, open_trace

_JSON = (".json", ".ipynb")
_BLOCK_BYTES = 1 << 20
_ZSTD_LEVEL = 3


def evidence_files(directory: RunDirectory) -> Iterator[tuple[str, Path]]:
    """Yield the regular files of a run directory with their names below it, in order."""
    for path in sorted(directory.path.rglob("*")):
        name = path.relative_to(directory.path).as_posix()
        hidden = any(part.startswith(".") for part in name.split("/"))
        if path.is_file() and not path.is_symlink() and not hidden:
            yield name, path


def see_evidence(directory: RunDirectory, private: Private) -> None:
    """Gather what is private in a run directory."""
    manifests = [directory.read_manifest(), *_workers(directory)]
    for manifest in manifests:
        private.see_home(manifest.roots.get("home", ""))
        private.see_host(manifest.host.name)
    for name, path in evidence_files(directory):
        for value in _values(name, path):
            if isinstance(value, str):
                private.see_text(value)
            else:
                private.see_json(value)


def _workers(directory: RunDirectory) -> Iterator[Any]:
    return (worker.read_manifest() for worker in directory.worker_directories())


def _values(name: str, path: Path) -> Iterator[Any]:
    """Yield what a file says: values of JSON, or blocks of text."""
    if name.endswith(_JSON):
        yield json.loads(path.read_bytes())
    elif name.endswith(".jsonl"):
        yield from (value for value in map(_parsed, _lines(path)) if value is not None)
    else:
        for block in _blocks(path):
            yield block.decode("utf-8", "surrogateescape")


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as log:
        yield from log


def _parsed(line: bytes) -> Any:
    # A run that was killed leaves half a line at the end.
    try:
        return json.loads(line)
    except ValueError:
        return line.decode("utf-8", "surrogateescape")


def _blocks(path: Path) -> Iterator[bytes]:
    """Yield the content of a file, unpacked, in blocks of whole lines."""
    rest = b""
    with open_trace(path) as stream:
        while block := stream.read(_BLOCK_BYTES):
            whole, newline, begun = (rest + block).rpartition(b"\n")
            if newline:
                yield whole + newline
            rest = begun
    if rest:
        yield rest


def stage_evidence(directory: RunDirectory, staging: Staging, redactor: Redactor | None) -> None:
    """Stage the evidence below `evidence/`; names of files are redacted too."""
    for name, path in evidence_files(directory):
        if redactor is None:
            staging.add(EVIDENCE + name, path)
        else:
            staging.write(
                EVIDENCE + redactor.text(name),
                lambda out, path=path: write_redacted(path, out, redactor),  # type: ignore[misc]
            )


def write_redacted(path: Path, out: BinaryIO, redactor: Redactor) -> None:
    """Write a file of evidence with stand-ins for what is private."""
    if path.name.endswith(_JSON):
        value = redactor.value(json.loads(path.read_bytes()))
        out.write(json.dumps(value, indent=1).encode() + b"\n")
    elif path.name.endswith(".jsonl"):
        for line in _lines(path):
            value = _parsed(line)
            ended = b"\n" if line.endswith(b"\n") else b""
            text = json.dumps(redactor.value(value)).encode()
            out.write(redactor.raw(line) if isinstance(value, str) else text + ended)
    elif path.suffix == ".zst":
        packer = zstandard.ZstdCompressor(level=_ZSTD_LEVEL)
        with packer.stream_writer(out, closefd=False) as packed:
            for block in _blocks(path):
                packed.write(redactor.raw(block))
    else:
        for block in _blocks(path):
            out.write(redactor.raw(block))
