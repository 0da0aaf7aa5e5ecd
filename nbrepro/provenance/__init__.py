"""From touches to the statements of the graph (W3C PROV): identity, software, description."""

from nbrepro.provenance.description import Describer, ProcessRecord, RunFacts
from nbrepro.provenance.software import SoftwareUse, footprint

__all__ = ["Describer", "ProcessRecord", "RunFacts", "SoftwareUse", "footprint"]
