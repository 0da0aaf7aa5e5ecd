//+ summary: The runs that read a content (its sha256) or used a package (its name or purl), and their cells
//+ parameters: [content?, package?]
//+ columns: [run, started, cell, execution, kind, name, version, digest]
CALL () {
  MATCH (:Content {sha256: $content})<-[:specializationOf]-(version:FileVersion)
  MATCH (version)<-[:used]-(activity:Activity)
  RETURN activity, 'content' AS kind, version.path AS name, null AS version, $content AS digest
  UNION
  MATCH (package:Package)
  WHERE package.name = $package OR package.purl = $package
  CALL (package) {
    MATCH (package)<-[:ofPackage]-(:SoftwareFile)<-[:hadMember]-(entity:Footprint)
    RETURN DISTINCT entity
    UNION
    MATCH (package)<-[:ofPackage]-(entity:FileVersion)
    RETURN entity
  }
  MATCH (entity)<-[:used]-(activity:Activity)
  RETURN activity, 'package' AS kind, package.name AS name, package.version AS version,
         package.record_digest AS digest
}
MATCH (bundle:Bundle {run: activity.run})
WITH DISTINCT bundle.run AS run, bundle.started AS started, activity.cell AS cell,
     activity.execution AS execution, kind, name, version, digest
RETURN run, started, cell, execution, kind, name, version, digest
ORDER BY started IS NULL, started DESC, run DESC, execution IS NOT NULL, execution, kind, name,
         version IS NOT NULL, version, digest IS NOT NULL, digest
