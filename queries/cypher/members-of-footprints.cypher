//+ summary: The software files in the footprints of a run, with the packages that own them
//+ parameters: [run]
//+ columns: [footprint, path, role, rule, package]
MATCH (:Activity {run: $run})-[:used]->(collection:Footprint)
WITH DISTINCT collection
MATCH (collection)-[:hadMember]->(file:SoftwareFile)
OPTIONAL MATCH (file)-[:ofPackage]->(owner:Package)
RETURN collection.uid AS footprint, file.path AS path, file.role AS role, file.rule AS rule,
       owner.uid AS package
ORDER BY footprint, path, role, package IS NOT NULL, package
