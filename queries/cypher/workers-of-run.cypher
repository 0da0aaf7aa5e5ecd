//+ summary: The workers of a run, with how much of each was observed
//+ parameters: [run]
//+ columns: [worker, engine, address, host, status, error, tasks, packages, tracer, clock_offset_ns, clock_error_ns, started, pid, executable, version, distribution, unseen]
MATCH (agent:Worker {run: $run})
WHERE agent.worker IS NOT NULL
OPTIONAL MATCH (agent)-[:atLocation]->(place)
CALL (agent) {
  MATCH (agent)<-[:wasAssociatedWith]-(activity:Task)
  RETURN count(DISTINCT activity) AS tasks
}
CALL (agent) {
  MATCH (agent)<-[:wasAssociatedWith]-()-[:used]->(entity)
  WITH DISTINCT entity
  CALL (entity) {
    MATCH (entity)-[:hadMember]->(:SoftwareFile)-[:ofPackage]->(package) RETURN DISTINCT package
    UNION
    MATCH (entity)-[:ofPackage]->(package) RETURN package
  }
  RETURN count(DISTINCT package) AS packages
}
RETURN agent.worker AS worker, agent.engine AS engine, agent.address AS address,
       agent.host AS host, agent.status AS status, agent.error AS error, tasks AS tasks,
       packages AS packages, agent.tracer AS tracer, agent.clock_offset_ns AS clock_offset_ns,
       agent.clock_error_ns AS clock_error_ns, agent.started AS started, agent.pid AS pid,
       agent.executable AS executable, agent.version AS version,
       place.distribution AS distribution, agent.tracer_unseen AS unseen
ORDER BY worker
