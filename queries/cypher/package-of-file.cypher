//+ summary: What a file is in a run: its role, the rule that says so, and the package that owns it
//+ parameters: [run, file]
//+ columns: [path, role, rule, name, version, manager, purl]
CALL () {
  MATCH (:Activity {run: $run})-[:used]->(footprint:Footprint)
  WITH DISTINCT footprint
  MATCH (footprint)-[:hadMember]->(thing:SoftwareFile {path: $file})
  RETURN DISTINCT thing
  UNION
  MATCH (thing:FileVersion {run: $run, path: $file})
  RETURN thing
}
OPTIONAL MATCH (thing)-[:ofPackage]->(package:Package)
WITH DISTINCT thing.path AS path, thing.role AS role, thing.rule AS rule, package.name AS name,
     package.version AS version, package.manager AS manager, package.purl AS purl
RETURN path, role, rule, name, version, manager, purl
ORDER BY path, role IS NOT NULL, role, rule IS NOT NULL, rule, purl IS NOT NULL, purl
