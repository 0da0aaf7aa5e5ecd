//+ summary: Which file versions each execution, task, worker and the kernel itself took in and made
//+ parameters: [run]
//+ columns: [execution, task, worker, mode, path, version, sha256, role]
MATCH (activity:Activity {run: $run})-[edge:used|wasGeneratedBy]-(file:FileVersion)
WHERE file.path IS NOT NULL AND file.role IS NOT NULL
OPTIONAL MATCH (activity)-[:wasAssociatedWith]->(agent)
WITH DISTINCT activity.execution AS execution, activity.task AS task, agent.worker AS worker,
     CASE type(edge) WHEN 'used' THEN 'used' ELSE 'generated' END AS mode, file.path AS path,
     file.uid AS version, file.sha256 AS sha256, file.role AS role
RETURN execution, task, worker, mode, path, version, sha256, role
ORDER BY execution IS NOT NULL, execution, path, mode, version, task IS NOT NULL, task,
         worker IS NOT NULL, worker
