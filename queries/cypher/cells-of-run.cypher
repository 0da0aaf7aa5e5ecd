//+ summary: The cell executions of a run, with how much each and its tasks touched
//+ parameters: [run]
//+ columns: [cell, cell_id, execution, execution_count, source, status, error, started, seconds, data, packages, processes]
MATCH (activity:CellExecution {run: $run})
WHERE activity.execution IS NOT NULL AND activity.cell IS NOT NULL
OPTIONAL MATCH (activity)-[:correspondsToStep]->(step:Cell)
CALL (activity) {
  MATCH (doing:Activity {run: $run, execution: activity.execution})
        -[edge:used|wasGeneratedBy|wasInvalidatedBy]-(thing)
  WHERE edge.role IN ['data', 'config']
  RETURN count(DISTINCT thing.path) AS data
}
CALL (activity) {
  MATCH (doing:Activity {run: $run, execution: activity.execution})-[:used]->(version)
  WITH DISTINCT version
  CALL (version) {
    MATCH (version)-[:hadMember]->(:SoftwareFile)-[:ofPackage]->(package) RETURN DISTINCT package
    UNION
    MATCH (version)-[:ofPackage]->(package) RETURN package
  }
  RETURN count(DISTINCT package) AS packages
}
RETURN activity.cell AS cell, activity.cell_id AS cell_id, activity.execution AS execution,
       activity.execution_count AS execution_count, step.source AS source,
       activity.status AS status, activity.error AS error, activity.started AS started,
       activity.seconds AS seconds, data AS data, packages AS packages,
       activity.processes AS processes
ORDER BY execution
