//+ summary: The packages whose files a cell with its tasks touched, or a task, worker or host; else those of the whole run
//+ parameters: [run, cell?, task?, worker?, host?]
//+ columns: [name, version, manager, purl, files, location, source]
// Activities share footprints, and those share files: each is looked at once.
MATCH (activity:Activity {run: $run})
WHERE (activity.cell = $cell
       OR $cell IS NULL AND (activity.cell IS NOT NULL OR activity:Session OR activity:Task))
  AND ($task IS NULL OR activity.task = $task)
OPTIONAL MATCH (activity)-[:wasAssociatedWith]->(agent)
OPTIONAL MATCH (agent)-[:atLocation]->(place)
WITH activity, agent, place
WHERE ($worker IS NULL OR agent.worker = $worker) AND ($host IS NULL OR place.name = $host)
WITH DISTINCT activity
MATCH (activity)-[:used|wasGeneratedBy]-(thing)
WITH DISTINCT thing
CALL (thing) {
  MATCH (thing:Footprint)-[:hadMember]->(file:SoftwareFile) RETURN file
  UNION ALL
  MATCH (file:FileVersion) WHERE file = thing RETURN file
}
WITH DISTINCT file WHERE file.path IS NOT NULL
MATCH (file)-[:ofPackage]->(package:Package)
WITH package, count(DISTINCT file.path) AS files
RETURN package.name AS name, package.version AS version, package.manager AS manager,
       package.purl AS purl, files AS files, package.location AS location,
       package.source AS source
ORDER BY manager, name, version, purl, location IS NOT NULL, location
