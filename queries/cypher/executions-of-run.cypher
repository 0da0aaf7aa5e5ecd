//+ summary: The cell executions of a run with the code that ran, in order
//+ parameters: [run]
//+ columns: [execution, cell, cell_id, status, source]
MATCH (activity:CellExecution {run: $run})
WHERE activity.cell IS NOT NULL AND activity.execution IS NOT NULL
OPTIONAL MATCH (activity)-[:correspondsToStep]->(step:Cell)
RETURN activity.execution AS execution, activity.cell AS cell, activity.cell_id AS cell_id,
       activity.status AS status, step.source AS source
ORDER BY execution
