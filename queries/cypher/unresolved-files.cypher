//+ summary: The files that no package owns and no rule places
//+ parameters: [run, task?, worker?, host?]
//+ columns: [cell, path, rule]
MATCH (activity:Activity {run: $run})
WHERE $task IS NULL OR activity.task = $task
OPTIONAL MATCH (activity)-[:wasAssociatedWith]->(agent)
OPTIONAL MATCH (agent)-[:atLocation]->(place)
WITH activity, agent, place
WHERE ($worker IS NULL OR agent.worker = $worker) AND ($host IS NULL OR place.name = $host)
WITH DISTINCT activity
MATCH (activity)-[:used|wasGeneratedBy]-(entity)
// Activities share footprints: each is looked at once for a cell.
WITH DISTINCT activity.cell AS cell, entity
CALL (entity) {
  MATCH (entity)-[:hadMember]->(file:SoftwareFile {role: 'unresolved'}) RETURN file
  UNION ALL
  MATCH (file:FileVersion {role: 'unresolved'}) WHERE file = entity RETURN file
}
WITH DISTINCT cell, file.path AS path, file.rule AS rule WHERE path IS NOT NULL
RETURN cell, path, rule
ORDER BY cell IS NOT NULL, cell, path, rule IS NOT NULL, rule
