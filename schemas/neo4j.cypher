// Constraints and indexes of a store in Neo4j. A statement ends with a semicolon; its second-to-last
// words before FOR name it, so that a load makes only those that are not there.
CREATE CONSTRAINT nbrepro_uid IF NOT EXISTS FOR (n:Prov) REQUIRE n.uid IS UNIQUE;
CREATE CONSTRAINT nbrepro_bundle IF NOT EXISTS FOR (b:Bundle) REQUIRE b.run IS UNIQUE;
CREATE CONSTRAINT nbrepro_load IF NOT EXISTS FOR (l:Load) REQUIRE l.run IS UNIQUE;
CREATE CONSTRAINT nbrepro_guard IF NOT EXISTS FOR (g:Guard) REQUIRE g.name IS UNIQUE;
CREATE INDEX nbrepro_run IF NOT EXISTS FOR (n:Prov) ON (n.run);
CREATE INDEX nbrepro_activity IF NOT EXISTS FOR (a:Activity) ON (a.run);
CREATE INDEX nbrepro_execution IF NOT EXISTS FOR (a:Activity) ON (a.run, a.execution);
CREATE INDEX nbrepro_cell IF NOT EXISTS FOR (a:Activity) ON (a.run, a.cell);
CREATE INDEX nbrepro_cell_execution IF NOT EXISTS FOR (a:CellExecution) ON (a.run);
CREATE INDEX nbrepro_task IF NOT EXISTS FOR (t:Task) ON (t.run, t.task);
CREATE INDEX nbrepro_agent IF NOT EXISTS FOR (a:Agent) ON (a.run);
CREATE INDEX nbrepro_host IF NOT EXISTS FOR (h:Host) ON (h.run);
CREATE INDEX nbrepro_endpoint IF NOT EXISTS FOR (e:Endpoint) ON (e.run);
CREATE INDEX nbrepro_file_path IF NOT EXISTS FOR (f:FileVersion) ON (f.run, f.path);
CREATE INDEX nbrepro_file_key IF NOT EXISTS FOR (f:FileVersion) ON (f.logical_key);
CREATE INDEX nbrepro_activity_key IF NOT EXISTS FOR (a:Activity) ON (a.logical_key);
CREATE INDEX nbrepro_software_path IF NOT EXISTS FOR (f:SoftwareFile) ON (f.path);
CREATE INDEX nbrepro_content IF NOT EXISTS FOR (c:Content) ON (c.sha256);
CREATE INDEX nbrepro_package IF NOT EXISTS FOR (p:Package) ON (p.name);
CREATE INDEX nbrepro_purl IF NOT EXISTS FOR (p:Package) ON (p.purl);
