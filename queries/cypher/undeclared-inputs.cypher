//+ summary: The files that tasks took in from outside their sandboxes without having declared them
//+ parameters: [run]
//+ columns: [task, function, cell, worker, host, path, mode, role, sha256]
MATCH (activity:Task {run: $run})-[edge:used {undeclared: true}]->(version:FileVersion)
WHERE activity.task IS NOT NULL AND edge.mode IS NOT NULL
  AND edge.role IN ['data', 'config', 'code']
  // What the task made itself is no input.
  AND NOT EXISTS { (version)-[:wasGeneratedBy]->(activity) }
RETURN activity.task AS task, activity.function AS function, activity.cell AS cell,
       edge.worker AS worker, edge.host AS host, version.path AS path, edge.mode AS mode,
       edge.role AS role, version.sha256 AS sha256
ORDER BY cell IS NOT NULL, cell, task, path, mode, edge.uid
