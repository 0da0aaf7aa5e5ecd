"""Writes an image as the Open Container Initiative lays it out, without any engine.

The layout (https://github.com/opencontainers/image-spec/blob/main/image-layout.md) is a directory
of blobs named by their digests; as one tar archive, docker, podman, skopeo and apptainer read it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nbrepro.errors import MachineError
from nbrepro.packaging.layers import FIXED_TIME, Layer

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
KIND = "io.github.nbrepro.layer"
"""The annotation of a layer that says of which kind it is."""

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "ppc64le": "ppc64le", "s390x": "s390x"}


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What an image says of itself: its command, where and in which environment it runs, labels.

    `created_ns` is a time of the run, so that it does not depend on when the image is written.
    """

    command: tuple[str, ...]
    cwd: str
    environment: Mapping[str, str]
    labels: Mapping[str, str]
    machine: str
    created_ns: int
    name: str


def write_layout(folder: Path, layers: Sequence[Layer], config: ImageConfig) -> str:
    """Write the image layout into `folder`, moving the layers there; give the image's digest."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for layer in layers:
        layer.path.replace(blobs / layer.digest.removeprefix("sha256:"))
    created = datetime.fromtimestamp(config.created_ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    described = _write_blob(blobs, _config(layers, config, created), CONFIG_TYPE)
    annotations = {**config.labels, "org.opencontainers.image.created": created}
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": described,
        "layers": [
            {
                "mediaType": layer.media_type,
                "digest": layer.digest,
                "size": layer.size_bytes,
                "annotations": {KIND: layer.kind},
            }
            for layer in layers
        ],
        "annotations": annotations,
    }
    image = _write_blob(blobs, manifest, MANIFEST_TYPE)
    name = {"org.opencontainers.image.ref.name": config.name}
    index = {
        "schemaVersion": 2,
        "mediaType": INDEX_TYPE,
        "manifests": [{**image, "annotations": name, "platform": _platform(config)}],
    }
    _write_json(folder / "index.json", index)
    _write_json(folder / "oci-layout", {"imageLayoutVersion": "1.0.0"})
    return str(image["digest"])


def _config(layers: Sequence[Layer], config: ImageConfig, created: str) -> dict[str, Any]:
    return {
        "created": created,
        **_platform(config),
        "config": {
            "Cmd": list(config.command),
            "WorkingDir": config.cwd,
            "Env": [f"{name}={value}" for name, value in config.environment.items()],
            "Labels": dict(config.labels),
        },
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [
            {"created": created, "created_by": f"nbrepro package: {layer.kind}"} for layer in layers
        ],
    }


def _platform(config: ImageConfig) -> dict[str, str]:
    machine = config.machine
    return {"architecture": _MACHINES.get(machine, machine), "os": "linux"}


def _write_blob(blobs: Path, record: Mapping[str, Any], media_type: str) -> dict[str, Any]:
    text = json.dumps(record, sort_keys=True, separators=(",", ":")).encode()
    digest = hashlib.sha256(text).hexdigest()
    (blobs / digest).write_bytes(text)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(text)}


def _write_json(path: Path, record: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(record, sort_keys=True, separators=(",", ":")))


def write_archive(folder: Path, target: Path) -> None:
    """Write a layout as one tar archive."""
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(folder.rglob("*"), key=lambda one: one.relative_to(folder).as_posix()):
            record = tarfile.TarInfo(path.relative_to(folder).as_posix())
            record.mtime = FIXED_TIME
            if path.is_dir():
                record.type, record.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(record)
                continue
            record.size = path.stat().st_size
            with path.open("rb") as stream:
                archive.addfile(record, stream)


def write_squashfs(flat: Path, target: Path) -> None:
    """Turn a flat tar archive into a squashfs file system. Raises MachineError."""
    program = shutil.which("sqfstar")
    if program is None:
        raise MachineError(
            "--format squashfs needs sqfstar, which is not installed; install squashfs-tools 4.5 "
            "or later, or choose another format"
        )
    with flat.open("rb") as stream:
        words = [program, "-quiet", "-no-progress", "-mkfs-time", str(FIXED_TIME), str(target)]
        done = subprocess.run(
            words, stdin=stream, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
        )
    if done.returncode != 0:
        raise MachineError(f"{target}: sqfstar failed ({done.stderr.decode().strip()})")
