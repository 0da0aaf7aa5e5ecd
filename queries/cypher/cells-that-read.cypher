//+ summary: The cell executions that read a file, and the content each found
//+ parameters: [run, file]
//+ columns: [cell, cell_id, execution, mode, sha256, at]
MATCH (version:FileVersion {run: $run, path: $file})<-[edge:used]-(activity)
WHERE edge.uid IS NOT NULL
WITH DISTINCT activity.cell AS cell, activity.cell_id AS cell_id, activity.execution AS execution,
     edge.mode AS mode, version.sha256 AS sha256, edge.at AS at
RETURN cell, cell_id, execution, mode, sha256, at
ORDER BY execution IS NOT NULL, execution, at IS NOT NULL, at, mode, sha256 IS NOT NULL, sha256
