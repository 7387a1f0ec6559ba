-- Background workers call it as the owner.
CREATE FUNCTION atomizer_internal.give_up_ingestion_job(job bigint, code text, message text) RETURNS bigint
LANGUAGE sql SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    UPDATE atomizer.ingestion_job j
    SET job_status = CASE code WHEN '57014' THEN 'Pending' ELSE 'Failed' END::atomizer.job_status,
        queued_at = NULL, queued_role = NULL, error_code = code, error_message = message, cancel_requested = false,
        lease_token = NULL, lease_pid = NULL, lease_expires_at = NULL, lease_backend_start = NULL,
        last_updated_at = clock_timestamp()
    -- Before it was claimed, or between two of its steps: within a step the procedure gives it back.
    WHERE j.ingestion_job_id = job
      AND (j.queued_at IS NOT NULL OR j.job_status = 'Processing' AND j.lease_pid = pg_backend_pid())
    RETURNING j.ingestion_job_id;
END;
COMMENT ON FUNCTION atomizer_internal.give_up_ingestion_job(bigint, text, text) IS
    'Gives back a job that the procedure itself has not given back before its background worker ends, and keeps the error.';
