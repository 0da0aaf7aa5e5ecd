"""Packages: file systems that hold what a run needs, written, run and compared."""
