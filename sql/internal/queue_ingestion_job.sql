-- start_ingestion() in C calls it as the owner, with the caller.
CREATE FUNCTION atomizer_internal.queue_ingestion_job(caller oid, job bigint, OUT model_path text, OUT model_lo oid)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_row atomizer.ingestion_job := atomizer_internal.require_job(caller, job);
BEGIN
    IF found_row.job_status = 'Complete' THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('ingestion job %s is complete', job),
            HINT = format('drop_model(%s) removes its model.', found_row.model_id);
    ELSIF atomizer_internal.is_held(found_row) THEN
        RAISE EXCEPTION USING ERRCODE = 'lock_not_available',
            MESSAGE = format('ingestion job %s is being processed by backend %s', job, found_row.lease_pid),
            HINT = 'SELECT * FROM atomizer.progress shows how far it is.';
    ELSIF NOT atomizer_internal.may_work(caller) THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = format('role "%s" may not log in to this database, so no background worker can run its jobs', pg_get_userbyid(caller)),
            HINT = format('CALL atomizer.atomize_model_governed(%s) runs the job in this session.', job);
    ELSIF found_row.model_path IS NULL AND found_row.model_lo IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('ingestion job %s has neither a path nor a large object', job),
            HINT = format('A background worker cannot be given bytes: CALL atomize_model_governed(%s, model_bytes).', job);
    END IF;
    UPDATE atomizer.ingestion_job j
    SET job_status = 'Pending', queued_at = coalesce(j.queued_at, clock_timestamp()), queued_role = caller,
        lease_token = NULL, lease_pid = NULL, lease_expires_at = NULL, lease_backend_start = NULL, cancel_requested = false,
        error_code = NULL, error_message = NULL, error_detail = NULL, error_hint = NULL, error_phase = NULL,
        error_file = NULL, last_updated_at = clock_timestamp()
    WHERE j.ingestion_job_id = job;
    model_path := found_row.model_path;
    model_lo := found_row.model_lo;
END $$;
COMMENT ON FUNCTION atomizer_internal.queue_ingestion_job(oid, bigint) IS
    'Puts a job in the queue of the background workers, for a role to run, and returns its source.';
