CREATE VIEW atomizer.progress WITH (security_barrier) AS
WITH running AS MATERIALIZED (SELECT * FROM atomizer_internal.running_work())
SELECT w.what, m.model_name AS model, w.pid, true AS alive, w.phase, w.done, w.total, w.unit,
       CASE WHEN w.total > 0 THEN least(round(100.0 * w.done / w.total, 1), 100) END AS percent, w.rate, w.started, w.eta,
       w.ingestion_job_id, w.model_id, NULL::text AS hint
FROM running w LEFT JOIN atomizer.model m ON m.model_id = w.model_id
UNION ALL
-- Jobs that nobody works on, as far as is seen here.
SELECT 'ingest_model', m.model_name, j.lease_pid, s.alive,
       CASE WHEN j.queued_at IS NOT NULL THEN 'queued'
            WHEN NOT s.alive THEN 'interrupted'
            WHEN j.total_bytes IS NULL THEN 'reading'
            WHEN j.bytes_processed < j.total_bytes THEN 'storing'
            ELSE 'verifying' END,
       j.bytes_processed, j.total_bytes, 'bytes',
       CASE WHEN j.total_bytes > 0 THEN least(round(100.0 * j.bytes_processed / j.total_bytes, 1), 100) END, NULL, coalesce(j.queued_at, j.started_at), NULL,
       j.ingestion_job_id, j.model_id,
       CASE WHEN j.queued_at IS NOT NULL THEN
                format('It waits for a background worker: atomizer.max_workers run at a time. If none does, as after a restart of the server, SELECT atomizer.start_ingestion(%s) starts them.',
                       j.ingestion_job_id)
            WHEN s.alive IS NULL THEN 'The primary server knows whether it is still worked on.'
            WHEN NOT s.alive AND coalesce(j.model_path, j.model_lo::text) IS NULL THEN
                format('CALL atomizer.atomize_model_governed(%s, model_bytes) resumes it.', j.ingestion_job_id)
            WHEN NOT s.alive THEN
                format('CALL atomizer.atomize_model_governed(%s) or SELECT atomizer.start_ingestion(%s) resumes it.',
                       j.ingestion_job_id, j.ingestion_job_id) END
FROM atomizer.ingestion_job j JOIN atomizer.model m USING (model_id),
     LATERAL (SELECT CASE WHEN j.queued_at IS NOT NULL OR j.lease_pid IS NULL THEN false
                          ELSE atomizer_internal.is_alive(j.lease_pid, j.lease_backend_start) END AS alive) s
WHERE j.tenant_id = ANY ((SELECT atomizer.my_tenant_ids())::bigint[])
  AND (j.job_status = 'Processing' OR j.queued_at IS NOT NULL)
  AND NOT EXISTS (SELECT FROM running w WHERE w.ingestion_job_id = j.ingestion_job_id);
COMMENT ON VIEW atomizer.progress IS
    'Long work that runs, and ingestion jobs that wait for a worker or were interrupted: of your tenants, and of your own sessions.';
COMMENT ON COLUMN atomizer.progress.what IS 'The function or procedure that does the work.';
COMMENT ON COLUMN atomizer.progress.model IS 'Name of the model; null for work on the whole store.';
COMMENT ON COLUMN atomizer.progress.pid IS 'Process that does it, or did: pg_cancel_backend(pid) stops it.';
COMMENT ON COLUMN atomizer.progress.alive IS 'Whether a process works on it; null on a standby, for jobs of the primary server.';
COMMENT ON COLUMN atomizer.progress.phase IS 'What it is at; queued for jobs that wait for a worker, interrupted for jobs whose process is gone.';
COMMENT ON COLUMN atomizer.progress.done IS 'How much of this phase is done.';
COMMENT ON COLUMN atomizer.progress.total IS 'How much there is in this phase; null where that is not known.';
COMMENT ON COLUMN atomizer.progress.unit IS 'What done and total count.';
COMMENT ON COLUMN atomizer.progress.percent IS 'Share of this phase that is done.';
COMMENT ON COLUMN atomizer.progress.rate IS 'Speed since this phase began.';
COMMENT ON COLUMN atomizer.progress.started IS 'When it began, or since when it waits.';
COMMENT ON COLUMN atomizer.progress.eta IS 'When this phase will be at its end, if it goes on as it did.';
COMMENT ON COLUMN atomizer.progress.ingestion_job_id IS 'The job, of an ingestion.';
COMMENT ON COLUMN atomizer.progress.model_id IS 'The model.';
COMMENT ON COLUMN atomizer.progress.hint IS 'What to do, where something is to be done.';
GRANT SELECT ON atomizer.progress TO PUBLIC;
