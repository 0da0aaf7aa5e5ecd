//+ summary: What a cell with its tasks, a task, a worker or a run took in itself: files, packages, connections
//+ parameters: [run, cell?, task?, worker?]
//+ columns: [kind, name, version, manager, digest, host]
MATCH (activity:Activity {run: $run})
WHERE ($cell IS NULL OR activity.cell = $cell) AND ($task IS NULL OR activity.task = $task)
  AND ($worker IS NULL OR EXISTS { (activity)-[:wasAssociatedWith]->({worker: $worker}) })
MATCH (activity)-[:used]->(entity)
WITH DISTINCT entity
CALL (entity) {
  WITH entity
  WHERE entity.role IN ['data', 'config', 'code', 'unresolved', 'network']
    // What it made itself it does not depend on.
    AND NOT EXISTS {
      (entity)-[:wasGeneratedBy]->(maker)
      WHERE ($cell IS NULL OR maker.cell = $cell) AND ($task IS NULL OR maker.task = $task)
        AND ($worker IS NULL OR EXISTS { (maker)-[:wasAssociatedWith]->({worker: $worker}) })
    }
  RETURN entity.role AS kind, null AS version, null AS manager,
         coalesce(entity.path, entity.address + ':' + toString(entity.port)) AS name,
         entity.sha256 AS digest, entity.host AS host
  UNION
  CALL (entity) {
    MATCH (entity)-[:hadMember]->(:SoftwareFile)-[:ofPackage]->(package:Package)
    RETURN DISTINCT package
    UNION
    MATCH (entity)-[:ofPackage]->(package:Package)
    RETURN package
  }
  RETURN 'package' AS kind, package.version AS version, package.manager AS manager,
         package.name AS name, package.record_digest AS digest, null AS host
  UNION
  MATCH (entity)-[:hadMember]->(file:SoftwareFile)
  WHERE NOT EXISTS { (file)-[:ofPackage|describesPackage]->() }
  RETURN file.role AS kind, null AS version, null AS manager, file.path AS name, null AS digest,
         null AS host
}
WITH DISTINCT kind, name, version, manager, digest, host
RETURN kind, name, version, manager, digest, host
ORDER BY kind, name IS NOT NULL, name, version IS NOT NULL, version, manager IS NOT NULL, manager,
         digest IS NOT NULL, digest, host IS NOT NULL, host
