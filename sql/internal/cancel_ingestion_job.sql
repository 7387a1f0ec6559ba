-- cancel_ingestion_job() in C calls it as the owner, with the caller's name.
CREATE FUNCTION atomizer_internal.cancel_ingestion_job(role_name name, job bigint) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_row atomizer.ingestion_job := atomizer_internal.require_job(role_name, job);
BEGIN
    IF found_row.job_status = 'Complete' THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('ingestion job %s is complete', job),
            HINT = format('drop_model(%s) removes its model.', found_row.model_id);
    ELSIF atomizer_internal.is_held(found_row) THEN
        UPDATE atomizer.ingestion_job j SET cancel_requested = true WHERE j.ingestion_job_id = job;
        RETURN 'stops before its next chunk';
    END IF;
    UPDATE atomizer.ingestion_job j
    SET job_status = 'Cancelled', lease_token = NULL, lease_pid = NULL, lease_expires_at = NULL,
        lease_backend_start = NULL, last_updated_at = clock_timestamp()
    WHERE j.ingestion_job_id = job;
    RETURN 'cancelled';
END $$;
COMMENT ON FUNCTION atomizer_internal.cancel_ingestion_job(name, bigint) IS 'Implements cancel_ingestion_job().';
