-- A failed ingestion resumes with the next call; what was wrong with the call before does not stick.
\getenv root ATOMIZER_ROOT
\set helpers :root '/pg_test/helpers.psql'
\i :helpers
SET search_path = atomizer, public;
SET client_min_messages = warning;
SELECT create_ingestion_job(register_model('m')) AS job \gset

-- No bytes, other bytes than a model, a wrong format.
CALL atomize_model_governed(:job);
\echo :LAST_ERROR_SQLSTATE
SELECT job_status, error_code, error_message FROM ingestion_job;
CALL atomize_model_governed(:job, 'no model at all');
\echo :LAST_ERROR_SQLSTATE
SELECT job_status, error_code, error_message FROM ingestion_job;
CALL atomize_model_governed(:job, test.weights_file(1, 2), 'GGUF');
\echo :LAST_ERROR_SQLSTATE
SELECT job_status, error_code, error_message FROM ingestion_job;
-- Nothing is left of these attempts but the job.
SELECT (SELECT count(*) FROM atom), (SELECT count(*) FROM tensor_atom), (SELECT count(*) FROM model_file), (SELECT count(*) FROM tensor_segment);
-- The right bytes, and no word of the format.
CALL atomize_model_governed(:job, test.weights_file(1, 2));
SELECT job_status, error_code, error_message, total_atoms_processed, started_at <= completed_at AS in_order FROM ingestion_job;
SELECT drop_model(model_id) FROM model;

-- A worker that is gone, without having given back its lease, is no obstacle: its backend is no more, or its time is up.
SELECT create_ingestion_job(register_model('m')) AS job \gset
SELECT atomizer_internal.claim_ingestion_job(:job) AS token \gset
SELECT phase FROM atomizer_internal.ingestion_step(:job, :'token', test.weights_file(1, 2));
SELECT test.lend(:job);
SELECT test.error(format('SELECT atomizer_internal.claim_ingestion_job(%s)', :job));
UPDATE ingestion_job SET lease_backend_start = lease_backend_start - interval '1 second' WHERE ingestion_job_id = :job;
SELECT atomizer_internal.claim_ingestion_job(:job) AS second \gset
-- It is claimed again by the session that holds it: a call of its own that was interrupted left it so.
SELECT atomizer_internal.claim_ingestion_job(:job) AS second \gset
-- The first one can do nothing more.
SELECT test.error(format('SELECT atomizer_internal.ingestion_step(%s, %L)', :job, :'token'));
SELECT test.lend(:job);
SELECT atomizer_internal.release_ingestion_job(:job, :'token', 'Failed', '00000', 'too late');
SELECT job_status, error_message FROM ingestion_job;
UPDATE ingestion_job SET lease_expires_at = clock_timestamp() WHERE ingestion_job_id = :job;
CALL atomize_model_governed(:job, test.weights_file(1, 2));
SELECT job_status, total_atoms_processed FROM ingestion_job;
SELECT * FROM check_integrity();
