-- Background workers call it as the owner.
CREATE FUNCTION atomizer_internal.next_queued_jobs(
    most integer, OUT job bigint, OUT role oid) RETURNS SETOF record
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE atomizer.ingestion_job j
    SET job_status = 'Failed', queued_at = NULL, queued_role = NULL, error_code = q.code, error_message = q.message,
        error_hint = 'Start it again, as another member of the tenant, or CALL atomizer.atomize_model_governed(job).',
        last_updated_at = clock_timestamp()
    FROM (SELECT w.ingestion_job_id,
                 CASE WHEN r.oid IS NULL THEN '42704' WHEN NOT atomizer_internal.may_work(r.oid) THEN '42501' END AS code,
                 CASE WHEN r.oid IS NULL THEN format('the role that started the job was dropped (its oid was %s)', w.queued_role::oid)
                      ELSE format('role "%s", which started the job, may not log in to this database', r.rolname) END AS message
          FROM atomizer.ingestion_job w LEFT JOIN pg_roles r ON r.oid = w.queued_role
          WHERE w.queued_at IS NOT NULL) q
    WHERE j.ingestion_job_id = q.ingestion_job_id AND q.code IS NOT NULL;
    RETURN QUERY
    SELECT j.ingestion_job_id, r.oid
    FROM atomizer.ingestion_job j JOIN pg_roles r ON r.oid = j.queued_role
    WHERE j.queued_at IS NOT NULL ORDER BY j.queued_at, j.ingestion_job_id LIMIT most;
END $$;
COMMENT ON FUNCTION atomizer_internal.next_queued_jobs(integer) IS
    'The jobs that wait for a background worker, oldest first, each with the role that runs it.';
