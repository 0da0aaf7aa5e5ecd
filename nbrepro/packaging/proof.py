"""Replays a package while it is made, and adds what the replay looked for and this machine has.

A trace of opened files does not show what was only looked at (stat, access, readlink). The replay
runs in the package's own root, watched from outside with every call that takes a path; a look-up
that fails there, of a path that exists here, is what was missed. This is repeated until nothing is
missed any more.
"""

from __future__ import annotations

import codecs
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbrepro.model import Role
from nbrepro.outputs import compare_outputs
from nbrepro.packaging.contents import Contents, Item
from nbrepro.packaging.plan import code_cells
from nbrepro.packaging.replaying import Heard, Progress, Running, read_result, run_driver
from nbrepro.packaging.root import is_fresh
from nbrepro.packaging.staging import Staging
from nbrepro.roles import under

ROUNDS = 6
RULE = "looked for by the replay"
_FAILED = re.compile(
    rb'^\d+\s+(?P<call>\w+)\((?:(?:AT_FDCWD|\d+)<(?P<at>[^>]*)>, )?"(?P<path>(?:[^"\\]|\\.)*)"'
    rb".* = -1 ENOENT"
)


@dataclass(slots=True)
class Proof:
    """How a package was proven: the replays it took, what they added, which cells were equal.

    `equal` and `cells` count cells whose outputs were compared with the run's. `reason` says why
    there was no replay, `failure` why the last one failed. `complete` says that the last replay
    missed nothing.
    """

    rounds: int = 0
    added: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    cells: int = 0
    equal: int = 0
    different: list[int] = field(default_factory=list)
    complete: bool = False
    failure: str = ""
    reason: str = ""


def prove(
    staging: Staging,
    contents: Contents,
    running: Callable[[Path, tuple[str, ...]], Running],
    may_add: Callable[[list[Item]], list[Item]],
    recorded: dict[str, Any],
    progress: Progress,
) -> Proof:
    """Replay until nothing is missed; `running` makes a replay for a scratch directory and tracer.

    `may_add` gives those of the missed items that may be packaged.
    """
    proof = Proof()
    strace = shutil.which("strace")
    for number in range(1, ROUNDS + 1):
        proof.rounds = number
        progress.stage(f"replaying in an empty root, round {number}")
        with tempfile.TemporaryDirectory(prefix="nbrepro-", dir=staging.root.parent) as folder:
            scratch, trace = Path(folder, "scratch"), Path(folder, "trace")
            scratch.mkdir()
            heard = run_driver(running(scratch, _tracer(strace, trace)), progress)
            missed = find_missed(trace, contents, staging) if strace else []
            _compare(proof, heard, scratch, recorded, contents)
        allowed = may_add(missed)
        new = staging.add(allowed)
        proof.added.update((item.path, item.rule) for item in new)
        kept = {item.path for item in allowed}
        proof.left_out.update((i.path, "refused") for i in missed if i.path not in kept)
        if not new and (proof.different or proof.failure) and contents.perhaps:
            # The notebook may have listed what Python searches for modules: try with its entries.
            perhaps, contents.perhaps = contents.perhaps, []
            new = staging.add(may_add(perhaps))
            proof.added.update((item.path, item.rule) for item in new)
        if not new:
            proof.complete = strace is not None
            break
    if strace is None:
        proof.reason = "strace is not installed: what is only looked at was not searched for"
    return proof


def _tracer(strace: str | None, trace: Path) -> tuple[str, ...]:
    if strace is None:
        return ()
    # Only failing look-ups are written: of the others the root has what they found.
    return (
        strace, "-f", "-qq", "--seccomp-bpf", "-Z", "-y", "-s", "4096", "-e", "trace=%file",
        "-e", "signal=none", "-o", str(trace),
    )  # fmt: skip


def find_missed(trace: Path, contents: Contents, staging: Staging) -> list[Item]:
    """List what a replay looked for in vain and this machine has."""
    found: dict[str, Item] = {}
    seen: set[str] = set()
    for path in failed_lookups(trace, contents.manifest.cwd):
        if path in seen:
            continue
        seen.add(path)
        if is_fresh(path) or _is_own(path, contents) or not os.path.lexists(path):
            continue
        if Path(f"{staging.root}{path}").exists():
            continue
        folder = Path(path).is_dir()
        role = Role.DIRECTORY if folder else Role.UNRESOLVED
        found[path] = Item(path, staging.guess_layer(path), role, RULE, needed=False)
    return list(found.values())


def _is_own(path: str, contents: Contents) -> bool:
    """Tell whether a path is what the run made, or belongs to the tool or a moment."""
    if path in contents.made or path.startswith("/nbrepro-marker"):
        return True
    run = contents.manifest.roots.get("run", "")
    return under(path, run) or any(under(path, made) for made in contents.made)


def failed_lookups(trace: Path, cwd: str) -> Iterator[str]:
    """Yield the absolute paths whose look-up failed because there was nothing."""
    with trace.open("rb") as stream:
        for line in stream:
            found = _FAILED.match(line)
            if found is None:
                continue
            text, _ = codecs.escape_decode(found["path"])
            name = os.fsdecode(text)
            at = os.fsdecode(found["at"] or os.fsencode(cwd))
            if name:
                yield os.path.normpath(name if name.startswith("/") else f"{at}/{name}")


def _compare(
    proof: Proof, heard: Heard, scratch: Path, recorded: dict[str, Any], contents: Contents
) -> None:
    proof.failure = heard.failure
    proof.cells, proof.equal, proof.different = 0, 0, []
    if heard.failure and heard.code not in (0, 1):
        return
    again = read_result(scratch)
    executed = {record.position for record in contents.cells}
    injected = 0 in executed
    for position, one, other in paired_cells(recorded, again, injected):
        if position not in executed:
            continue
        proof.cells += 1
        # Warnings depend on the machine and its load: they are compared by `verify`, and shown.
        if any(found.part != "stderr" for found in compare_outputs(one, other)):
            proof.different.append(position)
        else:
            proof.equal += 1
    if contents.manifest.status == "failed" and heard.code == 1:
        proof.failure = ""  # as the run did


def paired_cells(
    recorded: Mapping[str, Any], again: Mapping[str, Any], injected: bool
) -> Iterator[tuple[int, list[Any], list[Any]]]:
    """Pair the outputs of the code cells of two executions, with their positions from 1."""
    sides = [
        {place: notebook["cells"][index] for place, index in code_cells(notebook, injected).items()}
        for notebook in (recorded, again)
    ]
    for position in sorted(sides[0].keys() & sides[1].keys() - {0}):
        one, other = (side[position].get("outputs", []) for side in sides)
        yield position, one, other
