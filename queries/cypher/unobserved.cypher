//+ summary: The workers and tasks of a run that no trace covers, and why
//+ parameters: [run]
//+ columns: [worker, task, cell, host, reason]
CALL () {
  MATCH (agent:Worker {run: $run})
  WHERE agent.worker IS NOT NULL AND (agent.status = 'unobserved' OR agent.tracer = 'none')
  RETURN agent.worker AS worker, null AS task, null AS cell, agent.host AS host,
         coalesce(agent.error, agent.tracer_unseen, 'nothing was observed') AS reason
  UNION ALL
  MATCH (activity:Task {run: $run, observed: false})
  WHERE activity.task IS NOT NULL
  OPTIONAL MATCH (activity)-[:wasAssociatedWith]->(agent) WHERE agent.error IS NOT NULL
  RETURN activity.worker AS worker, activity.task AS task, activity.cell AS cell,
         activity.host AS host,
         coalesce(agent.error, CASE WHEN activity.worker IS NOT NULL
           THEN 'no trace covers the task' ELSE 'it is not known where the task ran' END) AS reason
}
RETURN worker, task, cell, host, reason
ORDER BY worker IS NOT NULL, worker, task IS NOT NULL, task
