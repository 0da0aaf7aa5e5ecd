"""What steps opened themselves, as members of a set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from nbrepro.dependencies.facts import Facts, FileUse, PackageRecord, SoftwareMember, Step
from nbrepro.dependencies.modules import site_of
from nbrepro.dependencies.sets import EXACT, Dependency, Need
from nbrepro.model import Role
from nbrepro.roles import METADATA_OF_PACKAGE

OPENED, READ = "opened", "read"
_NO_NEED = frozenset({Role.RUNTIME, Role.DIRECTORY, Role.CACHE, Role.TEMPORARY})
"""Roles whose files are no needs: they are made anew, or are no content."""
_DEVICES = ("/dev/", "/proc/", "/sys/")


def kind_of(record: PackageRecord) -> Need:
    """Tell what kind of member a package is."""
    if record.manager == "python" or (record.manager == "conda" and record.name == "python"):
        return Need.INTERPRETER
    return Need.SYSTEM if record.manager not in ("pip", "conda") else Need.PACKAGE


def package_member(record: PackageRecord, **why: Any) -> Dependency:
    """Make a member of a package."""
    return Dependency(
        kind_of(record), record.name, record.version, record.manager, digest=record.digest,
        purl=record.purl, source=record.source, **why,
    )  # fmt: skip


def file_member(edge: FileUse, **why: Any) -> Dependency:
    """Make a member of a file's version that a step took in."""
    return Dependency(Need.FILE, edge.path, role=edge.role, digest=edge.sha256, **why)


class Opened:
    """Yields what steps took in: files, software, addresses, variables of the environment.

    `left` counts by role the files that are no needs.
    """

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self.left: Counter[str] = Counter()

    def members(self, steps: Collection[Step]) -> Iterator[Dependency]:
        """Yield everything that these steps opened."""
        for step in steps:
            why = {"rule": OPENED, "reason": f"opened by {self._facts.words(step)}"}
            for member in self._facts.software(step):
                found = self.software(member, **why)
                if found is not None:
                    yield found
        yield from self.taken(steps, set(steps))
        yield from self.around(steps)

    def taken(
        self, steps: Iterable[Step], inside: Collection[Step], certainty: str = EXACT
    ) -> Iterator[Dependency]:
        """Yield the files that steps took in, but for those that the steps `inside` made."""
        for step in steps:
            words = self._facts.words(step)
            for edge in self._taken(step, inside):
                yield file_member(
                    edge, rule=READ, reason=f"read by {words}", certainty=certainty,
                    by=self.by(step),
                )  # fmt: skip

    def by(self, step: Step) -> str:
        """Name the member that a step is in a set: its cell, or its task."""
        execution = self._facts.executions.get(step.execution)
        return step.task or (str(execution.cell) if execution else "")

    def _taken(self, step: Step, inside: Collection[Step]) -> Iterator[FileUse]:
        for edge in self._facts.edges.get(step, ()):
            if edge.mode != "used" or edge.path.startswith(_DEVICES):
                continue
            if edge.role in _NO_NEED:
                self.left[edge.role] += 1
            elif self._facts.makers.get(edge.version) not in inside:
                yield edge

    def software(self, member: SoftwareMember, **why: Any) -> Dependency | None:
        """Make a member of a software file: the package that owns it, else the file."""
        if member.package is not None:
            location = site_of(member.path)
            return package_member(self._facts.packages[member.package], location=location, **why)
        if member.role == Role.DIRECTORY or member.path.startswith(_DEVICES):
            return None
        if member.rule == METADATA_OF_PACKAGE:
            return None
        return Dependency(Need.UNOWNED, member.path, role=member.role, **why)

    def around(self, steps: Iterable[Step], **why: Any) -> Iterator[Dependency]:
        """Yield the addresses that steps connected to, and the variables that they read."""
        inside = set(steps)
        for end in self._facts.endpoints:
            if end.step in inside:
                name = end.address if end.port is None else f"{end.address}:{end.port}"
                reason = f"connected to by {self._facts.words(end.step)}"
                yield Dependency(Need.ENDPOINT, name, rule="connected", reason=reason, **why)
        for setting in self._facts.settings:
            if setting.step in inside:
                reason = f"{setting.state}, read by {self._facts.words(setting.step)}"
                yield Dependency(
                    Need.SETTING, setting.name, setting.value, rule="asked-for", reason=reason,
                    **why,
                )  # fmt: skip
