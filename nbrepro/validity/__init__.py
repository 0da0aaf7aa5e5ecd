"""Is a graph valid? Against PROV-CONSTRAINTS, our shapes, and our own rules. Start in `checking`.

PROV-JSON ─▶ records ─▶ facts ─▶ unification ─▶ impossibility, ordering ─▶ findings
statements of a run ─▶ the same records; and ─▶ shapes, rules ─▶ findings
"""

from __future__ import annotations

from nbrepro.validity.checking import check_document, check_statements
from nbrepro.validity.findings import Finding, Report

__all__ = ["Finding", "Report", "check_document", "check_statements"]
