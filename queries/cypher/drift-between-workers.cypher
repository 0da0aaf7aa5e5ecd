//+ summary: What differs between the workers and hosts of a run: files as they were found, packages, interpreters, systems
//+ parameters: [run]
//+ columns: [kind, subject, worker, host, value]
CALL () {
  // What an activity made itself differs by intent; what it found should not.
  MATCH (version:FileVersion {run: $run})
  WHERE version.role IN ['data', 'config', 'code'] AND version.path IS NOT NULL
    AND version.sha256 IS NOT NULL AND version.host IS NOT NULL
  WITH version.path AS subject, collect(version) AS versions,
       count(DISTINCT version.host) AS places, count(DISTINCT version.sha256) AS sums
  WHERE places > 1 AND sums > 1
  UNWIND versions AS version
  MATCH (version)<-[:used]-(activity)
  WHERE NOT EXISTS { (version)-[:wasGeneratedBy]->(activity) }
  OPTIONAL MATCH (activity)-[:wasAssociatedWith]->(agent) WHERE agent.worker IS NOT NULL
  RETURN 'data' AS kind, subject, agent.worker AS worker, version.host AS host,
         version.sha256 AS value
  UNION
  MATCH (agent:Agent {run: $run})<-[:wasAssociatedWith]-()-[:used]->(entity)
  WITH DISTINCT agent, entity
  CALL (entity) {
    MATCH (entity)-[:hadMember]->(:SoftwareFile)-[:ofPackage]->(package) RETURN DISTINCT package
    UNION
    MATCH (entity)-[:ofPackage]->(package) RETURN package
  }
  WITH DISTINCT agent, package
  WITH package.name AS name, package.manager AS manager, collect([agent, package.version]) AS found,
       count(DISTINCT package.version) AS versions, count(DISTINCT agent) AS agents
  WHERE name IS NOT NULL AND manager IS NOT NULL AND versions > 1 AND agents > 1
  UNWIND found AS pair
  WITH name, manager, pair[0] AS agent, pair[1] AS value WHERE value IS NOT NULL
  OPTIONAL MATCH (agent)-[:atLocation]->(place)
  RETURN 'package' AS kind, name + ' (' + manager + ')' AS subject, agent.worker AS worker,
         place.name AS host, value
  UNION
  // One version may be installed with other files: another build, or a patched one.
  MATCH (agent:Agent {run: $run})<-[:wasAssociatedWith]-()-[:used]->(entity)
  WITH DISTINCT agent, entity
  CALL (entity) {
    MATCH (entity)-[:hadMember]->(:SoftwareFile)-[:ofPackage]->(package) RETURN DISTINCT package
    UNION
    MATCH (entity)-[:ofPackage]->(package) RETURN package
  }
  WITH DISTINCT agent, package
  WITH package.name AS name, package.manager AS manager, package.version AS version,
       collect([agent, package.record_digest]) AS found,
       count(DISTINCT package.record_digest) AS digests,
       count(DISTINCT CASE WHEN package.record_digest IS NOT NULL THEN agent END) AS agents
  WHERE name IS NOT NULL AND manager IS NOT NULL AND version IS NOT NULL
    AND digests > 1 AND agents > 1
  UNWIND found AS pair
  WITH name, manager, version, pair[0] AS agent, pair[1] AS value WHERE value IS NOT NULL
  OPTIONAL MATCH (agent)-[:atLocation]->(place)
  RETURN 'package files' AS kind, name + ' ' + version + ' (' + manager + ')' AS subject,
         agent.worker AS worker, place.name AS host, value
  UNION
  // Another version of a package is told once, as a package; here a path has another owner.
  MATCH (agent:Agent {run: $run})<-[:wasAssociatedWith]-()-[:used]->(entity)
  WITH DISTINCT agent, entity
  MATCH (entity)-[:hadMember]->(file:SoftwareFile)
  WITH DISTINCT agent, file
  OPTIONAL MATCH (file)-[:ofPackage]->(package)
  WHERE package.name IS NOT NULL AND package.manager IS NOT NULL
  WITH agent, file.path AS subject,
       coalesce('of ' + package.name + ' (' + package.manager + ')', 'of no package') AS value
  WITH subject, collect(DISTINCT [agent, value]) AS found, count(DISTINCT value) AS owners,
       count(DISTINCT agent) AS agents
  WHERE owners > 1 AND agents > 1
  UNWIND found AS pair
  WITH subject, pair[0] AS agent, pair[1] AS value
  OPTIONAL MATCH (agent)-[:atLocation]->(place)
  RETURN 'software file' AS kind, subject, agent.worker AS worker, place.name AS host, value
  UNION
  MATCH (agent:Agent {run: $run})
  WHERE agent.version IS NOT NULL AND agent.executable IS NOT NULL
  WITH agent, CASE WHEN agent.executable =~ '(?s).*/python[0-9.]*' THEN 'python'
                   ELSE last(split(agent.executable, '/')) END AS subject
  WITH subject, collect(agent) AS found, count(DISTINCT agent.version) AS versions
  WHERE versions > 1
  UNWIND found AS agent
  OPTIONAL MATCH (agent)-[:atLocation]->(place)
  RETURN 'interpreter' AS kind, subject, agent.worker AS worker, place.name AS host,
         agent.version AS value
  UNION
  MATCH (place:Host {run: $run})
  UNWIND ['distribution', 'release', 'machine'] AS subject
  WITH subject, collect(place) AS places, count(DISTINCT place[subject]) AS found
  WHERE found > 1
  UNWIND places AS place
  WITH subject, place WHERE place.name IS NOT NULL AND place[subject] IS NOT NULL
  RETURN 'system' AS kind, subject, null AS worker, place.name AS host, place[subject] AS value
}
RETURN kind, subject, worker, host, value
ORDER BY kind, subject, host IS NOT NULL, host, worker IS NOT NULL, worker, value
