//+ summary: The attempts at tasks of a run, with the worker of each and how many data files it touched
//+ parameters: [run]
//+ columns: [task, engine, function, cell, execution, attempt, worker, host, status, started, seconds, observed, files]
MATCH (activity:Task {run: $run})
WHERE activity.task IS NOT NULL
CALL (activity) {
  MATCH (activity)-[edge:used|wasGeneratedBy|wasInvalidatedBy]-(thing)
  WHERE edge.role IN ['data', 'config']
  RETURN count(DISTINCT thing.path) AS files
}
RETURN activity.task AS task, activity.engine AS engine, activity.function AS function,
       activity.cell AS cell, activity.execution AS execution, activity.attempt AS attempt,
       activity.worker AS worker, activity.host AS host, activity.status AS status,
       activity.started AS started, activity.seconds AS seconds, activity.observed AS observed,
       files AS files
ORDER BY execution IS NOT NULL, execution, started IS NOT NULL, started, task
