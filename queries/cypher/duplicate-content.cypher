//+ summary: The contents that a run met under more than one path or host
//+ parameters: [run]
//+ columns: [sha256, size, copies, path, host]
MATCH (any:FileVersion {run: $run})
WHERE any.sha256 IS NOT NULL AND any.path IS NOT NULL AND any.role IN ['data', 'config', 'code']
WITH any.sha256 AS sha256, collect(any) AS versions,
     count(DISTINCT coalesce(any.host, '') + ':' + any.path) AS copies
WHERE copies > 1
UNWIND versions AS version
WITH DISTINCT sha256, version.size AS size, copies, version.path AS path, version.host AS host
RETURN sha256, size, copies, path, host
ORDER BY copies DESC, sha256, path, host IS NOT NULL, host
