"""The graph of a run in the forms of other libraries: networkx, and W3C PROV documents."""

from __future__ import annotations

from nbrepro.export.documents import make_document
from nbrepro.export.networks import make_network, make_simple_network

__all__ = ["make_document", "make_network", "make_simple_network"]
