COMMENT ON FUNCTION atomizer.register_model(text, text, text, text, jsonb) IS
    'Registers a model for a tenant of the caller (default: the only one) and returns its model_id. ingest_model() does this, creates the job and runs it.';
GRANT EXECUTE ON FUNCTION atomizer.register_model(text, text, text, text, jsonb) TO PUBLIC;
