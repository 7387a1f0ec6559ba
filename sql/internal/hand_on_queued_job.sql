-- Background workers call it as the owner.
CREATE FUNCTION atomizer_internal.hand_on_queued_job(job bigint) RETURNS bigint
LANGUAGE sql SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    UPDATE atomizer.ingestion_job j SET queued_at = clock_timestamp()
    WHERE j.ingestion_job_id = job AND j.queued_at IS NOT NULL
    RETURNING j.ingestion_job_id;
END;
COMMENT ON FUNCTION atomizer_internal.hand_on_queued_job(bigint) IS
    'Puts a job that a worker is started for behind the others: one whose worker cannot begin does not keep them waiting.';
