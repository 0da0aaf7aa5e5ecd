"""Dependency sets: what a cell, task, function, worker, host or notebook needs, and not more.

    graph ─▶ facts ─▶ direct: what it opened itself
                  └─▶ closure: executions needed through names and files ─▶ modules they import ─▶
                      packages those need

`DependencySet` is the answer; `nbrepro.dependencies.environments` writes it for package managers.
"""

from __future__ import annotations

from nbrepro.dependencies.asking import ask_dependencies
from nbrepro.dependencies.sets import EXACT, POSSIBLE, Dependency, DependencySet, Need

__all__ = ["EXACT", "POSSIBLE", "Dependency", "DependencySet", "Need", "ask_dependencies"]
