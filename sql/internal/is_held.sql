CREATE FUNCTION atomizer_internal.is_held(job atomizer.ingestion_job) RETURNS boolean
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT job.job_status = 'Processing' AND job.lease_expires_at > pg_catalog.clock_timestamp()
       -- A backend that idles works on nothing: its call was interrupted between two steps, before it could
       -- give the lease back. A second is enough to tell it from one that takes the steps one by one.
       AND EXISTS (SELECT FROM pg_catalog.pg_stat_activity a
                   WHERE a.pid = job.lease_pid AND a.backend_start = job.lease_backend_start
                     AND (a.state IS DISTINCT FROM 'idle' OR a.state_change > pg_catalog.clock_timestamp() - '1 second'::interval));
END;
COMMENT ON FUNCTION atomizer_internal.is_held(atomizer.ingestion_job) IS 'Whether a living worker holds the job''s lease.';
