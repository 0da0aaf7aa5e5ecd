//+ summary: The cell executions and files behind a file: what wrote it, what those read, and so on
//+ parameters: [run, file]
//+ columns: [cell, execution, mode, path, role, sha256]
MATCH (version:FileVersion {run: $run, path: $file})
MATCH (version)-[:wasDerivedFrom|wasGeneratedBy|used*0..]->(origin:Entity)
WITH DISTINCT origin
CALL (origin) {
  MATCH (origin)-[edge:wasGeneratedBy]->(activity)
  RETURN edge, activity, origin AS thing
  UNION ALL
  MATCH (origin)-[:wasGeneratedBy]->(activity)-[edge:used]->(thing)
  RETURN edge, activity, thing
  UNION ALL
  MATCH (renamed)-[:wasDerivedFrom]->(origin)-[edge:wasInvalidatedBy {mode: 'rename'}]->(activity),
        (renamed)-[:wasGeneratedBy]->(activity)
  RETURN edge, activity, origin AS thing
}
WITH edge, activity, thing
WHERE edge.uid IS NOT NULL AND thing.path IS NOT NULL
WITH DISTINCT activity.cell AS cell, activity.execution AS execution, edge.mode AS mode,
     thing.path AS path, edge.role AS role, thing.sha256 AS sha256
RETURN cell, execution, mode, path, role, sha256
ORDER BY execution IS NOT NULL, execution, mode IS NOT NULL, mode, path,
         sha256 IS NOT NULL, sha256
