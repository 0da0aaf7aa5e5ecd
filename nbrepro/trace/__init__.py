"""Reads what strace wrote: bytes in, Events out, nothing lost and nothing raised."""

from nbrepro.trace.births import Births, Origin, births
from nbrepro.trace.lines import read_lines
from nbrepro.trace.strace import Summary, events
from nbrepro.trace.syscalls import TRACED

__all__ = ["TRACED", "Births", "Origin", "Summary", "births", "events", "read_lines"]
