//+ summary: The files of packages and of the system that a cell with its tasks touched
//+ parameters: [run, cell?]
//+ columns: [cell, execution, path, role, rule, package, task, worker, host]
MATCH (activity:Activity {run: $run})
WITH activity, activity.cell IS NOT NULL AND activity.execution IS NOT NULL AS of_cell
WHERE of_cell AND ($cell IS NULL OR activity.cell = $cell)
   OR $cell IS NULL AND (activity:Session OR activity:Task AND activity.cell IS NULL)
MATCH (activity)-[:used]->(footprint:Footprint)
OPTIONAL MATCH (activity)-[:wasAssociatedWith]->(agent)
OPTIONAL MATCH (agent)-[:atLocation]->(place)
// Activities share footprints: each is looked at once for a cell, task, worker and host.
WITH DISTINCT footprint, CASE WHEN of_cell THEN activity.cell END AS cell,
     CASE WHEN of_cell THEN activity.execution END AS execution, activity.task AS task,
     agent.worker AS worker, place.name AS host
MATCH (footprint)-[:hadMember]->(file:SoftwareFile)
OPTIONAL MATCH (file)-[:ofPackage]->(owner)
RETURN cell, execution, file.path AS path, file.role AS role, file.rule AS rule,
       owner.purl AS package, task, worker, host
ORDER BY execution IS NOT NULL, execution, path, package IS NOT NULL, package, role,
         worker IS NOT NULL, worker, task IS NOT NULL, task
