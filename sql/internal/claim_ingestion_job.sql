-- The function of the same name in C calls this one as the owner, with the caller.
CREATE FUNCTION atomizer_internal.claim_ingestion_job(caller oid, job bigint) RETURNS uuid
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_row atomizer.ingestion_job := atomizer_internal.require_job(caller, job);
    token uuid := gen_random_uuid();
BEGIN
    IF found_row.job_status = 'Complete' THEN
        RETURN NULL;
    -- So it is with a backend that asks for its own job.
    ELSIF atomizer_internal.is_held(found_row) AND found_row.lease_pid <> pg_backend_pid() THEN
        RAISE EXCEPTION USING ERRCODE = 'lock_not_available',
            MESSAGE = format('ingestion job %s is being processed by backend %s', job, found_row.lease_pid),
            DETAIL = format('It last reported progress %s ago.',
                            date_trunc('second', clock_timestamp() - found_row.last_updated_at)),
            HINT = 'Wait for it, or stop it with cancel_ingestion_job().';
    END IF;
    UPDATE atomizer.ingestion_job j
    SET job_status = 'Processing', lease_token = token, lease_pid = pg_backend_pid(),
        lease_expires_at = clock_timestamp() + atomizer_internal.lease_duration(),
        lease_backend_start = (SELECT a.backend_start FROM pg_stat_activity a WHERE a.pid = pg_backend_pid()),
        cancel_requested = false, queued_at = NULL, queued_role = NULL, error_code = NULL, error_message = NULL, error_detail = NULL,
        error_hint = NULL, error_phase = NULL, error_file = NULL,
        started_at = coalesce(j.started_at, clock_timestamp()), last_updated_at = clock_timestamp()
    WHERE j.ingestion_job_id = job;
    RETURN token;
END $$;
COMMENT ON FUNCTION atomizer_internal.claim_ingestion_job(oid, bigint) IS
    'Gives the lease on a job to this backend, or raises an error if a living one holds it; null if the job is complete.';
COMMENT ON FUNCTION atomizer_internal.claim_ingestion_job(bigint) IS 'Takes the lease on a job; null if the job is complete.';
GRANT EXECUTE ON FUNCTION atomizer_internal.claim_ingestion_job(bigint) TO PUBLIC;
