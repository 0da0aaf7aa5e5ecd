//+ summary: The cell executions and files that depend on a file: what read it, what those wrote, and so on
//+ parameters: [run, file]
//+ columns: [cell, execution, mode, path, role, sha256]
MATCH (version:FileVersion {run: $run, path: $file})
MATCH (version)<-[:wasDerivedFrom|wasGeneratedBy|used*0..]-(origin:Entity)
WITH DISTINCT origin
CALL (origin) {
  MATCH (activity)-[edge:used]->(origin)
  RETURN edge, activity, origin AS thing
  UNION ALL
  MATCH (origin)<-[:used]-(activity)<-[edge:wasGeneratedBy]-(thing)
  RETURN edge, activity, thing
  UNION ALL
  MATCH (origin)<-[:wasDerivedFrom]-(thing)-[edge:wasGeneratedBy]->(activity)
  RETURN edge, activity, thing
}
WITH edge, activity, thing
WHERE edge.uid IS NOT NULL AND thing.path IS NOT NULL
WITH DISTINCT activity.cell AS cell, activity.execution AS execution, edge.mode AS mode,
     thing.path AS path, edge.role AS role, thing.sha256 AS sha256
RETURN cell, execution, mode, path, role, sha256
ORDER BY execution IS NOT NULL, execution, mode IS NOT NULL, mode, path,
         sha256 IS NOT NULL, sha256
