-- The function of the same name in C calls this one as the owner, with the caller.
CREATE FUNCTION atomizer_internal.release_ingestion_job(
    caller oid, job bigint, token uuid, status text, code text, message text, detail text, hint text)
RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- Only finalizing a job, which verifies it, makes it Complete.
    IF status IS NULL OR status NOT IN ('Pending', 'Failed', 'Cancelled') THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('work on a job cannot end as %s', status);
    END IF;
    -- Without the lease there is nothing to release: another worker may have it by now.
    UPDATE atomizer.ingestion_job j
    SET job_status = status::atomizer.job_status, error_code = code, error_message = message,
        error_detail = nullif(detail, ''), error_hint = nullif(hint, ''),
        -- The step that failed was rolled back, so the row says which one it was.
        error_phase = CASE WHEN code IS NULL THEN NULL
                           WHEN j.total_atoms IS NULL THEN 'plan'
                           WHEN j.bytes_processed < j.total_bytes THEN 'store'
                           ELSE 'finalize' END,
        -- The file that the message names, as errors of reading do, or one of the model's; else what the job reads.
        error_file = CASE WHEN code IS NOT NULL THEN coalesce(
            substring(message FROM '(?:file|cannot \w+){1,1}? "(.+?)"(?=[:, ]|$)'),
            (SELECT f.file_name FROM atomizer.model_file f
             WHERE f.model_id = j.model_id AND strpos(message, f.file_name) > 0
             ORDER BY length(f.file_name) DESC LIMIT 1), j.model_path) END,
        lease_token = NULL, lease_pid = NULL, lease_expires_at = NULL, lease_backend_start = NULL,
        cancel_requested = false, last_updated_at = clock_timestamp()
    WHERE j.ingestion_job_id = job AND j.lease_token = token AND atomizer_internal.may_act_for(caller, j.tenant_id);
    RETURN NULL;
END $$;
COMMENT ON FUNCTION atomizer_internal.release_ingestion_job(oid, bigint, uuid, text, text, text, text, text) IS
    'Ends work on a job before it is complete, and keeps the error that ended it.';

COMMENT ON FUNCTION atomizer_internal.release_ingestion_job(bigint, uuid, text, text, text, text, text) IS
    'Gives back the lease on a job before it is complete, and keeps the error that ended the work.';
GRANT EXECUTE ON FUNCTION atomizer_internal.release_ingestion_job(bigint, uuid, text, text, text, text, text) TO PUBLIC;
