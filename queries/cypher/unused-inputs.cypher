//+ summary: The inputs that tasks declared and never touched; paths is a JSON list
//+ parameters: [run]
//+ columns: [task, function, cell, worker, host, paths]
MATCH (activity:Task {run: $run})
WHERE activity.task IS NOT NULL AND activity.unused_inputs <> '[]'
RETURN activity.task AS task, activity.function AS function, activity.cell AS cell,
       activity.worker AS worker, activity.host AS host, activity.unused_inputs AS paths
ORDER BY cell IS NOT NULL, cell, task
