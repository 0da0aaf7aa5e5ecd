//+ summary: Every edge between an execution, or its task, and a file version, for building lineage trees
//+ parameters: [run]
//+ columns: [execution, cell, mode, path, version, sha256, role, at, task, worker]
MATCH (activity:Activity {run: $run})-[edge:used|wasGeneratedBy|wasInvalidatedBy]-(version)
WHERE edge.uid IS NOT NULL AND version.path IS NOT NULL
RETURN activity.execution AS execution, activity.cell AS cell,
       CASE type(edge)
         WHEN 'used' THEN 'used' WHEN 'wasGeneratedBy' THEN 'generated' ELSE 'invalidated'
       END AS mode,
       version.path AS path, version.uid AS version, version.sha256 AS sha256, edge.role AS role,
       edge.at AS at, edge.task AS task, edge.worker AS worker
ORDER BY execution IS NOT NULL, execution, at IS NOT NULL, at, path, mode, edge.uid
