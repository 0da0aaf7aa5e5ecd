"""Run a notebook under observation: executed unchanged, its kernel traced, evidence kept.

Names load when they are first used: what runs on a worker needs no notebook machinery.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbrepro.capture.options import Progress, RunOptions, RunOutcome
    from nbrepro.capture.session import run_notebook

__all__ = ["Progress", "RunOptions", "RunOutcome", "run_notebook"]


def __getattr__(name: str) -> Any:
    """Load a public name from its module."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "session" if name == "run_notebook" else "options"
    return getattr(import_module(f"nbrepro.capture.{home}"), name)
