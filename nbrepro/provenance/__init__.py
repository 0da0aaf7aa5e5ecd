"""From touches to the statements of the graph (W3C PROV).

`scribe` names and makes nodes and edges; `runs`, `distributed`, `files`, `software` and `settings`
describe the parts of a run; `identity` holds what compares across runs and machines.
"""

from nbrepro.provenance.distributed import tasks, workers
from nbrepro.provenance.files import FileStatements
from nbrepro.provenance.runs import RunStatements
from nbrepro.provenance.scribe import ProcessRecord, RunFacts, Scribe
from nbrepro.provenance.settings import settings
from nbrepro.provenance.software import Footprint, Footprints, SoftwareUse

__all__ = [
    "FileStatements",
    "Footprint",
    "Footprints",
    "ProcessRecord",
    "RunFacts",
    "RunStatements",
    "Scribe",
    "SoftwareUse",
    "settings",
    "tasks",
    "workers",
]
