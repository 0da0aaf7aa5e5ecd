//+ summary: Which footprint of software each execution, task, worker and the kernel itself have
//+ parameters: [run]
//+ columns: [execution, cell, task, worker, host, footprint]
MATCH (activity:Activity {run: $run})-[:used]->(collection:Footprint)
OPTIONAL MATCH (activity)-[:wasAssociatedWith]->(agent)
OPTIONAL MATCH (agent)-[:atLocation]->(place)
WITH DISTINCT activity.execution AS execution, activity.cell AS cell, activity.task AS task,
     agent.worker AS worker, place.name AS host, collection.uid AS footprint
RETURN execution, cell, task, worker, host, footprint
ORDER BY execution IS NOT NULL, execution, worker IS NOT NULL, worker, task IS NOT NULL, task,
         host IS NOT NULL, host, footprint
