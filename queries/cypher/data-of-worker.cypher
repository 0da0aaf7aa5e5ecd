//+ summary: Every file and connection that a worker touched: its tasks, and the worker itself
//+ parameters: [run, worker]
//+ columns: [run, cell, cell_id, execution, execution_count, mode, path, named, target, role, rule, sha256, size, undigested, host, process, task, worker, evidence, certainty, accesses, at]
MATCH (agent:Worker {run: $run, worker: $worker})<-[:wasAssociatedWith]-(activity)
MATCH (activity)-[edge:used|wasGeneratedBy|wasInvalidatedBy]-(thing)
// Reading and writing at once is two edges; the one to the version it left makes the row.
WHERE edge.uid IS NOT NULL AND edge.mode IS NOT NULL
  AND NOT (type(edge) = 'used' AND edge.mode = 'read-write')
RETURN $run AS run, activity.cell AS cell, activity.cell_id AS cell_id,
       activity.execution AS execution, activity.execution_count AS execution_count,
       edge.mode AS mode, coalesce(thing.path, thing.address) AS path, edge.named AS named,
       coalesce(edge.target, toString(thing.port)) AS target, edge.role AS role, edge.rule AS rule,
       thing.sha256 AS sha256, thing.size AS size, thing.undigested AS undigested,
       edge.host AS host, edge.process AS process, edge.task AS task, $worker AS worker,
       edge.evidence AS evidence, edge.certainty AS certainty, edge.accesses AS accesses,
       edge.at AS at
ORDER BY execution IS NOT NULL, execution, at IS NOT NULL, at, path IS NOT NULL, path, mode, edge.uid
