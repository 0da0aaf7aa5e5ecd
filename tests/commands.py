"""The command `nbrepro` within this process: what it prints, without another interpreter."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from nbrepro.cli.program import program


def ask(folder: Path, *words: str) -> list[dict[str, Any]]:
    """Ask `nbrepro` in a folder with --json; give the rows, or say why it failed."""
    with contextlib.chdir(folder):
        done = CliRunner().invoke(program, [*words, "--json"], prog_name="nbrepro")
    assert done.exit_code == 0, f"{words} exited {done.exit_code}: {done.output[-3000:]}"
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows
