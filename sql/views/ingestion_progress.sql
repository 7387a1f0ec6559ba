CREATE VIEW atomizer.ingestion_progress WITH (security_barrier) AS
SELECT j.ingestion_job_id, m.model_name, j.job_status,
       round(100.0 * j.bytes_processed / nullif(j.total_bytes, 0), 1) AS percent,
       j.total_atoms_processed, j.total_atoms, j.atom_quota,
       pg_catalog.pg_size_pretty(j.total_bytes) AS size,
       pg_catalog.pg_size_pretty(j.new_bytes) AS new,
       j.chunks_committed,
       coalesce(j.completed_at, j.last_updated_at) - j.started_at AS elapsed,
       j.last_updated_at, j.error_code, j.error_message
FROM atomizer.ingestion_job j JOIN atomizer.model m USING (model_id)
WHERE j.tenant_id = ANY ((SELECT atomizer.my_tenant_ids())::bigint[]);
COMMENT ON VIEW atomizer.ingestion_progress IS 'Your ingestion jobs and how far they are.';
COMMENT ON COLUMN atomizer.ingestion_progress.ingestion_job_id IS 'The job.';
COMMENT ON COLUMN atomizer.ingestion_progress.model_name IS 'The model it ingests.';
COMMENT ON COLUMN atomizer.ingestion_progress.job_status IS 'Where it stands.';
COMMENT ON COLUMN atomizer.ingestion_progress.percent IS 'Share of the files'' bytes in committed chunks.';
COMMENT ON COLUMN atomizer.ingestion_progress.total_atoms_processed IS 'Weights in committed chunks.';
COMMENT ON COLUMN atomizer.ingestion_progress.total_atoms IS 'Weights of the model.';
COMMENT ON COLUMN atomizer.ingestion_progress.atom_quota IS 'Weights the job may process at most.';
COMMENT ON COLUMN atomizer.ingestion_progress.size IS 'Size of the files.';
COMMENT ON COLUMN atomizer.ingestion_progress.new IS 'What the tenant had in no model before.';
COMMENT ON COLUMN atomizer.ingestion_progress.chunks_committed IS 'Number of committed chunks.';
COMMENT ON COLUMN atomizer.ingestion_progress.elapsed IS 'Time from the first claim to the end, or to the last sign of life.';
COMMENT ON COLUMN atomizer.ingestion_progress.last_updated_at IS 'Last sign of life.';
COMMENT ON COLUMN atomizer.ingestion_progress.error_code IS 'SQLSTATE of the last error.';
COMMENT ON COLUMN atomizer.ingestion_progress.error_message IS 'The last error.';
GRANT SELECT ON atomizer.ingestion_progress TO PUBLIC;
