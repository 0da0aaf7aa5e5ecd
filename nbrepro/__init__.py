"""Provenance of Jupyter notebooks at system-call level.

    import nbrepro
    run = nbrepro.open().run("last")
    run.cell(5).data().frame()

Names load when they are first used, so that `import nbrepro` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbrepro.answers import Provenance
    from nbrepro.answers import open_provenance as open  # noqa: A004
    from nbrepro.compare.sources import diff
    from nbrepro.errors import NbreproError
    from nbrepro.runs import Cell, Run

    __version__: str

__all__ = ["Cell", "NbreproError", "Provenance", "Run", "__version__", "diff", "open"]

_HOMES = {
    "Cell": ("nbrepro.runs", "Cell"),
    "NbreproError": ("nbrepro.errors", "NbreproError"),
    "Provenance": ("nbrepro.answers", "Provenance"),
    "Run": ("nbrepro.runs", "Run"),
    "diff": ("nbrepro.compare.sources", "diff"),
    "open": ("nbrepro.answers", "open_provenance"),
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module."""
    if name == "__version__":
        from importlib.metadata import version

        return version("nbrepro")
    if name not in _HOMES:
        raise AttributeError(f"module 'nbrepro' has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted(__all__)
