-- A newcomer's walk: a platform engineer puts model files into the store, sees what it saves, and gets them back.
-- needs: tinycoder.gguf tinycoder-split silero-vad-16k.safetensors
-- serial
\getenv root ATOMIZER_ROOT
\set helpers :root '/pg_test/helpers.psql'
\i :helpers
SET client_min_messages = warning;
SET search_path = atomizer, public;
\set tiny :models '/tinycoder.gguf'
\set parts :models '/tinycoder-split/tiny-00001-of-00003.gguf'
\set silero :models '/silero-vad-16k.safetensors'

-- What is it? Then in, from the server and from the client.
SELECT detect_model_format(model_path => :'tiny'), count(*) AS tensors, sum(weight_count) AS weights FROM list_tensors(model_path => :'tiny');
CALL ingest_model('tiny', :'tiny');
CALL ingest_model('parts', :'parts');
\lo_import :silero
\set file :LASTOID
CALL ingest_model('vad', model_lo => :file, granularity => 'weight');
SELECT lo_unlink(:file);
SELECT model_name, model_format, architecture, parameter_count, is_complete FROM model ORDER BY 1;
SELECT model_name, job_status, percent, total_atoms_processed = total_atoms AS all_weights, error_code FROM ingestion_progress ORDER BY 1;

-- The same model in three files: its tensors were there already.
SELECT round(100.0 * new_bytes / total_bytes) AS percent_new FROM ingestion_job JOIN model USING (model_id) WHERE model_name = 'parts';
SELECT models, distinct_tensors < tensors AS shared FROM storage_summary, (SELECT count(*) AS tensors FROM tensor_atom) t;

-- A name that is taken, a file that is not there, one that is no model; nothing of them stays.
\set VERBOSITY terse
CALL ingest_model('tiny', :'silero');
\set VERBOSITY default
SELECT test.error('SELECT atomizer.list_tensors(model_path => ''/nowhere/x.gguf'')');
SELECT test.error('SELECT atomizer.list_tensors(''no model at all''::bytea)');
SELECT count(*) FROM model;

-- And back, byte for byte: from the server, and to the client.
\set out :exports '/walk-platform'
SELECT export_model_file('tiny', :'out', overwrite => true);
SELECT sha256(pg_read_binary_file(:'out')) = sha256(pg_read_binary_file(:'tiny')) AS identical;
SELECT test.error('SELECT atomizer.export_model_file(''parts'')');
\set folder :exports '/walk-parts-' :DBNAME
SELECT file_name, byte_length, encode(substr(sha256, 1, 4), 'hex') AS sha256 FROM export_model('parts', :'folder');
SELECT replace(test.error(format('SELECT atomizer.export_model(''parts'', %L)', :'folder')), :'folder', 'FOLDER');
CALL ingest_model('folder', :'folder', model_type => 'language model', provider => 'walk');
SELECT model_name, model_type, provider, new_bytes FROM model JOIN ingestion_job USING (model_id) WHERE model_name = 'folder';
SELECT update_model('folder', model_name => 'parts again', properties => '{"stage": "test"}');
SELECT model_id = 'parts again'::regmodel AS named, properties FROM model WHERE properties IS NOT NULL ORDER BY model_id;
SELECT export_model_file('vad') AS lo \gset
SELECT sha256(lo_get(:lo)) = sha256(pg_read_binary_file(:'silero')) AS identical, lo_unlink(:lo);
SELECT file_no, file_name, is_identical FROM verify_model('parts') ORDER BY 1;
SELECT model_id AS vad_id FROM model WHERE model_name = 'vad' \gset

-- A team of its own, with a quota, sees its models and no others.
CREATE ROLE regress_team_a;
CREATE ROLE regress_team_b;
SELECT create_tenant('team a', 600000) > 0 AS made, create_tenant('team b') > 0 AS made;
SELECT add_tenant_member('team a', 'regress_team_a'), add_tenant_member('team b', 'regress_team_b');
SET ROLE regress_team_a;
\lo_import :silero
\set file :LASTOID
CALL ingest_model('vad', model_lo => :file);
SELECT lo_unlink(:file);
SELECT model_name, parameter_count FROM model;
SELECT sum((s).weight_count) AS weights FROM (SELECT tensor_stats(tensor_atom_id) AS s FROM tensor_atom) t;
SELECT left(test.error(format('SELECT * FROM atomizer.list_tensors(model_path => %L)', :'tiny')), 45);
SET ROLE regress_team_b;
SELECT count(*) FROM model;
SELECT test.error(format('SELECT atomizer.drop_model(%s)', :vad_id));
RESET ROLE;

-- Out again. What others refer to stays; the rest goes, and the store is whole.
SELECT drop_model('parts') > 0 AS dropped, drop_model('parts again') > 0 AS dropped;
SELECT count(*) = 0 AS shared_stays FROM atom WHERE reference_count = 0 AND kind = 'tensor';
SELECT drop_model(:vad_id) > 0 AS dropped;
SELECT atoms_removed > 0 AS atoms, segments_removed > 0 AS segments FROM collect_garbage();
SELECT * FROM check_integrity();
SELECT bool_and(is_identical) AS identical FROM model, verify_model(model_id);
SELECT test.clean();
DROP ROLE regress_team_a, regress_team_b;
