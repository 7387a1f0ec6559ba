-- The function of the same name in C calls this one as the owner, with the caller's name.
CREATE FUNCTION atomizer._release_ingestion_job(
    role_name name, job bigint, token uuid, status text, code text, message text)
RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- Complete it becomes by the fold alone, which verifies it.
    IF status IS NULL OR status NOT IN ('Pending', 'Failed', 'Cancelled') THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('work on a job cannot end as %s', status);
    END IF;
    -- Without the lease there is nothing to release: another worker may be at it by now.
    UPDATE atomizer.ingestion_job j
    SET job_status = status::atomizer.job_status, error_code = code, error_message = message,
        lease_token = NULL, lease_pid = NULL, lease_expires_at = NULL, lease_backend_start = NULL,
        cancel_requested = false, last_updated_at = clock_timestamp()
    WHERE j.ingestion_job_id = job AND j.lease_token = token AND atomizer._may_act_for(role_name, j.tenant_id);
    RETURN NULL;
END $$;
COMMENT ON FUNCTION atomizer._release_ingestion_job(name, bigint, uuid, text, text, text) IS
    'Ends work on a job before it is complete, and keeps the reason.';
COMMENT ON FUNCTION atomizer._release_ingestion_job(bigint, uuid, text, text, text) IS
    'Gives the lease on a job back before it is complete.';
GRANT EXECUTE ON FUNCTION atomizer._release_ingestion_job(bigint, uuid, text, text, text) TO PUBLIC;
