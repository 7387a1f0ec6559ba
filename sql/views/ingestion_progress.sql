CREATE VIEW atomizer.ingestion_progress WITH (security_barrier) AS
SELECT j.ingestion_job_id, m.model_name, j.job_status,
       round(100.0 * j.bytes_processed / nullif(j.total_bytes, 0), 1) AS percent,
       j.total_atoms_processed, j.total_atoms, j.atom_quota,
       pg_catalog.pg_size_pretty(j.total_bytes) AS size,
       pg_catalog.pg_size_pretty(j.new_bytes) AS new,
       j.chunks_committed,
       coalesce(j.completed_at, j.last_updated_at) - j.started_at AS elapsed,
       j.last_updated_at, j.error_code, j.error_message,
       j.error_detail, j.error_hint, j.error_phase, j.error_file
FROM atomizer.ingestion_job j JOIN atomizer.model m USING (model_id)
WHERE atomizer_internal.acts_for(j.tenant_id);
COMMENT ON VIEW atomizer.ingestion_progress IS 'Your ingestion jobs, how far each one is, and the error that stopped it.';
COMMENT ON COLUMN atomizer.ingestion_progress.ingestion_job_id IS 'The job.';
COMMENT ON COLUMN atomizer.ingestion_progress.model_name IS 'The model it ingests.';
COMMENT ON COLUMN atomizer.ingestion_progress.job_status IS 'Its status.';
COMMENT ON COLUMN atomizer.ingestion_progress.percent IS 'Share of the files'' bytes in committed chunks.';
COMMENT ON COLUMN atomizer.ingestion_progress.total_atoms_processed IS 'Weights in committed chunks.';
COMMENT ON COLUMN atomizer.ingestion_progress.total_atoms IS 'Weights of the model.';
COMMENT ON COLUMN atomizer.ingestion_progress.atom_quota IS 'Most weights the job may process; null: unlimited.';
COMMENT ON COLUMN atomizer.ingestion_progress.size IS 'Size of the files.';
COMMENT ON COLUMN atomizer.ingestion_progress.new IS 'Size of the contents that were new to the tenant.';
COMMENT ON COLUMN atomizer.ingestion_progress.chunks_committed IS 'Number of committed chunks.';
COMMENT ON COLUMN atomizer.ingestion_progress.elapsed IS 'Time from the first start to the end, or to the last progress.';
COMMENT ON COLUMN atomizer.ingestion_progress.last_updated_at IS 'When it last made progress.';
COMMENT ON COLUMN atomizer.ingestion_progress.error_code IS 'SQLSTATE of the error that stopped the job; null once it runs again.';
COMMENT ON COLUMN atomizer.ingestion_progress.error_message IS 'Message of that error.';
COMMENT ON COLUMN atomizer.ingestion_progress.error_detail IS 'Detail of that error, if it has one.';
COMMENT ON COLUMN atomizer.ingestion_progress.error_hint IS 'Hint of that error: what to do next, if it says so.';
COMMENT ON COLUMN atomizer.ingestion_progress.error_phase IS
    'What the job was doing: plan (reading headers), store (storing contents) or finalize (verifying and publishing).';
COMMENT ON COLUMN atomizer.ingestion_progress.error_file IS
    'File that the message names, else the job''s path; null where neither is known.';
GRANT SELECT ON atomizer.ingestion_progress TO PUBLIC;
