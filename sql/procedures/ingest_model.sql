-- Everything in one call: what users type first.

CREATE PROCEDURE atomizer.ingest_model(
    model_name      text,
    model_path      text DEFAULT NULL,
    model_lo        oid DEFAULT NULL,
    model_bytes     bytea DEFAULT NULL,
    model_format    text DEFAULT NULL,
    tenant          text DEFAULT NULL,
    granularity     text DEFAULT 'auto',
    atom_chunk_size bigint DEFAULT 16000000,
    atom_quota      bigint DEFAULT NULL)
LANGUAGE plpgsql AS $procedure$
DECLARE
    job bigint;
BEGIN
    -- A wrong path or an unknown format must leave nothing behind.
    PERFORM atomizer.detect_model_format(model_bytes, model_lo, model_path);
    job := atomizer._prepare_ingestion(model_name, model_path, model_lo, model_format, tenant, granularity,
                                       atom_chunk_size, atom_quota);
    COMMIT;
    CALL atomizer.atomize_model_governed(job, model_bytes, model_format);
END $procedure$;
COMMENT ON PROCEDURE atomizer.ingest_model(text, text, oid, bytea, text, text, text, bigint, bigint) IS
    'Registers a model, makes its job and ingests it: CALL ingest_model(''name'', model_path => ''/models/x.gguf''). Call it again after a failure: it resumes.';

CREATE FUNCTION atomizer._prepare_ingestion(
    model_name text, model_path text, model_lo oid, model_format text, tenant text, granularity text,
    atom_chunk_size bigint, atom_quota bigint)
RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    found_row record;
    model_id bigint;
BEGIN
    -- Row-level security shows the caller's own models only.
    SELECT m.model_id, m.is_complete, j.ingestion_job_id,
           j.model_path IS NOT DISTINCT FROM _prepare_ingestion.model_path
           AND j.model_lo IS NOT DISTINCT FROM _prepare_ingestion.model_lo AS same_source
    INTO found_row
    FROM atomizer.model m JOIN atomizer.ingestion_job j ON j.model_id = m.model_id
    JOIN atomizer.tenant t ON t.tenant_id = m.tenant_id
    WHERE m.model_name = _prepare_ingestion.model_name
      AND t.tenant_name = coalesce(_prepare_ingestion.tenant, t.tenant_name) AND NOT m.is_complete;
    IF found_row.same_source THEN
        RAISE NOTICE 'resuming ingestion job %', found_row.ingestion_job_id;
        IF atom_quota IS NOT NULL THEN
            PERFORM atomizer.set_atom_quota(found_row.ingestion_job_id, atom_quota);
        END IF;
        RETURN found_row.ingestion_job_id;
    ELSIF found_row.model_id IS NOT NULL THEN
        RAISE NOTICE 'beginning model "%" anew from another source', model_name;
        PERFORM atomizer.drop_model(found_row.model_id);
    END IF;
    model_id := atomizer.register_model(model_name, tenant);
    RETURN atomizer.create_ingestion_job(model_id, model_path, model_lo, model_format, granularity,
                                         atom_chunk_size, atom_quota);
END $$;
COMMENT ON FUNCTION atomizer._prepare_ingestion(text, text, oid, text, text, text, bigint, bigint) IS
    'The job ingest_model() works on: the one of an incomplete model of that name and source, or a new one.';
