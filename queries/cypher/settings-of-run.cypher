//+ summary: The variables of the environment that a run read, as each execution found them
//+ parameters: [run]
//+ columns: [execution, cell, name, state, value]
MATCH (activity:Activity {run: $run})-[:used]->(setting:Setting)
WHERE setting.name IS NOT NULL AND setting.state IS NOT NULL
WITH DISTINCT activity.execution AS execution, activity.cell AS cell, setting.name AS name,
     setting.state AS state, setting.value AS value
RETURN execution, cell, name, state, value
ORDER BY execution IS NOT NULL, execution, name, state, value IS NOT NULL, value
