//+ summary: The network addresses that a run connected to
//+ parameters: [run]
//+ columns: [cell, execution, address, port, at, task, worker]
MATCH (endpoint:Endpoint {run: $run})<-[edge:used]-(activity)
WHERE endpoint.address IS NOT NULL AND edge.uid IS NOT NULL
RETURN activity.cell AS cell, activity.execution AS execution, endpoint.address AS address,
       coalesce(toIntegerOrNull(endpoint.port), endpoint.port) AS port, edge.at AS at,
       edge.task AS task, edge.worker AS worker
ORDER BY execution IS NOT NULL, execution, at IS NOT NULL, at, address, port, edge.uid
