//+ summary: The package versions behind a run's files, with the digests of their records
//+ parameters: [run]
//+ columns: [package, name, version, manager, purl, digest, source]
MATCH (:Activity {run: $run})-[:used|wasGeneratedBy]-(thing)
WITH DISTINCT thing
CALL (thing) {
  MATCH (thing)-[:hadMember]->(:SoftwareFile)-[:ofPackage]->(owner:Package) RETURN DISTINCT owner
  UNION
  MATCH (thing:FileVersion)-[:ofPackage]->(owner:Package) RETURN owner
}
WITH DISTINCT owner
RETURN owner.uid AS package, owner.name AS name, owner.version AS version,
       owner.manager AS manager, owner.purl AS purl, owner.record_digest AS digest,
       owner.source AS source
ORDER BY package, digest IS NOT NULL, digest
