-- cancel_ingestion_job() in C calls it as the owner, with the caller.
CREATE FUNCTION atomizer_internal.cancel_ingestion_job(caller oid, job bigint) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_row atomizer.ingestion_job;
    interrupted boolean := false;
BEGIN
    -- Each step is a transaction that has the row locked and may be long: its statement is interrupted. What the steps
    -- before it stored is kept.
    SELECT * INTO found_row FROM atomizer.ingestion_job j
    WHERE j.ingestion_job_id = job AND atomizer_internal.may_act_for(caller, j.tenant_id) AND atomizer_internal.is_held(j);
    IF FOUND THEN
        BEGIN
            PERFORM FROM atomizer.ingestion_job j WHERE j.ingestion_job_id = job FOR UPDATE NOWAIT;
        EXCEPTION WHEN lock_not_available THEN
            -- A step has locked rows of this table; between two steps the session may be at something else. In two
            -- statements: within one, a planner is free to call pg_cancel_backend() before it compares.
            PERFORM FROM pg_stat_activity a JOIN pg_locks l USING (pid)
            WHERE a.pid = found_row.lease_pid AND a.state = 'active' AND a.backend_start = found_row.lease_backend_start
                AND l.granted AND l.mode IN ('RowShareLock', 'RowExclusiveLock')
                AND l.relation = 'atomizer.ingestion_job'::regclass
                AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database());
            interrupted := FOUND AND pg_cancel_backend(found_row.lease_pid);
        END;
    END IF;
    found_row := atomizer_internal.require_job(caller, job);
    IF found_row.job_status = 'Complete' THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('ingestion job %s is complete', job),
            HINT = format('drop_model(%s) removes its model.', found_row.model_id);
    ELSIF atomizer_internal.is_held(found_row) AND NOT interrupted THEN
        UPDATE atomizer.ingestion_job j SET cancel_requested = true WHERE j.ingestion_job_id = job;
        RETURN 'stops before its next step';
    END IF;
    UPDATE atomizer.ingestion_job j
    SET job_status = 'Cancelled', lease_token = NULL, lease_pid = NULL, lease_expires_at = NULL,
        lease_backend_start = NULL, cancel_requested = false, error_code = NULL, error_message = NULL,
        error_detail = NULL, error_hint = NULL, error_phase = NULL, error_file = NULL, queued_at = NULL, queued_role = NULL, last_updated_at = clock_timestamp()
    WHERE j.ingestion_job_id = job;
    RETURN 'cancelled';
END $$;
COMMENT ON FUNCTION atomizer_internal.cancel_ingestion_job(oid, bigint) IS 'Implements cancel_ingestion_job().';
