-- create_ingestion_job() in C calls it as the owner, with the caller.
CREATE FUNCTION atomizer_internal.create_ingestion_job(
    caller oid, model bigint, model_path text, model_lo oid, model_format text,
    granularity text, atom_chunk_size bigint, atom_quota bigint, safety text)
RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_row atomizer.model := atomizer_internal.require_model(caller, model);
    old_job bigint := (SELECT j.ingestion_job_id FROM atomizer.ingestion_job j WHERE j.model_id = model);
    new_id bigint;
BEGIN
    IF old_job IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('model "%s" has ingestion job %s already', found_row.model_name, old_job),
            HINT = format('CALL atomize_model_governed(%s) resumes it; drop_model(%s) removes both.', old_job, model);
    ELSIF model_path IS NOT NULL AND model_lo IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'give the model once: as model_path or as model_lo';
    ELSIF atom_chunk_size < 1 OR atom_quota < 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('atom_chunk_size must be positive and atom_quota not negative, but they are %s and %s',
                             atom_chunk_size, coalesce(atom_quota::text, 'unlimited'));
    END IF;
    INSERT INTO atomizer.ingestion_job
        (model_id, tenant_id, model_path, model_lo, model_format, granularity, atom_chunk_size, atom_quota, safety,
         created_role)
    VALUES (model, found_row.tenant_id, create_ingestion_job.model_path, create_ingestion_job.model_lo,
            create_ingestion_job.model_format::atomizer.model_format,
            create_ingestion_job.granularity::atomizer.atom_granularity, create_ingestion_job.atom_chunk_size,
            atomizer_internal.allowed_quota(found_row.tenant_id, create_ingestion_job.atom_quota), create_ingestion_job.safety,
            caller)
    RETURNING ingestion_job_id INTO new_id;
    RETURN new_id;
END $$;
COMMENT ON FUNCTION atomizer_internal.create_ingestion_job(oid, bigint, text, oid, text, text, bigint, bigint, text) IS
    'Implements create_ingestion_job().';
