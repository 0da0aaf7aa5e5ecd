"""What a check finds: which rule, about what, why, and the records that contradict each other."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Finding:
    """One violation.

    `rule` is a name of the Recommendation, of a shape (`shape:FileVersion`) or of our own.
    `constraint` is its number in PROV-CONSTRAINTS (W3C Recommendation, 30 April 2013), 0 for
    rules from elsewhere. `records` are the contradicting records, written as in PROV-N.
    """

    rule: str
    constraint: int
    subject: str
    why: str
    records: tuple[str, ...] = ()
    bundle: str = ""


@dataclass(slots=True)
class Report:
    """All findings of one check, and how much was checked.

    `unread` are records that the reader does not understand: each is a sentence, and none of them
    was checked.
    """

    subject: str
    records: int = 0
    findings: list[Finding] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    @property
    def valid(self) -> bool:
        """Tell whether nothing was found; what was not read is no finding."""
        return not self.findings
