-- Background workers call it as the owner.
CREATE FUNCTION atomizer_internal.next_queued_jobs(
    most integer, OUT job bigint, OUT role oid, OUT can_connect boolean) RETURNS SETOF record
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE atomizer.ingestion_job j
    SET job_status = 'Failed', queued_at = NULL, queued_role = NULL, error_code = '42704',
        error_message = format('role "%s", which started the job, does not exist any more', j.queued_role),
        error_hint = 'Start it again, as another member of the tenant.', last_updated_at = clock_timestamp()
    WHERE j.queued_at IS NOT NULL AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = j.queued_role);
    RETURN QUERY
    SELECT j.ingestion_job_id, r.oid, r.rolcanlogin AND has_database_privilege(r.oid, current_database(), 'CONNECT')
    FROM atomizer.ingestion_job j JOIN pg_roles r ON r.rolname = j.queued_role
    WHERE j.queued_at IS NOT NULL ORDER BY j.queued_at, j.ingestion_job_id LIMIT most;
END $$;
COMMENT ON FUNCTION atomizer_internal.next_queued_jobs(integer) IS
    'The jobs that wait for a background worker, oldest first, each with the role that runs it and whether that may log in here.';
