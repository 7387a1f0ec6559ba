-- A newcomer's walk: someone from the SQL Server system does what it did, by docs/migrating.md.
-- needs: tinycoder.gguf silero-vad.onnx
-- serial
\getenv root ATOMIZER_ROOT
\set helpers :root '/pg_test/helpers.psql'
\i :helpers
SET client_min_messages = warning;
SET search_path = atomizer, public;
\set onnx :models '/silero-vad.onnx'
\set tiny :models '/tinycoder.gguf'

-- dbo.Models, dbo.IngestionJobs, sp_AtomizeModel_Governed @IngestionJobId, @ModelData, @ModelFormat.
SELECT register_model('TinyCoder', model_type => 'LLM', provider => 'LocalFile', properties => '{"source": "walk"}') AS model_id \gset
SELECT create_ingestion_job(:model_id, atom_chunk_size => 100000, atom_quota => 5000000, granularity => 'weight') AS job \gset
SELECT job_status, current_atom_offset FROM ingestion_job WHERE ingestion_job_id = :job;
CALL atomize_model_governed(:job, pg_read_binary_file(:'tiny'), 'GGUF');
SELECT j.job_status, j.total_atoms_processed = m.parameter_count AS all_atoms, m.model_type, m.provider, m.properties ->> 'source' AS source
FROM ingestion_job j JOIN model m USING (model_id) WHERE ingestion_job_id = :job;

-- UPDATE IngestionJobs SET JobStatus = 'Pending', CurrentAtomOffset = 0: reset_ingestion_job. A wrong format is refused.
SELECT register_model('silero') AS vad_id \gset
SELECT create_ingestion_job(:vad_id, model_path => :'onnx', atom_quota => 1000) AS vad_job \gset
CALL atomize_model_governed(:vad_job);
SELECT job_status, error_code FROM ingestion_job WHERE ingestion_job_id = :vad_job;
SELECT reset_ingestion_job(:vad_job);
SELECT job_status, current_atom_offset, error_code FROM ingestion_job WHERE ingestion_job_id = :vad_job;
SELECT set_atom_quota(:vad_job, 1000000);
CALL atomize_model_governed(:vad_job);
SELECT job_status, total_atoms_processed FROM ingestion_job WHERE ingestion_job_id = :vad_job;

-- clr_ExtractModelWeights, clr_StreamAtomicWeights_Chunked.
SELECT count(*) AS tensors, sum(length(weight_data)) > 0 AS bytes FROM extract_model_weights(pg_read_binary_file(:'tiny'), 'GGUF');
SELECT count(*), count(DISTINCT layer_name), min(position_x) AS x FROM stream_atomic_weights_chunked(pg_read_binary_file(:'tiny'), 'GGUF', 5, 1000);

-- dbo.TensorAtoms, TensorAtomCoefficient, Atom.
SELECT layer_name, layer_idx, layer_type, shape, data_type, quantization_type FROM tensor_atom WHERE model_id = :model_id ORDER BY tensor_no LIMIT 3;
SELECT tensor_atom_id AS t FROM tensor_atom WHERE model_id = :model_id AND layer_name = 'output.weight' \gset
SELECT count(*) AS coefficients, count(a.content_hash) AS with_atom, bool_and(a.atomic_value = float4send(c.weight)) AS by_value
FROM (SELECT * FROM tensor_atom_coefficient WHERE tensor_atom_id = :t LIMIT 500) c LEFT JOIN atom a ON a.content_hash = c.content_hash AND a.kind = 'weight';
-- System versioning: FOR SYSTEM_TIME AS OF.
UPDATE tensor_atom SET importance_score = 0.5 WHERE tensor_atom_id = :t;
SELECT now() AS moment \gset
UPDATE tensor_atom SET importance_score = 0.9 WHERE tensor_atom_id = :t;
SELECT importance_score FROM (TABLE tensor_atom UNION ALL TABLE tensor_atom_history) v
WHERE tensor_atom_id = :t AND valid_from <= :'moment' AND valid_to > :'moment';
-- Several updates in one transaction are versions, too, one after the other.
BEGIN;
UPDATE tensor_atom SET importance_score = 1.1 WHERE tensor_atom_id = :t;
UPDATE tensor_atom SET importance_score = 1.2 WHERE tensor_atom_id = :t;
COMMIT;
SELECT importance_score, valid_from < valid_to AS lasted, valid_to = lead(valid_from) OVER (ORDER BY valid_from) AS followed
FROM (TABLE tensor_atom UNION ALL TABLE tensor_atom_history) v WHERE tensor_atom_id = :t ORDER BY valid_from;

-- fn_ProjectTo3D, clr_ComputeHilbertValue, spatial indexes.
CALL spatialize_model(:model_id);
SELECT count(*) AS points, bool_and(hilbert_value = compute_hilbert_value(spatial_key)) AS along_the_curve FROM tensor_atom WHERE model_id = :model_id;
SELECT count(*) FROM nearest_atoms(ST_MakePoint(0, 0, 0), 3);
SELECT count(*) > 0 AS found FROM atoms_in_box('BOX3D(-100 -100 -100,100 100 100)', 'Hilbert3D');
-- clr_SvdDecompose, clr_ReconstructFromSVD, dbo.SVDComponents.
SELECT round(max(abs(w - r))::numeric, 4) AS error FROM (SELECT ARRAY[1, 2, 3, 4, 5, 7]::real[] AS v) x, svd_decompose(v, 2, 3, 2) s,
    unnest(v, reconstruct_from_svd(s.u, s.s, s.vt, 2, 3)) AS p(w, r);
CALL compress_model(:model_id, rank => 4, min_parameters => 10000);
SELECT count(*) > 0 AS components, bool_and(rank = 4) AS rank FROM svd_component;
-- GGUFDequantizer: blocks of a row, as the file would hold them, and their weights.
SELECT length(q) AS bytes, cardinality(dequantize(q, 'Q4_0')) AS weights FROM quantize(tensor_weights(:t, 0, 64), 'Q4_0') q;
SELECT * FROM check_integrity();
SELECT test.clean();
