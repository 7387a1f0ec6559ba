-- What a job that stopped keeps of its error: SQLSTATE, message, detail, hint, phase and file.
\getenv root ATOMIZER_ROOT
\set helpers :root '/pg_test/helpers.psql'
\i :helpers
-- needs: silero-vad-16k.safetensors
SET search_path = public, atomizer;
SELECT set_config('test.exports', :'exports', false) IS NOT NULL AS set;
CREATE VIEW pg_temp.errors AS
    SELECT model_name, job_status, error_code, error_message <> '' AS has_message, error_detail, error_hint <> '' AS has_hint,
           error_phase, replace(replace(error_file, current_setting('test.models'), '…'), current_setting('test.exports'), '…') AS file
    FROM atomizer.ingestion_progress ORDER BY ingestion_job_id;
\set VERBOSITY sqlstate
\pset expanded on

-- While the headers are read: a file that goes between the registration and the job.
SELECT register_model('lost') AS lost \gset
SELECT create_ingestion_job(:lost, :'models' || '/no such file') AS lost_job \gset
CALL atomize_model_governed(:lost_job);
-- Of several files, it is the one that the message names.
SELECT lo_from_bytea(0, '{"weight_map": {"w": "lost-00001-of-00001.safetensors"}}') AS index \gset
SELECT lo_export(:index, :'exports' || '/lost.safetensors.index.json'), lo_unlink(:index);
SELECT register_model('shards') AS shards \gset
SELECT create_ingestion_job(:shards, :'exports' || '/lost.safetensors.index.json') AS shards_job \gset
CALL atomize_model_governed(:shards_job);
-- Bytes have no file.
SELECT register_model('broken') AS broken \gset
SELECT create_ingestion_job(:broken) AS broken_job \gset
CALL atomize_model_governed(:broken_job, 'GGUF and no more');
-- While contents are stored: a quota.
\set silero :models '/silero-vad-16k.safetensors'
CALL ingest_model('silero', :'silero', atom_chunk_size => 70000, atom_quota => 200000);
SELECT * FROM pg_temp.errors;

-- While the files are verified: the store is damaged meanwhile. The message names the file.
SELECT register_model('damaged') AS damaged \gset
SELECT create_ingestion_job(:damaged, :'silero') AS damaged_job \gset
SELECT atomizer_internal.claim_ingestion_job(:damaged_job) AS token \gset
SELECT phase FROM atomizer_internal.ingestion_step(:damaged_job, :'token');
SELECT phase FROM atomizer_internal.ingestion_step(:damaged_job, :'token');
UPDATE model_file SET sha256 = sha256('') WHERE model_id = :damaged;
CALL atomize_model_governed(:damaged_job);
SELECT * FROM pg_temp.errors WHERE model_name = 'damaged';

-- Called again it forgets the error, and it is complete without one.
SELECT set_atom_quota(ingestion_job_id, 400000) FROM ingestion_progress WHERE model_name = 'silero';
SELECT atomizer_internal.claim_ingestion_job(ingestion_job_id) IS NOT NULL AS claimed FROM ingestion_progress WHERE model_name = 'silero';
SELECT * FROM pg_temp.errors WHERE model_name = 'silero';
SELECT ingestion_job_id AS silero_job FROM ingestion_progress WHERE model_name = 'silero' \gset
CALL atomize_model_governed(:silero_job);
SELECT * FROM pg_temp.errors WHERE model_name = 'silero';
-- So does a job that starts over.
SELECT reset_ingestion_job(:damaged_job);
SELECT * FROM pg_temp.errors WHERE model_name = 'damaged';

-- Of a detail or hint that is empty nothing is kept, and of a cancellation no file.
SELECT atomizer_internal.claim_ingestion_job(:damaged_job) AS token \gset
SELECT atomizer_internal.release_ingestion_job(:damaged_job, :'token', 'Failed', 'XX000', 'a message', 'a detail', 'a hint');
SELECT error_code, error_message, error_detail, error_hint, error_phase FROM ingestion_progress WHERE model_name = 'damaged';
SELECT atomizer_internal.claim_ingestion_job(:damaged_job) AS token \gset
SELECT atomizer_internal.release_ingestion_job(:damaged_job, :'token', 'Failed', 'XX000', 'a message', '', '');
SELECT error_code, error_message, error_detail, error_hint, error_phase FROM ingestion_progress WHERE model_name = 'damaged';
SELECT atomizer_internal.claim_ingestion_job(:damaged_job) AS token \gset
SELECT atomizer_internal.release_ingestion_job(:damaged_job, :'token', 'Cancelled');
SELECT * FROM pg_temp.errors WHERE model_name = 'damaged';

-- The file is the first that a message names, with the quotes in its name, and what follows is none.
SELECT atomizer_internal.claim_ingestion_job(:damaged_job) AS token \gset
SELECT atomizer_internal.release_ingestion_job(:damaged_job, :'token', 'Failed', '22P03', 'GGUF file "a"b.gguf": tensor "t" is in "c", not in "d"');
SELECT error_file FROM ingestion_progress WHERE model_name = 'damaged';
