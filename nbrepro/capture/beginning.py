"""A new run: its name, its directory, and the first version of its manifest."""

from __future__ import annotations

import hashlib
import re
import secrets
import sys
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

from nbrepro.capture.environment import find_roots, read_host
from nbrepro.capture.options import RunOptions
from nbrepro.errors import MachineError
from nbrepro.model import RunId
from nbrepro.rundir import Kernel, Manifest, RunDirectory, Tracer


def create_run_directory(runs: Path, notebook: Path) -> RunDirectory:
    """Make a run directory with a name of its own: UTC time, the notebook's name, 4 hex digits."""
    slug = re.sub(r"[^a-z0-9]+", "-", notebook.stem.lower()).strip("-")[:40] or "notebook"
    for _ in range(100):
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        name = f"{stamp}-{slug}-{secrets.token_hex(2)}"
        try:
            return RunDirectory(runs / name).create()
        except FileExistsError:
            continue
    raise MachineError(f"{runs}: no free name for a run; look at what fills it")


def first_manifest(run: RunId, path: Path, data: bytes, cwd: Path, options: RunOptions) -> Manifest:
    """Describe a run of the notebook `data` at `path` before anything is known of its kernel."""
    rules = [{"pattern": r.pattern, "role": r.role.value} for r in options.settings.roles]
    return Manifest(
        run=run,
        uuid=str(uuid.uuid4()),
        notebook=str(path),
        notebook_sha256=hashlib.sha256(data).hexdigest(),
        cwd=str(cwd),
        token=secrets.token_hex(16),
        started_ns=time.time_ns(),
        host=read_host(),
        tracer=Tracer("none"),
        kernel=Kernel(name=options.kernel or "", language="", pid=0, probed=False),
        roots=find_roots(options.project.root, options.project.runs / run, sys.executable),
        parameters=dict(options.parameters),
        settings={"digest-limit": options.settings.digest_limit_bytes, "roles": rules},
    )
