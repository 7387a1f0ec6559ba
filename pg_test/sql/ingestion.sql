-- The governed ingestion: quota, checkpoints, resuming, resetting, cancelling; deduplication and exact counts.
-- needs: silero-vad-16k.safetensors fracast-int8.safetensors tinycoder.gguf
\getenv root ATOMIZER_ROOT
\set helpers :root '/pg_test/helpers.psql'
\i :helpers
SET search_path = atomizer, public;
SET client_min_messages = warning;
\set silero :models '/silero-vad-16k.safetensors'
\set fracast :models '/fracast-int8.safetensors'
\set tiny :models '/tinycoder.gguf'
CREATE VIEW pg_temp.jobs AS
    SELECT model_name, job_status, total_atoms_processed, j.current_atom_offset, total_atoms, j.atom_quota,
           bytes_processed, total_bytes, chunks_committed, error_code, lease_token IS NOT NULL AS held
    FROM atomizer.ingestion_job j JOIN atomizer.model m USING (model_id);

-- A quota that is one weight too small: refused before the last chunk, and everything before it kept.
SELECT register_model('silero', properties => '{"note": "speech"}') AS model \gset
SELECT create_ingestion_job(:model, :'silero', atom_chunk_size => 70000, atom_quota => 309632) AS job \gset
TABLE pg_temp.jobs;
CALL atomize_model_governed(:job);
TABLE pg_temp.jobs;
SELECT model_format, architecture, parameter_count, is_complete, properties FROM model;
-- Nothing of an incomplete model can be read.
SELECT count(*) AS tensors, count(valid_from) AS published FROM tensor_atom;
SELECT count(*) FROM tensor_atom_coefficient;
SELECT kind, count(*), sum(reference_count) FROM atom GROUP BY 1 ORDER BY 1;
-- Called again it stops at the same place.
CALL atomize_model_governed(:job);
TABLE pg_temp.jobs;
SELECT test.error(format('SELECT atomizer.set_atom_quota(%s, %s)', :job, 1));
-- With one weight more it resumes where it was.
SELECT set_atom_quota(:job, 309633);
CALL atomize_model_governed(:job);
TABLE pg_temp.jobs;
SELECT is_complete, completed_at IS NOT NULL AS has_time FROM model;
SELECT file_name, byte_length, is_identical, sha256 = sha256(pg_read_binary_file(:'silero')) AS right FROM verify_model(:model);
SELECT export_model_file(:model) AS lo \gset
SELECT lo_get(:lo) = pg_read_binary_file(:'silero') AS identical, lo_unlink(:lo);
SELECT * FROM check_integrity();
-- Once complete it has nothing to do.
SET client_min_messages = notice;
CALL atomize_model_governed(:job);
SET client_min_messages = warning;

SELECT layer_name, round(sparsity::numeric, 6) AS sparsity FROM tensor_atom WHERE sparsity > 0;
SELECT drop_model(:model);

-- With weight atoms. Their counts are those that plain SQL finds in the view.
CALL ingest_model('once', :'fracast', granularity => 'weight');
SELECT model_id AS model FROM model WHERE model_name = 'once' \gset
SELECT atoms_removed, segments_removed > 0 AS segments_removed FROM collect_garbage();
CREATE TEMP TABLE once AS SELECT * FROM atom;
SELECT count(*) AS weight_atoms, sum(reference_count), sum(reference_count) FILTER (WHERE atomic_value = float4send(0)) AS zeros FROM once WHERE kind = 'weight';
SELECT count(*) FROM (
    SELECT content_hash, count(*) FROM tensor_atom_coefficient GROUP BY 1
    EXCEPT ALL SELECT content_hash, reference_count FROM once WHERE kind = 'weight') differences;
SELECT count(*) FROM once WHERE kind = 'weight' AND content_hash <> sha256(atomic_value);

-- The same file again, this time as bytes: no new content, every count doubled exactly.
SELECT count(*) AS rows, sum(length(payload)) AS bytes FROM tensor_segment \gset once_
SELECT register_model('again') AS again \gset
SELECT create_ingestion_job(:again, granularity => 'weight', atom_chunk_size => 1) AS job \gset
CALL atomize_model_governed(:job, pg_read_binary_file(:'fracast'), 'safetensors');
SELECT model_name, job_status, total_atoms_processed, chunks_committed > 1 AS many_chunks FROM pg_temp.jobs ORDER BY 1;
SELECT new_bytes FROM ingestion_job WHERE ingestion_job_id = :job;
SELECT count(*) = :once_rows AND sum(length(payload)) = :once_bytes AS nothing_new FROM tensor_segment;
SELECT a.kind, count(*), bool_and(a.reference_count = 2 * o.reference_count) AS doubled
FROM atom a FULL JOIN once o USING (content_hash) GROUP BY 1 ORDER BY 1;
SELECT is_identical FROM verify_model(:again);
SELECT * FROM check_integrity();

-- Drop the first and collect: the other one is whole, and the store is what it was with one.
SELECT drop_model(:model);
SELECT atoms_removed, segments_removed, bytes_removed FROM collect_garbage();
SELECT count(*) FROM (TABLE once EXCEPT ALL TABLE atom) differences;
SELECT count(*) FROM (TABLE atom EXCEPT ALL TABLE once) differences;
SELECT is_identical FROM verify_model(:again);
SELECT * FROM check_integrity();
-- Drop that one, too: garbage collection leaves nothing.
SELECT drop_model(:again);
SELECT kind, count(*), sum(reference_count) FROM atom GROUP BY 1 ORDER BY 1;
SELECT atoms_removed, segments_removed > 0 AS segments_removed, bytes_removed = :once_bytes AS all_bytes FROM collect_garbage();
SELECT (SELECT count(*) FROM atom), (SELECT count(*) FROM tensor_segment), (SELECT count(*) FROM tensor_atom), (SELECT count(*) FROM model);

-- Resetting takes a stopped job back to its beginning. What it had stored is garbage, unless it is wanted again.
SELECT register_model('silero') AS model \gset
SELECT create_ingestion_job(:model, :'silero', atom_chunk_size => 70000, atom_quota => 200000) AS job \gset
CALL atomize_model_governed(:job);
SELECT reset_ingestion_job(:job);
TABLE pg_temp.jobs;
SELECT count(*) AS tensor_atoms, (SELECT count(*) FROM model_file) AS files, (SELECT sum(reference_count) FROM atom) AS refs FROM tensor_atom;
SELECT atoms_removed, segments_removed > 0 AS segments_removed FROM collect_garbage();
SELECT set_atom_quota(:job, NULL);
CALL atomize_model_governed(:job);
TABLE pg_temp.jobs;
SELECT * FROM check_integrity();
SELECT drop_model(:model);

-- Cancelling: a job that waits is cancelled at once, and one that runs before its next step.
SELECT register_model('silero') AS model \gset
SELECT create_ingestion_job(:model, :'silero', atom_chunk_size => 1) AS job \gset
SELECT cancel_ingestion_job(:job);
TABLE pg_temp.jobs;
SELECT atomizer_internal.claim_ingestion_job(:job) AS token \gset
SELECT phase FROM atomizer_internal.ingestion_step(:job, :'token');
SELECT phase, atoms_processed FROM atomizer_internal.ingestion_step(:job, :'token');
SELECT test.lend(:job);
SELECT cancel_ingestion_job(:job);
SELECT phase, atoms_processed FROM atomizer_internal.ingestion_step(:job, :'token');
SELECT atomizer_internal.release_ingestion_job(:job, :'token', 'Cancelled');
TABLE pg_temp.jobs;
CALL atomize_model_governed(:job);
TABLE pg_temp.jobs;
SELECT drop_model(:model);

-- ingest_model: all in one call; calling it again resumes, or starts over when the source differs.
CALL ingest_model('silero', :'silero', atom_chunk_size => 70000, atom_quota => 100000);
SET client_min_messages = notice;
CALL ingest_model('silero', :'silero', atom_quota => 150000);
CALL ingest_model('silero', model_bytes => test.weights_file(1, 2), atom_quota => 1);
SET client_min_messages = warning;
TABLE pg_temp.jobs;
SELECT drop_model(model_id) FROM model ORDER BY model_id;

-- Granularity: auto makes weight atoms of a data type when its weights share each value 256 times on average.
CALL ingest_model('tensor', :'tiny', granularity => 'tensor');
CALL ingest_model('auto', :'tiny');
SELECT count(*) FILTER (WHERE has_weight_atoms) AS with_weights, (SELECT count(*) FROM atom WHERE kind = 'weight') AS weights FROM tensor_atom;
CALL ingest_model('enough', model_bytes => test.safetensors(
    '{"u":{"dtype":"U8","shape":[2,256],"data_offsets":[0,512]},"i":{"dtype":"I8","shape":[511],"data_offsets":[512,1023]}}',
    decode(repeat('01', 256) || repeat('02', 256) || repeat('03', 256) || repeat('04', 255), 'hex')));
SELECT data_type, has_weight_atoms FROM tensor_atom JOIN model USING (model_id) WHERE model_name = 'enough' ORDER BY 1;
SELECT atomic_value, reference_count FROM atom WHERE kind = 'weight' ORDER BY 1;
CALL ingest_model('weight', :'tiny', granularity => 'weight');
SELECT data_type, has_weight_atoms, count(*), sum(weight_count) FROM tensor_atom JOIN model USING (model_id) WHERE model_name = 'weight' GROUP BY 1, 2 ORDER BY 1, 2;
SELECT sum(reference_count) FROM atom WHERE kind = 'weight';
SELECT * FROM check_integrity();
-- Each goes with exactly the counts it brought.
SELECT drop_model(model_id) FROM model WHERE model_name IN ('tensor', 'weight') ORDER BY model_id;
SELECT sum(reference_count) FROM atom WHERE kind = 'weight';
SELECT * FROM check_integrity();
SELECT drop_model(model_id) FROM model ORDER BY model_id;

SELECT atoms_removed > 0 AS atoms_removed FROM collect_garbage();

-- Odd files: no tensors, no weights, a scalar, one content many times, bits that compare equal.
CALL ingest_model('none', model_bytes => test.safetensors('{}', ''));
CALL ingest_model('empty', model_bytes => test.safetensors('{"e":{"dtype":"F16","shape":[0,4],"data_offsets":[0,0]}}', ''), granularity => 'weight');
CALL ingest_model('scalar', model_bytes => test.safetensors('{"s":{"dtype":"F64","shape":[],"data_offsets":[0,8]}}', test.le(1, 8)), granularity => 'weight');
CALL ingest_model('thrice', model_bytes => test.safetensors(
    '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1,2],"data_offsets":[8,16]},"c":{"dtype":"U8","shape":[8],"data_offsets":[16,24]}}',
    test.f32(7, 8, 7, 8, 7, 8)), granularity => 'weight');
CALL ingest_model('bits', model_bytes => test.safetensors('{"w":{"dtype":"F32","shape":[6],"data_offsets":[0,24]}}',
    test.f32(0, '-0') || '\x0000c07f0100c07f0000c0ff00000000'), granularity => 'weight');
CALL ingest_model('undecodable', model_bytes => test.undecodable());
SELECT model_name, is_complete, parameter_count, (verify_model(model_id)).is_identical FROM model ORDER BY model_id;
SELECT model_name, layer_name, weight_count, sparsity, a.reference_count, a.segment_count
FROM model JOIN tensor_atom t USING (model_id) JOIN atom a ON a.content_hash = t.content_hash AND a.kind = 'tensor' ORDER BY tensor_atom_id;
SELECT atomic_value, reference_count FROM atom WHERE kind = 'weight' ORDER BY atomic_value;
SELECT model_name, weight_index, weight, atomic_value, c.content_hash = sha256(atomic_value) AS key_is_right
FROM tensor_atom_coefficient c JOIN model USING (model_id) WHERE model_name IN ('bits', 'scalar', 'undecodable') ORDER BY model_id, weight_index;
SELECT * FROM check_integrity();
SELECT sum(drop_model(model_id)) FROM model;
SELECT atoms_removed FROM collect_garbage();
SELECT (SELECT count(*) FROM atom), (SELECT count(*) FROM tensor_segment);
