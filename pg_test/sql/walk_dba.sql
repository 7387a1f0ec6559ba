-- A newcomer's walk: a DBA asks what it costs, who may do what, and what happens when something goes wrong.
-- needs: tinycoder.gguf silero-vad-16k.safetensors
-- serial
\getenv root ATOMIZER_ROOT
\set helpers :root '/pg_test/helpers.psql'
\i :helpers
SET client_min_messages = warning;
\set tiny :models '/tinycoder.gguf'
\set silero :models '/silero-vad-16k.safetensors'

-- What it is: fixed in its schema, PostGIS beneath it, all tables dumped, none of them writable by others.
SELECT extrelocatable, extnamespace::regnamespace, (SELECT count(*) FROM pg_class c WHERE relnamespace = 'atomizer'::regnamespace AND relkind IN ('r', 'S')) = cardinality(extconfig) AS all_dumped
FROM pg_extension WHERE extname = 'atomizer';
CREATE ROLE regress_dba_app;
SELECT count(*) FROM pg_class WHERE relnamespace = 'atomizer'::regnamespace AND relkind IN ('r', 'v')
    AND has_table_privilege('regress_dba_app', oid, 'INSERT, UPDATE, DELETE, TRUNCATE');
SELECT has_function_privilege('regress_dba_app', 'atomizer.collect_garbage()', 'EXECUTE') AS garbage, has_table_privilege('regress_dba_app', 'atomizer.atom', 'SELECT') AS atoms;

-- In a transaction block it cannot commit: said before anything is done.
\set VERBOSITY terse
BEGIN;
CALL atomizer.ingest_model('x', :'tiny');
ROLLBACK;
\set VERBOSITY default
SELECT count(*) FROM atomizer.model;
-- Nor may a role read the server's files that could not read them otherwise.
SELECT atomizer.create_tenant('app') > 0 AS made, atomizer.add_tenant_member('app', 'regress_dba_app');
SET ROLE regress_dba_app;
SELECT test.error(format('SELECT atomizer.list_tensors(model_path => %L)', :'tiny'));
SELECT test.error('SELECT * FROM atomizer.check_integrity()');
RESET ROLE;

-- A job stops at its quota, says so, and goes on from where it was.
CALL atomizer.ingest_model('vad', :'silero', atom_chunk_size => 70000, atom_quota => 200000);
SELECT model_name, job_status, percent, error_code, error_message, error_hint, error_phase FROM atomizer.ingestion_progress;
SELECT chunks_committed AS before, ingestion_job_id AS job FROM atomizer.ingestion_job \gset
SELECT is_complete, (SELECT count(*) FROM atomizer.tensor_atom WHERE valid_from IS NOT NULL) AS visible FROM atomizer.model;
SELECT atomizer.set_atom_quota(:job, 1000000);
CALL atomizer.atomize_model_governed(:job);
SELECT job_status, chunks_committed > :before AS went_on, error_code FROM atomizer.ingestion_job;
-- Complete is complete: once more does nothing.
CALL atomizer.atomize_model_governed(:job);
SELECT test.error(format('SELECT atomizer.reset_ingestion_job(%s)', :job));

-- What is on disk, and what is garbage. An update leaves history; a broken store is found.
CALL atomizer.ingest_model('tiny', :'tiny', granularity => 'weight');
UPDATE atomizer.tensor_atom SET importance_score = 1 WHERE layer_name = 'output.weight';
SELECT layer_name, importance_score, valid_to < 'infinity' AS ended FROM atomizer.tensor_atom_history;
SELECT * FROM atomizer.check_integrity();
BEGIN;
UPDATE atomizer.atom SET reference_count = reference_count + 1 WHERE kind = 'tensor' AND content_hash = (SELECT content_hash FROM atomizer.tensor_atom WHERE layer_name = 'output.weight');
DELETE FROM atomizer.tensor_segment WHERE content_hash = (SELECT content_hash FROM atomizer.tensor_atom WHERE layer_name = 'blk.0.attn_q.weight');
SELECT invariant, count(*) > 0 AS found FROM atomizer.check_integrity() GROUP BY invariant ORDER BY invariant COLLATE "C";
ROLLBACK;
SELECT atomizer.drop_model(model_id) > 0 AS dropped FROM atomizer.model WHERE model_name = 'tiny';
SELECT kind, count(*) > 0 AS garbage FROM atomizer.atom WHERE reference_count = 0 GROUP BY 1 ORDER BY 1;
SELECT atoms_removed > 0 AS removed FROM atomizer.collect_garbage();
SELECT count(*) FROM atomizer.atom WHERE reference_count = 0;
VACUUM atomizer.atom, atomizer.tensor_segment;
-- Its tables go by the server's settings, but for what is shown here.
SELECT relname, reloptions FROM pg_class WHERE relnamespace = 'atomizer'::regnamespace AND relkind IN ('r', 'i') AND reloptions IS NOT NULL ORDER BY 1;
-- What the store takes: numbers, and sizes to read.
SELECT total_bytes > 0 AS total, total IS NOT NULL AS readable FROM atomizer.storage_summary;
SELECT count(*) > 5 AS relations, sum(bytes) > 0 AS bytes FROM atomizer.relation_storage;
SELECT count(*) FROM atomizer.progress;
-- A role that is a member can be dropped: its number is left to remove, and the tenant keeps its models.
DROP ROLE regress_dba_app;
SELECT atomizer.remove_tenant_member('app', member_role::text) FROM atomizer.tenant_member WHERE member_role::text ~ '^[0-9]+$';
SELECT count(*) FROM atomizer.model;
SELECT test.clean();
