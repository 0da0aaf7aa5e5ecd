//+ summary: The cell executions that wrote, removed or renamed a file, and the content each left
//+ parameters: [run, file]
//+ columns: [cell, cell_id, execution, mode, sha256, at]
MATCH (version:FileVersion {run: $run, path: $file})
      -[edge:wasGeneratedBy|wasInvalidatedBy]->(activity)
WHERE edge.uid IS NOT NULL
WITH DISTINCT activity.cell AS cell, activity.cell_id AS cell_id, activity.execution AS execution,
     edge.mode AS mode,
     CASE WHEN type(edge) = 'wasGeneratedBy' THEN version.sha256 END AS sha256,
     edge.at AS at
RETURN cell, cell_id, execution, mode, sha256, at
ORDER BY execution IS NOT NULL, execution, at IS NOT NULL, at, mode, sha256 IS NOT NULL, sha256
