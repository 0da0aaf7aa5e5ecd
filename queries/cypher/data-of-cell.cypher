//+ summary: Every file and connection that a cell with its tasks, or the kernel itself, touched
//+ parameters: [run, cell?, execution?]
//+ columns: [run, cell, cell_id, execution, execution_count, mode, path, named, target, role, rule, sha256, size, undigested, host, process, task, worker, evidence, certainty, accesses, at]
MATCH (activity:Activity {run: $run})
WITH activity, activity.cell IS NOT NULL AND activity.execution IS NOT NULL AS of_cell
WHERE of_cell AND ($cell IS NULL OR activity.cell = $cell)
        AND ($execution IS NULL OR activity.execution = $execution)
   OR $cell IS NULL AND $execution IS NULL
        AND (activity:Session OR activity:Task AND activity.cell IS NULL)
MATCH (activity)-[edge:used|wasGeneratedBy|wasInvalidatedBy]-(thing)
// Reading and writing at once is two edges; the one to the version it left makes the row.
WHERE edge.uid IS NOT NULL AND edge.mode IS NOT NULL
  AND NOT (type(edge) = 'used' AND edge.mode = 'read-write')
RETURN $run AS run, CASE WHEN of_cell THEN activity.cell END AS cell,
       CASE WHEN of_cell THEN activity.cell_id END AS cell_id,
       CASE WHEN of_cell THEN activity.execution END AS execution,
       CASE WHEN of_cell THEN activity.execution_count END AS execution_count,
       edge.mode AS mode, coalesce(thing.path, thing.address) AS path, edge.named AS named,
       coalesce(edge.target, toString(thing.port)) AS target, edge.role AS role, edge.rule AS rule,
       thing.sha256 AS sha256, thing.size AS size, thing.undigested AS undigested,
       edge.host AS host, edge.process AS process, edge.task AS task, edge.worker AS worker,
       edge.evidence AS evidence, edge.certainty AS certainty, edge.accesses AS accesses,
       edge.at AS at
ORDER BY execution IS NOT NULL, execution, at IS NOT NULL, at, path IS NOT NULL, path, mode, edge.uid
