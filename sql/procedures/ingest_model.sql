-- No SET clause and no SECURITY DEFINER: with either, COMMIT is refused. So every type, function and operator is qualified: the
-- caller's search_path may have others of these names.

CREATE PROCEDURE atomizer.ingest_model(
    model_name      text,
    model_path      text DEFAULT NULL,
    model_lo        oid DEFAULT NULL,
    model_bytes     bytea DEFAULT NULL,
    model_format    text DEFAULT NULL,
    tenant          text DEFAULT NULL,
    granularity     text DEFAULT 'auto',
    atom_chunk_size bigint DEFAULT 64000000,
    atom_quota      bigint DEFAULT NULL,
    model_type      text DEFAULT NULL,
    provider        text DEFAULT NULL,
    properties      jsonb DEFAULT NULL,
    unlink          boolean DEFAULT false,
    strict          boolean DEFAULT false,
    safety          text DEFAULT 'warn')
LANGUAGE plpgsql AS $procedure$
DECLARE
    job bigint;
BEGIN
    PERFORM atomizer_internal.check_may_commit('ingest_model');
    -- A wrong path or an unknown format must leave nothing behind.
    PERFORM atomizer.detect_model_format(model_bytes, model_lo, model_path);
    -- The same of a model that is to be refused; a warning comes with the plan.
    PERFORM atomizer_internal.refuse_unsafe(safety, model_bytes, model_lo, model_path);
    IF strict THEN
        PERFORM FROM atomizer.list_tensors(model_bytes, model_format, model_lo, model_path, strict => true);
    END IF;
    job := atomizer_internal.prepare_ingestion(model_name, model_path, model_lo, model_format, tenant, granularity,
                                       atom_chunk_size, atom_quota, model_type, provider, properties, unlink, safety);
    PERFORM atomizer_internal.check_commit('ingest_model');
    COMMIT;
    CALL atomizer.atomize_model_governed(job, model_bytes, model_format);
END $procedure$;
COMMENT ON PROCEDURE atomizer.ingest_model(
    text, text, oid, bytea, text, text, text, bigint, bigint, text, text, jsonb, boolean, boolean, text) IS
    'Registers a model, or continues one that is registered, creates its job and runs it; call it again after a failure to resume. model_path may be a folder: its files beside the weights are kept, too. granularity is auto, weight or tensor; atom_chunk_size the number of weights per commit; unlink removes the large object once the model is complete; strict refuses a file in which something is not listed as a tensor; safety says what happens to a model that model_safety_report() does not call safe: refuse, warn or ignore. Example: CALL ingest_model(''name'', model_path => ''/models/x.gguf'').';
GRANT EXECUTE ON PROCEDURE atomizer.ingest_model(
    text, text, oid, bytea, text, text, text, bigint, bigint, text, text, jsonb, boolean, boolean, text) TO PUBLIC;
