"""The updates that stores at SPARQL servers send: each may be sent twice, and holds no user's text.

`{graph}` is the IRI of a run in brackets, `{token}` one that `new_token` made. The graph of loads
holds of a run being loaded its token (`nbr:loading`), when it began by the server's clock
(`nbr:since`) and its bundle; of a visible run the token of its load (`nbr:loaded`).
"""

from __future__ import annotations

from uuid import uuid4

from nbrepro.vocabulary import GRAPHS, META_GRAPH, NBR, SHARED_GRAPH

LOADS = GRAPHS + "loads"

_NAMES = (
    f"PREFIX nbr: <{NBR}> PREFIX meta: <{META_GRAPH}> PREFIX shared: <{SHARED_GRAPH}> "
    f"PREFIX loads: <{LOADS}>\n"
)


def _update(text: str) -> str:
    """Write the braces of SPARQL as str.format wants them; those of `<<name>>` become its own."""
    doubled = (_NAMES + text).replace("{", "{{").replace("}", "}}")
    return doubled.replace("<<", "{").replace(">>", "}")


BEGIN = _update("""
DELETE { GRAPH meta: { <<graph>> ?p ?o } } WHERE { GRAPH meta: { <<graph>> ?p ?o } } ;
DELETE { GRAPH loads: { <<graph>> ?p ?o } } WHERE { GRAPH loads: { <<graph>> ?p ?o } } ;
INSERT { GRAPH loads: { <<graph>> nbr:loading "<<token>>" ; nbr:since ?now } }
WHERE { BIND (NOW() AS ?now) } ;
DROP SILENT GRAPH <<graph>>
""")
"""Take a run from sight, empty its graph, and say who loads it."""

PUBLISH = _update("""
INSERT {
  GRAPH meta: { <<graph>> ?p ?o }
  GRAPH loads: { <<graph>> nbr:loaded "<<token>>" . ?other nbr:loading "replaced" }
}
WHERE {
  GRAPH loads: {
    <<graph>> nbr:loading "<<token>>" ; nbr:run ?run ; ?p ?o .
    FILTER (?p NOT IN (nbr:loading, nbr:since, nbr:loaded))
  }
  OPTIONAL {
    GRAPH meta: { ?other nbr:run ?run }
    FILTER (?other != <<graph>>)
  }
} ;
DELETE { GRAPH meta: { ?other ?p ?o } }
WHERE {
  GRAPH loads: { <<graph>> nbr:loaded "<<token>>" . ?other nbr:loading "replaced" }
  GRAPH meta: { ?other ?p ?o }
} ;
DELETE { GRAPH loads: { <<graph>> ?p ?o } }
WHERE {
  GRAPH loads: {
    <<graph>> nbr:loaded "<<token>>" ; ?p ?o .
    FILTER (?p != nbr:loaded)
  }
}
""")
"""Make a run visible in place of any other of its name, where nobody took its token away."""

FORGET = _update("""
DELETE { GRAPH meta: { <<graph>> ?p ?o } } WHERE { GRAPH meta: { <<graph>> ?p ?o } } ;
DELETE { GRAPH loads: { <<graph>> ?p ?o } } WHERE { GRAPH loads: { <<graph>> ?p ?o } } ;
INSERT DATA { GRAPH loads: { <<graph>> nbr:loading "forgotten" } } ;
DROP SILENT GRAPH <<graph>> ;
DELETE DATA { GRAPH loads: { <<graph>> nbr:loading "forgotten" } }
""")
"""Take a run from sight, then all that is of it alone."""

_UNUSED_NODES = """
    GRAPH shared: { ?node a ?type }
    FILTER NOT EXISTS { GRAPH ?any { ?source ?property ?node } }
"""

UNUSED = f"{_NAMES} SELECT (COUNT(DISTINCT ?node) AS ?nodes) {{ {_UNUSED_NODES} }}"
"""Count the shared nodes that nothing leads to (a query, not an update)."""

DROP_UNUSED = (
    _NAMES
    + f"""
DELETE {{ GRAPH shared: {{ ?node ?p ?o }} }}
WHERE {{
  {{ SELECT DISTINCT ?node {{ {_UNUSED_NODES} }} }}
  GRAPH shared: {{ ?node ?p ?o }}
}}
"""
)
"""Remove the shared nodes that nothing leads to."""

VOID_LOADS = (
    _NAMES
    + """
DELETE { GRAPH loads: { ?graph nbr:loading ?token } }
INSERT { GRAPH loads: { ?graph nbr:loading "void" } }
WHERE { GRAPH loads: { ?graph nbr:loading ?token } }
"""
)
"""Make every load that is under way fail when it ends."""


def new_token() -> str:
    """Make a token that no other load has."""
    return uuid4().hex
