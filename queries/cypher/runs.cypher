//+ summary: Every run in the store, newest first
//+ parameters: []
//+ columns: [run, notebook, status, started, seconds, host, tracer, cells, error]
MATCH (bundle:Bundle)
RETURN bundle.run AS run, bundle.notebook AS notebook, bundle.status AS status,
       bundle.started AS started, bundle.seconds AS seconds, bundle.host AS host,
       bundle.tracer AS tracer, bundle.cells AS cells, bundle.error AS error
ORDER BY started IS NULL, started DESC, run DESC
