"""A store in a Neo4j server: the property graph of many runs, asked in Cypher.

A node of a run is `(:Prov:Entity|Activity|Agent:KIND {uid, run, ...})`, a relationship has the name
of its relation; what runs share has no `run`. A run exists when its `(:Bundle {run})` does: the
last thing a load writes and the first a removal takes away. A `(:Load {run})` stands for a load
that has not ended.
"""

from nbrepro.stores.neo4j.store import Neo4jStore

__all__ = ["Neo4jStore"]
