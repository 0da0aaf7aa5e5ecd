//+ summary: The cell executions of a run, the longest first
//+ parameters: [run]
//+ columns: [cell, cell_id, execution, seconds, status]
MATCH (activity:CellExecution {run: $run})
WHERE activity.cell IS NOT NULL AND activity.execution IS NOT NULL
RETURN activity.cell AS cell, activity.cell_id AS cell_id, activity.execution AS execution,
       activity.seconds AS seconds, activity.status AS status
ORDER BY seconds IS NULL, seconds DESC, execution
