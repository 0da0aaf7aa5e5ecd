//+ summary: The versions of packages that runs used, with how many runs and the first and last of them
//+ parameters: [package?]
//+ columns: [name, manager, version, digest, runs, first, last]
CALL () {
  // Runs share footprints: each is looked into once.
  MATCH (footprint:Footprint)<-[:used]-(activity:Activity)
  WITH footprint, collect(DISTINCT activity.run) AS runs
  CALL (footprint) {
    MATCH (footprint)-[:hadMember]->(:SoftwareFile)-[:ofPackage]->(package:Package)
    WHERE $package IS NULL OR package.name = $package
    RETURN DISTINCT package
  }
  UNWIND runs AS run
  RETURN package, run
  UNION
  MATCH (package:Package)<-[:ofPackage]-(version:FileVersion)<-[:used]-(:Activity)
  WHERE $package IS NULL OR package.name = $package
  RETURN package, version.run AS run
}
MATCH (bundle:Bundle {run: run})
RETURN package.name AS name, package.manager AS manager, package.version AS version,
       package.record_digest AS digest, count(DISTINCT run) AS runs, min(run) AS first,
       max(run) AS last
ORDER BY name, manager, version, digest IS NOT NULL, digest
