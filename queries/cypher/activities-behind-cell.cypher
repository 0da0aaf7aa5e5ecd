//+ summary: The executions and tasks that made what a cell with its tasks took in, and so on back
//+ parameters: [run, cell]
//+ columns: [execution, its_cell, task, worker]
MATCH (:Activity {run: $run, cell: $cell})-[:used]->(thing:Entity)
WITH DISTINCT thing
MATCH (thing)-[:wasGeneratedBy|used*1..]->(maker:Activity)
WITH DISTINCT maker
OPTIONAL MATCH (maker)-[:wasAssociatedWith]->(agent)
WITH DISTINCT maker.execution AS execution, maker.cell AS its_cell, maker.task AS task,
     agent.worker AS worker
RETURN execution, its_cell, task, worker
ORDER BY execution IS NOT NULL, execution, task IS NOT NULL, task, worker IS NOT NULL, worker
