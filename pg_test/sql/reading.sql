-- Reading model files: format, metadata, tensors, raw bytes and single weights, from every kind of source.
-- needs: tinycoder.gguf silero-vad-16k.safetensors fracast-int8.safetensors minilm-sharded tinycoder-split
\getenv root ATOMIZER_ROOT
\set helpers :root '/pg_test/helpers.psql'
\i :helpers
SET search_path = atomizer, public;
\set tiny :models '/tinycoder.gguf'
\set silero :models '/silero-vad-16k.safetensors'
\set fracast :models '/fracast-int8.safetensors'
\set sharded :models '/minilm-sharded/model.safetensors.index.json'
\set split :models '/tinycoder-split/tiny-00002-of-00003.gguf'

-- The format is found from the content alone.
SELECT detect_model_format(model_path => :'tiny'), detect_model_format(model_path => :'silero'),
       detect_model_format(model_path => :'sharded'), detect_model_format(model_path => :'split');
SELECT detect_model_format('GGUF'::bytea || test.le(3, 4) || test.le(0, 16)), detect_model_format(test.weights_file(1, 2));

-- Metadata; long arrays are summarized, or whole when asked for.
SELECT key, value FROM jsonb_each(model_metadata(model_path => :'tiny')) ORDER BY key COLLATE "C";
SELECT key, jsonb_array_length(value), value -> 31999 AS last
FROM jsonb_each(model_metadata(model_path => :'tiny', full_arrays => true))
WHERE jsonb_typeof(value) = 'array' ORDER BY key COLLATE "C";
SELECT model_metadata(model_path => :'sharded');
SELECT model_metadata(test.safetensors('{"__metadata__":{"author":"Ännchen \"von\" Tharau"}}', ''));

-- Tensors.
SELECT layer_name, layer_idx, layer_type, shape, data_type, quantization_type, weight_count, byte_length, file_no, file_offset
FROM list_tensors(model_path => :'tiny') LIMIT 9;
SELECT layer_name, layer_idx, layer_type, shape, data_type, quantization_type, weight_count, byte_length, file_no, file_offset
FROM list_tensors(model_path => :'silero');
SELECT data_type, count(*), sum(weight_count), sum(byte_length) FROM list_tensors(model_path => :'fracast') GROUP BY 1 ORDER BY 1;
-- Any part of a split GGUF leads to all parts.
SELECT file_no, count(*), sum(weight_count) FROM list_tensors(model_path => :'split') GROUP BY 1 ORDER BY 1;
SELECT file_no, count(*), sum(weight_count) FROM list_tensors(model_path => :'sharded') GROUP BY 1 ORDER BY 1;
-- A file without tensors, a scalar, an empty tensor, an empty list.
SELECT count(*) FROM list_tensors(test.safetensors('{}', ''));
SELECT layer_name, shape, weight_count, byte_length FROM list_tensors(test.safetensors(
    '{"e":{"dtype":"F16","shape":[0,4],"data_offsets":[0,0]},"s":{"dtype":"F64","shape":[],"data_offsets":[0,8]}}', test.le(0, 8)));

-- Raw bytes: what extract gives is what stands in the file.
SELECT count(*), bool_and(weight_data = substr(f.bytes, (l.file_offset + 1)::int, l.byte_length::int)) AS as_in_the_file,
       bool_and(e.shape = l.shape AND e.data_type = l.data_type) AS as_listed
FROM (SELECT pg_read_binary_file(:'silero') AS bytes) f,
     extract_model_weights(model_path => :'silero') e JOIN list_tensors(model_path => :'silero') l USING (layer_name);
SELECT layer_name, shape, data_type, weight_data, quantization_type, quantization_scale, quantization_zero_point
FROM extract_model_weights(test.weights_file(1, -2, 'NaN'));

-- Single weights, in the order of the tensors; the key of an atom is the SHA-256 of its content.
SELECT * FROM stream_atomic_weights_chunked(test.safetensors(
    '{"layers.7.a":{"dtype":"F32","shape":[2,1,2],"data_offsets":[0,16]},"b":{"dtype":"I64","shape":[2],"data_offsets":[16,32]}}',
    test.f32(1, '-0', 'Infinity', 1e-45) || test.le(-7, 8) || test.le(9007199254740993, 8)));
SELECT layer_name, position_x, position_y, position_z, weight, content_hash = sha256(float4send(weight)) AS key_is_right
FROM stream_atomic_weights_chunked(model_path => :'silero', "offset" => 66047, chunk_size => 3);
-- Chunks join without a gap.
WITH whole AS (SELECT stream_atomic_weights_chunked(model_path => :'fracast', chunk_size => 100000) AS w),
     parts AS (SELECT stream_atomic_weights_chunked(model_path => :'fracast', "offset" => o, chunk_size => 9973) AS w
               FROM generate_series(0, 90000, 9973) o)
SELECT (SELECT count(*) FROM whole), (SELECT count(*) FROM parts),
       (SELECT array_agg((w).atomic_value) FROM whole) = (SELECT array_agg((w).atomic_value) FROM parts) AS same;
SELECT count(*) FROM stream_atomic_weights_chunked(model_path => :'fracast', "offset" => 86611);
SELECT count(*) FROM stream_atomic_weights_chunked(model_path => :'fracast', chunk_size => 0);

-- A path, a large object and bytes give the same.
SELECT lo_from_bytea(0, pg_read_binary_file(:'fracast')) AS lo \gset
SELECT detect_model_format(model_lo => :lo), detect_model_format(pg_read_binary_file(:'fracast'));
SELECT model_metadata(model_lo => :lo) = model_metadata(model_path => :'fracast') AND
       model_metadata(pg_read_binary_file(:'fracast')) = model_metadata(model_path => :'fracast') AS same_metadata;
SELECT (SELECT array_agg(l) FROM list_tensors(model_path => :'fracast') l) AS of_path,
       (SELECT array_agg(l) FROM list_tensors(model_lo => :lo) l) AS of_lo,
       (SELECT array_agg(l) FROM list_tensors(pg_read_binary_file(:'fracast')) l) AS of_bytes \gset
SELECT :'of_path' = :'of_lo' AND :'of_path' = :'of_bytes' AS same_tensors;
SELECT count(*) FROM (
    SELECT layer_name, weight_data FROM extract_model_weights(model_path => :'fracast')
    INTERSECT SELECT layer_name, weight_data FROM extract_model_weights(model_lo => :lo)
    INTERSECT SELECT layer_name, weight_data FROM extract_model_weights(pg_read_binary_file(:'fracast'))) same_bytes;
SELECT count(*) FROM (
    SELECT layer_name, position_x, position_y, atomic_value FROM stream_atomic_weights_chunked(model_path => :'fracast', "offset" => 80000)
    INTERSECT SELECT layer_name, position_x, position_y, atomic_value FROM stream_atomic_weights_chunked(model_lo => :lo, "offset" => 80000)
    INTERSECT SELECT layer_name, position_x, position_y, atomic_value
              FROM stream_atomic_weights_chunked(pg_read_binary_file(:'fracast'), "offset" => 80000)) same_weights;
-- And so does the stored model.
SET client_min_messages = warning;
CALL ingest_model('fracast', model_lo => :lo);
RESET client_min_messages;
SELECT model_id FROM model \gset
SELECT (SELECT array_agg(l) FROM list_tensors(model => :model_id) l)::text = :'of_path' AS same_tensors,
       model_metadata(model => :model_id) = model_metadata(model_path => :'fracast') AS same_metadata;
SELECT count(*) FROM (
    SELECT layer_name, weight_data FROM extract_model_weights(model_path => :'fracast')
    INTERSECT SELECT layer_name, weight_data FROM extract_model_weights(model => :model_id)) same_bytes;
SELECT lo_unlink(:lo);

-- A set-returning function may end early, and two may run side by side.
SELECT layer_name FROM list_tensors(model_path => :'tiny') LIMIT 2;
SELECT a.layer_name FROM list_tensors(model_path => :'tiny') a JOIN extract_model_weights(model_path => :'split') b
    ON a.layer_name = b.layer_name AND a.byte_length = length(b.weight_data) LIMIT 3;

-- The source must be given once, and the format be right; names of formats have no case.
\pset format unaligned
\pset tuples_only on
SELECT test.error('SELECT atomizer.detect_model_format()');
SELECT test.error('SELECT atomizer.list_tensors()');
SELECT test.error(format('SELECT atomizer.list_tensors(test.weights_file(1), model_path => %L)', :'tiny'));
SELECT test.error('SELECT atomizer.model_metadata(model_lo => 1, model => 1)');
SELECT test.error('SELECT atomizer.list_tensors(test.weights_file(1), ''gguf'')');
SELECT test.error('SELECT atomizer.list_tensors(test.weights_file(1), ''ONNX'')');
SELECT count(*) FROM list_tensors(test.weights_file(1), 'SAFEtensors');
SELECT test.error('SELECT atomizer.stream_atomic_weights_chunked(test.weights_file(1), "offset" => -1)');
SELECT test.error('SELECT atomizer.stream_atomic_weights_chunked(test.weights_file(1), chunk_size => -1)');
SELECT test.error('SELECT atomizer.stream_atomic_weights_chunked(test.undecodable())');

-- Chosen layers, by a pattern of LIKE: exactly the rows that LIKE keeps of all. Other layers are not read: one without a decoder is in no one's way.
CREATE TEMP TABLE all_layers AS SELECT * FROM list_tensors(model_path => :'tiny');
SELECT pattern, (SELECT count(*) FROM list_tensors(model_path => :'tiny', layers => pattern)) AS listed,
       (SELECT array_agg(l) FROM list_tensors(model_path => :'tiny', layers => pattern) l)::text IS NOT DISTINCT FROM (SELECT array_agg(l) FROM all_layers l WHERE layer_name LIKE pattern)::text AS as_like,
       (SELECT array_agg(e.layer_name) FROM extract_model_weights(model_path => :'tiny', layers => pattern) e) IS NOT DISTINCT FROM (SELECT array_agg(layer_name) FROM all_layers l WHERE layer_name LIKE pattern) AS extracted
FROM unnest(ARRAY['blk.0.%', 'blk._.attn\_q.weight', 'BLK%', '%', '', 'output_norm.weight', 'nothing']) pattern;
SELECT count(*) = (SELECT count(*) FROM all_layers) AS null_is_all FROM list_tensors(model_path => :'tiny', layers => NULL);
SELECT layer_name, weight FROM stream_atomic_weights_chunked(model_path => :'tiny', "offset" => 255, chunk_size => 2, layers => 'blk._.attn\_q.weight');
SELECT test.safetensors('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F4","shape":[8],"data_offsets":[8,12]},"ä":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}}',
                        test.f32(1, 2) || '\x00000000' || test.f32(3)) AS mixed \gset
SELECT layer_name, weight FROM stream_atomic_weights_chunked(:'mixed', layers => '_') WHERE layer_name <> 'b';
SELECT layer_name, weight FROM stream_atomic_weights_chunked(:'mixed', layers => 'a');
SELECT layer_name, weight FROM stream_atomic_weights_chunked(:'mixed', layers => 'ä');
SELECT test.error(format('SELECT count(*) FROM atomizer.%s(%L::bytea, layers => ''\'')', f, :'mixed')) FROM unnest(ARRAY['list_tensors', 'extract_model_weights', 'stream_atomic_weights_chunked']) f;

-- In FROM they stream, too: nothing is written out first, and what LIMIT leaves out is not read.
SET max_parallel_workers_per_gather = 0;
EXPLAIN (COSTS OFF) SELECT layer_name FROM extract_model_weights(model_path => '/a/file');
EXPLAIN (COSTS OFF) SELECT layer_name FROM stream_atomic_weights_chunked(model_path => '/a/file');
EXPLAIN (COSTS OFF) SELECT layer_name FROM model m, extract_model_weights(model => m.model_id);
RESET max_parallel_workers_per_gather;
CREATE FUNCTION pg_temp.temp_blocks(statement text) RETURNS text LANGUAGE plpgsql SET work_mem = '64kB' AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT json) ' || statement INTO plan;
    RETURN plan -> 0 -> 'Plan' ->> 'Temp Written Blocks';
END $$;
SELECT pg_temp.temp_blocks(format('SELECT sum(octet_length(weight_data)) FROM atomizer.extract_model_weights(model_path => %L)', :'silero')) AS extract,
       pg_temp.temp_blocks(format('SELECT sum(weight) FROM atomizer.stream_atomic_weights_chunked(model_path => %L, chunk_size => 100000)', :'silero')) AS stream,
       pg_temp.temp_blocks('SELECT sum(i) FROM generate_series(1, 100000) i') <> '0' AS others_write;
SELECT layer_name, weight FROM stream_atomic_weights_chunked(:'mixed') LIMIT 2;
SELECT test.error(format('SELECT count(*) FROM atomizer.stream_atomic_weights_chunked(%L::bytea)', :'mixed'));
