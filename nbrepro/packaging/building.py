"""Makes the package of a run: its root, its proof, its layers, its image. Read this room here.

evidence ─▶ contents ─▶ sifted (refusals) ─▶ staged root ─▶ proven ─▶ layers ─▶ image
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

from nbrepro.errors import UsageError
from nbrepro.model import Role
from nbrepro.packaging import oci
from nbrepro.packaging.beside import find_beside
from nbrepro.packaging.contents import DATA, LAYERS, Item, find_contents
from nbrepro.packaging.isolation import can_layer
from nbrepro.packaging.layers import FIXED_TIME, Layer, write_entries, write_layer
from nbrepro.packaging.plan import (
    CONTENTS,
    DRIVER,
    HOME,
    NOTEBOOK,
    PACKAGE,
    PLAN,
    RECORDED,
    ReplayPlan,
    find_environment,
    make_plan,
    read_executed,
)
from nbrepro.packaging.proof import Proof, prove
from nbrepro.packaging.refusals import Judge, Refusal, sift
from nbrepro.packaging.replaying import Progress, Running
from nbrepro.packaging.root import PackagingError
from nbrepro.packaging.staging import Staging, find_changed
from nbrepro.roles import under
from nbrepro.rundir import Manifest, RunDirectory

SCHEMA = "nbrepro-package/1"
FORMATS = ("oci", "dir", "tar", "squashfs")
LABEL = "io.github.nbrepro."


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """How a package is made.

    `with_data` is `include`, `reference` (data stays outside, named by its digest) or `sample`
    (the beginning of each text file). `include`, `exclude` and `allow` are paths, directories or
    patterns. Without `proven` the package is not replayed while it is made.
    With `cell` it holds what the cell at that position needs, and replays that.
    """

    format: str = "oci"
    compress: str = "gzip"
    with_data: str = "include"
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    proven: bool = True
    network: bool = False
    timeout_s: float | None = None
    cell: int | None = None


@dataclass(slots=True)
class Built:
    """What was made: where, its digest, the sizes of its layers, what was found on the way."""

    path: Path
    digest: str
    layers: list[Layer]
    proof: Proof
    files: int = 0
    size_bytes: int = 0
    missing: dict[str, str] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    allowed: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def build_package(
    directory: RunDirectory, target: Path, options: BuildOptions, progress: Progress
) -> Built:
    """Make the package of a run at `target`.

    Raises PackagingError for files that may not be packaged, UsageError, MachineError. Whatever
    goes wrong, nothing is left behind.
    """
    check_options(options)
    with _workplace(target) as work:
        return _Build(directory, options, progress, work).make(target)


def check_options(options: BuildOptions) -> None:
    """Check what the command line cannot. Raises UsageError."""
    if options.format != "oci" and options.compress == "zstd":
        raise UsageError(f"--compress zstd: is for --format oci, not {options.format}")


@contextmanager
def _workplace(target: Path) -> Iterator[Path]:
    """Give a directory beside the target, which is gone afterwards."""
    folder = target.resolve().parent
    if not folder.is_dir():
        raise UsageError(f"{target}: cannot be written, its folder does not exist")
    try:
        with tempfile.TemporaryDirectory(
            prefix=f".{target.name}.", dir=folder, ignore_cleanup_errors=True
        ) as work:
            yield Path(work)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        where = error.filename2 or error.filename or target
        raise PackagingError(f"{target}: cannot be made ({reason}: {where})") from None


class _Build:
    def __init__(
        self, directory: RunDirectory, options: BuildOptions, progress: Progress, work: Path
    ) -> None:
        self._directory = directory
        self._options = options
        self._progress = progress
        self._work = work
        progress.stage("reading the run's evidence")
        self._contents = find_contents(directory, options.cell)
        self._manifest: Manifest = self._contents.manifest
        self._recorded = read_executed(directory)
        beside = find_beside(directory, self._contents)
        for item in beside.items:
            self._contents.add(item)
        self._notes = beside.elsewhere
        self._plan: ReplayPlan = make_plan(self._contents, self._recorded, beside.started)
        self._environment = find_environment(directory, self._contents.python)
        roots = self._manifest.roots
        interpreter = str(Path(self._manifest.kernel.executable).parents[1])
        places = [self._manifest.cwd, *(roots.get(name, "") for name in ("project", "prefix"))]
        self._judge = Judge([*places, interpreter], roots.get("home", ""), options.allow)
        self._left_out: dict[str, str] = {}

    def make(self, target: Path) -> Built:
        root = self._work / "root"
        root.mkdir(mode=0o755)
        staging = Staging(root, self._contents, link=can_layer())
        self._progress.stage("collecting files")
        staging.add(self._sift(self._wanted()))
        self._write_own(staging)
        proof = self._prove(staging)
        layers = self._write_layers(staging, proof)
        built = self._describe(target, staging, layers, proof)
        self._progress.stage("writing the image")
        built.digest = self._write(target, staging, layers)
        return built

    # What goes in

    def _wanted(self) -> Iterator[Item]:
        for item in self._contents.items.values():
            if matches(item.path, self._options.exclude):
                self._left_out[item.path] = "--exclude"
            elif self._stays_outside(item):
                self._left_out[item.path] = f"--with-data {self._options.with_data}"
            else:
                yield item
        for path in self._options.include:
            yield from _included(path)

    def _stays_outside(self, item: Item) -> bool:
        return (
            self._options.with_data == "reference"
            and item.layer == DATA
            and item.role != Role.DIRECTORY
        )

    def _sift(self, items: Iterable[Item]) -> list[Item]:
        def leave(refusal: Refusal) -> None:
            self._left_out[refusal.path] = f"rule {refusal.rule}"

        return sift(items, self._judge, leave)

    def _may_add(self, missed: list[Item]) -> list[Item]:
        kept = [item for item in missed if not matches(item.path, self._options.exclude)]
        return self._sift(kept)

    def _write_own(self, staging: Staging) -> None:
        bare = json.loads(json.dumps(self._recorded))
        for cell in bare["cells"]:
            if cell["cell_type"] == "code":
                cell["outputs"], cell["execution_count"] = [], None
        driver = Path(__file__).with_name("driver.py").read_bytes()
        staging.write(DRIVER, driver)
        staging.write(PLAN, self._plan.to_json().encode())
        staging.write(NOTEBOOK, to_json(bare))
        staging.write(RECORDED, to_json(self._recorded))
        Path(f"{staging.root}{HOME}/out").mkdir()

    # Proof

    def _prove(self, staging: Staging) -> Proof:
        options = self._options
        if not options.proven or options.with_data == "reference":
            return Proof(reason="not replayed, as asked" if not options.proven else "no data in it")
        make = partial(self._running, staging)
        return prove(staging, self._contents, make, self._may_add, self._recorded, self._progress)

    def _running(self, staging: Staging, scratch: Path, tracer: tuple[str, ...]) -> Running:
        return Running(
            staging.root, scratch, self._contents.python, self._manifest.cwd, self._environment,
            network=self._options.network, timeout_s=self._options.timeout_s, tracer=tracer,
        )  # fmt: skip

    # What comes out

    def _write_layers(self, staging: Staging, proof: Proof) -> list[Layer]:
        self._progress.stage("writing layers")
        compress = self._options.compress if self._options.format == "oci" else "none"

        def write(kind: str) -> Layer:
            return write_layer(kind, staging.entries(kind), self._work / f"{kind}.layer", compress)

        with ThreadPoolExecutor(2) as pool:
            layers = list(pool.map(write, LAYERS[:-1]))
        self._describe_contents(staging, layers, proof)
        return [*(layer for layer in layers if layer.files or layer.kind == "system"), write("run")]

    def _describe_contents(self, staging: Staging, layers: list[Layer], proof: Proof) -> None:
        """Write into the image what is in it, and why."""
        files = {path: found for layer in layers for path, found in layer.files.items()}
        lines = [
            json.dumps(
                {**asdict(item), "size": files.get(path, (0, ""))[0],
                 "sha256": files.get(path, (0, ""))[1]},
                sort_keys=True,
            )
            for path, item in sorted(staging.items.items())
        ]  # fmt: skip
        staging.write(CONTENTS, "".join(f"{line}\n" for line in lines).encode())
        digests = {path: sha256 for path, (_, sha256) in files.items()}
        record = self.record(proof, find_changed(self._contents, staging.items.values(), digests))
        staging.write(PACKAGE, to_json(record))

    def record(self, proof: Proof, changed: list[str]) -> dict[str, Any]:
        """Give what `package.json` in the image says."""
        manifest = self._manifest
        return {
            "schema": SCHEMA, "run": manifest.run, "uuid": manifest.uuid,
            "notebook": manifest.notebook, "notebook_sha256": manifest.notebook_sha256,
            "status": manifest.status, "cwd": manifest.cwd, "python": self._contents.python,
            "parameters": manifest.parameters, "environment": self._environment,
            "outputs": dict(sorted(self._contents.outputs.items())), "changed": changed,
            "allowed": dict(sorted(self._judge.allowed.items())),
            "left_out": dict(sorted(self._left_out.items())), "with_data": self._options.with_data,
            "cell": self._options.cell, "executed": [one.position for one in self._plan.cells],
            "proof": asdict(proof), "roots": manifest.roots,
            "notes": list(self._notes),
        }  # fmt: skip

    def _describe(self, target: Path, staging: Staging, layers: list[Layer], proof: Proof) -> Built:
        sizes = [size for layer in layers for size, _ in layer.files.values()]
        digests = {path: d for layer in layers for path, (_, d) in layer.files.items()}
        return Built(
            target, "", layers, proof, len(sizes), sum(sizes), dict(staging.filled.missing),
            find_changed(self._contents, staging.items.values(), digests),
            self._left_out, self._judge.allowed, self._notes,
        )  # fmt: skip

    def config(self) -> oci.ImageConfig:
        """Give what the image says of itself."""
        manifest = self._manifest
        name = Path(manifest.notebook).stem
        labels = {
            "org.opencontainers.image.title": name,
            "org.opencontainers.image.description": f"Replays the notebook {name}.ipynb",
            f"{LABEL}run": manifest.run,
            f"{LABEL}uuid": manifest.uuid,
            f"{LABEL}notebook": manifest.notebook,
            f"{LABEL}notebook-sha256": manifest.notebook_sha256,
            f"{LABEL}package": SCHEMA,
        }
        command = (self._contents.python, f"{HOME}/{DRIVER}")
        return oci.ImageConfig(
            command, manifest.cwd, self._environment, labels, manifest.host.machine,
            manifest.ended_ns or FIXED_TIME * 10**9, name.lower(),
        )  # fmt: skip

    def _write(self, target: Path, staging: Staging, layers: list[Layer]) -> str:
        digest = ""
        finished = self._work / "finished"
        if self._options.format == "oci":
            digest = oci.write_layout(self._work / "layout", layers, self.config())
            oci.write_archive(self._work / "layout", finished)
        elif self._options.format == "dir":
            shutil.copytree(staging.root, finished, symlinks=True)
        else:
            flat = self._work / "flat.tar"
            with flat.open("wb") as sink:
                kinds = {entry.path: entry for kind in LAYERS for entry in staging.entries(kind)}
                write_entries(kinds.values(), sink, {})
            if self._options.format == "tar":
                finished = flat
            else:
                oci.write_squashfs(flat, finished)
        finished.replace(target)
        return digest


def to_json(record: Mapping[str, Any]) -> bytes:
    """Give the bytes of a JSON file in an image."""
    return (json.dumps(record, indent=1, sort_keys=True) + "\n").encode()


def matches(path: str, patterns: Iterable[str]) -> bool:
    """Tell whether a path is one of these paths, below one of them, or fits a pattern."""
    return any(under(path, pattern) or fnmatchcase(path, pattern) for pattern in patterns)


def _included(path: str) -> Iterator[Item]:
    """Yield what the user wants in the package besides: a file, or all of a directory."""
    place = Path(path).absolute()
    if not place.exists():
        raise UsageError(f"--include {path}: there is no such file or directory")
    found = sorted(place.rglob("*")) if place.is_dir() else [place]
    for one in found:
        if one.is_file():
            yield Item(str(one), DATA, Role.DATA, "--include")
