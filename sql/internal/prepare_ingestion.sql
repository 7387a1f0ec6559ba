-- The function of the same name in C calls this one as the owner, with the caller's name.
CREATE FUNCTION atomizer_internal.prepare_ingestion(
    role_name name, model_name text, model_path text, model_lo oid, model_format text, tenant text,
    granularity text, atom_chunk_size bigint, atom_quota bigint)
RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_row record;
    model bigint;
BEGIN
    SELECT m.model_id, j.ingestion_job_id,
           j.model_path IS NOT DISTINCT FROM prepare_ingestion.model_path
           AND j.model_lo IS NOT DISTINCT FROM prepare_ingestion.model_lo
           -- A wrong format must not stick to a job that has not read the file yet.
           AND (j.total_atoms IS NOT NULL
                OR j.model_format::text IS NOT DISTINCT FROM prepare_ingestion.model_format
                   AND j.granularity::text = prepare_ingestion.granularity) AS is_same
    INTO found_row
    FROM atomizer.model m JOIN atomizer.ingestion_job j ON j.model_id = m.model_id
    WHERE m.model_name = prepare_ingestion.model_name AND NOT m.is_complete
      AND m.tenant_id = atomizer_internal.tenant_of(role_name, tenant);
    IF found_row.is_same THEN
        RAISE NOTICE 'resuming ingestion job %', found_row.ingestion_job_id;
        IF atom_quota IS NOT NULL THEN
            PERFORM atomizer_internal.set_atom_quota(role_name, found_row.ingestion_job_id, atom_quota);
        END IF;
        RETURN found_row.ingestion_job_id;
    ELSIF found_row.model_id IS NOT NULL THEN
        RAISE NOTICE 'starting model "%" over: its source or settings differ', model_name;
        PERFORM atomizer_internal.drop_model(role_name, found_row.model_id);
    END IF;
    model := atomizer_internal.register_model(role_name, model_name, tenant, NULL, NULL, '{}');
    RETURN atomizer_internal.create_ingestion_job(role_name, model, model_path, model_lo, model_format, granularity,
                                          atom_chunk_size, atom_quota);
END $$;
COMMENT ON FUNCTION atomizer_internal.prepare_ingestion(name, text, text, oid, text, text, text, bigint, bigint) IS
    'Finds the job of the tenant''s incomplete model with this name and source, or creates one.';
COMMENT ON FUNCTION atomizer_internal.prepare_ingestion(text, text, oid, text, text, text, bigint, bigint) IS
    'Finds or creates the job that ingest_model() runs.';
GRANT EXECUTE ON FUNCTION atomizer_internal.prepare_ingestion(text, text, oid, text, text, text, bigint, bigint) TO PUBLIC;
