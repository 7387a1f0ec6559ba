CREATE FUNCTION atomizer_internal.require_job(caller oid, job bigint) RETURNS atomizer.ingestion_job
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_row atomizer.ingestion_job;
BEGIN
    SELECT * INTO found_row FROM atomizer.ingestion_job j
    WHERE j.ingestion_job_id = job AND atomizer_internal.may_act_for(caller, j.tenant_id) FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object',
            MESSAGE = format('ingestion job %s does not exist, or is not yours', job),
            HINT = 'SELECT * FROM atomizer.ingestion_progress shows your jobs.';
    END IF;
    RETURN found_row;
END $$;
COMMENT ON FUNCTION atomizer_internal.require_job(oid, bigint) IS 'Locks a job that a role acts for, or raises an error.';
