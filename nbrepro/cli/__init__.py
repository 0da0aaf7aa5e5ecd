"""The command line: prints what `answers`, `capture` and `ingest` give, and nothing more."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the `nbrepro` command."""
    from nbrepro.cli.program import program
    from nbrepro.conformity import skip_iri_grammar

    skip_iri_grammar()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal that cannot show a character gets its escape, never a failure.
            stream.reconfigure(errors="backslashreplace")
    program(prog_name="nbrepro")
