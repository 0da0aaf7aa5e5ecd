"""Provenance of Jupyter notebooks at system-call level."""
