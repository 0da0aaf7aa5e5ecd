//+ summary: The first cell execution in which two runs differ, and in what: source, inputs, packages, outputs, status
//+ parameters: [run, other]
//+ columns: [cell, execution, kind, subject, a, b]
UNWIND [['a', $run], ['b', $other]] AS pair
WITH pair[0] AS side, pair[1] AS run
CALL (run) {
  MATCH (activity:CellExecution {run: run})-[:correspondsToStep]->(step)
  RETURN activity.execution AS execution, 'source' AS kind, '' AS key,
         activity.cell_id AS name, step.source_digest AS value
  UNION ALL
  MATCH (activity:CellExecution {run: run})
  RETURN activity.execution AS execution, 'status' AS kind, '' AS key,
         activity.cell_id AS name, activity.status AS value
  UNION ALL
  MATCH (activity:Activity {run: run})-[:used]->(file:FileVersion)
  WHERE file.role IN ['data', 'config', 'code']
    AND NOT EXISTS { (file)-[:wasGeneratedBy]->(activity) }
  RETURN activity.execution AS execution, 'input' AS kind, file.logical_key AS key,
         file.path AS name, file.sha256 AS value
  UNION ALL
  MATCH (activity:Activity {run: run})<-[:wasGeneratedBy]-(file:FileVersion)
  WHERE file.role IN ['data', 'config', 'code']
  RETURN activity.execution AS execution, 'output' AS kind, file.logical_key AS key,
         file.path AS name, file.sha256 AS value
  UNION ALL
  MATCH (activity:Activity {run: run})-[:used]->(footprint:Footprint)
  WHERE activity.execution IS NOT NULL
  WITH footprint, collect(DISTINCT activity.execution) AS executions
  CALL (footprint) {
    MATCH (footprint)-[:hadMember]->(:SoftwareFile)-[:ofPackage]->(package:Package)
    RETURN DISTINCT package
  }
  UNWIND executions AS execution
  RETURN execution, 'package' AS kind, package.manager + ' ' + package.name AS key,
         package.name AS name,
         package.version + coalesce(' ' + left(package.record_digest, 16), '') AS value
}
// A fact that only one of the runs knows is a difference; the first execution with one is kept.
WITH execution, kind, key, value, collect(DISTINCT side) AS sides, min(name) AS called
WHERE size(sides) = 1 AND execution IS NOT NULL AND key IS NOT NULL AND value IS NOT NULL
  AND called IS NOT NULL
WITH execution, kind, key, min(called) AS subject,
     max(CASE WHEN sides = ['a'] THEN value END) AS a,
     max(CASE WHEN sides = ['b'] THEN value END) AS b
WITH min(execution) AS execution,
     collect({at: execution, kind: kind, subject: subject, a: a, b: b}) AS differences
UNWIND [each IN differences WHERE each.at = execution] AS difference
OPTIONAL MATCH (here:CellExecution {run: $run, execution: execution})
RETURN here.cell AS cell, execution AS execution, difference.kind AS kind,
       difference.subject AS subject, difference.a AS a, difference.b AS b
ORDER BY CASE kind
           WHEN 'source' THEN 1 WHEN 'input' THEN 2 WHEN 'package' THEN 3 WHEN 'output' THEN 4
           ELSE 5 END,
         subject, a IS NOT NULL, a, b IS NOT NULL, b
