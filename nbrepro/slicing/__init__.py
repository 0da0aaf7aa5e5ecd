"""Slices: the least of a notebook that re-creates one cell.

    needs through variables and files ─▶ closure ─▶ notebook and inputs ─▶ verified in an empty root

`make_slicer` knows a run; `Slicer.slice_of` gives the slice of an execution, `make_notebook`
writes it, and `verify` proves it.
"""

from __future__ import annotations

from nbrepro.slicing.choosing import Input, Slice, Slicer, choose_execution, make_slicer
from nbrepro.slicing.document import make_notebook

__all__ = ["Input", "Slice", "Slicer", "choose_execution", "make_notebook", "make_slicer"]
