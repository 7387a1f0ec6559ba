COMMENT ON FUNCTION atomizer.start_ingestion(bigint) IS
    'Runs an ingestion job in a background worker, with the caller''s rights, and returns at once: a new job, or one that failed, was cancelled or interrupted.';
GRANT EXECUTE ON FUNCTION atomizer.start_ingestion(bigint) TO PUBLIC;

CREATE FUNCTION atomizer.start_ingestion(
    model_name      text,
    model_path      text DEFAULT NULL,
    model_lo        oid DEFAULT NULL,
    model_format    text DEFAULT NULL,
    tenant          text DEFAULT NULL,
    granularity     text DEFAULT 'auto',
    atom_chunk_size bigint DEFAULT 64000000,
    atom_quota      bigint DEFAULT NULL,
    model_type      text DEFAULT NULL,
    provider        text DEFAULT NULL,
    properties      jsonb DEFAULT NULL,
    unlink          boolean DEFAULT false,
    safety          text DEFAULT 'warn')
RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM atomizer_internal.check_writable('start_ingestion()');
    IF model_path IS NULL AND model_lo IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'give the model once: as model_path or as model_lo',
            HINT = 'A background worker cannot be given bytes: CALL ingest_model(…, model_bytes => …) takes them.';
    END IF;
    -- A wrong path or an unknown format must leave nothing behind.
    PERFORM atomizer.detect_model_format(NULL, model_lo, model_path);
    PERFORM atomizer_internal.refuse_unsafe(safety, NULL, model_lo, model_path, true);
    RETURN atomizer.start_ingestion(atomizer_internal.prepare_ingestion(
        model_name, model_path, model_lo, model_format, tenant, granularity, atom_chunk_size, atom_quota,
        model_type, provider, properties, unlink, safety));
END $$;
COMMENT ON FUNCTION atomizer.start_ingestion(
    text, text, oid, text, text, text, bigint, bigint, text, text, jsonb, boolean, text) IS
    'Does what ingest_model() does in a background worker, with the caller''s rights, and returns the job''s number at once. At most atomizer.max_workers run at a time, further jobs wait; progress shows both. Example: SELECT start_ingestion(''name'', model_path => ''/models/x.gguf'').';
GRANT EXECUTE ON FUNCTION atomizer.start_ingestion(
    text, text, oid, text, text, text, bigint, bigint, text, text, jsonb, boolean, text) TO PUBLIC;
