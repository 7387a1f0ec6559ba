-- The bytes of stored tensors, and their weights as little-endian floats: any range, wherever it lies in segments and blocks.
-- needs: silero-vad-16k.safetensors smollm2-135m-q4_1.gguf minilm-f16.safetensors
-- serial
\getenv root ATOMIZER_ROOT
\set helpers :root '/pg_test/helpers.psql'
\i :helpers
SET search_path = atomizer, public;
SET client_min_messages = warning;
SELECT test.clean();
\set silero :models '/silero-vad-16k.safetensors'
\set smollm2 :models '/smollm2-135m-q4_1.gguf'
\set minilm :models '/minilm-f16.safetensors'

-- Every special value, by its bits; types that are wider than real are rounded; an empty tensor; one without a decoder.
CALL ingest_model('odd', model_bytes => test.safetensors(
    '{"w":{"dtype":"F32","shape":[7],"data_offsets":[0,28]},"none":{"dtype":"F32","shape":[0],"data_offsets":[28,28]},"i":{"dtype":"I64","shape":[2],"data_offsets":[28,44]},"d":{"dtype":"F64","shape":[],"data_offsets":[44,52]},"b":{"dtype":"BF16","shape":[2],"data_offsets":[52,56]}}',
    test.f32(1, '-0', 'NaN', 'Infinity', '-Infinity', 1e-45, 3.4028235e38)
    || test.le(-1, 8) || test.le(9007199254740993, 8) || test.le(4614256656552045848, 8) || '\x803fc0bf'));
CALL ingest_model('undecodable', model_bytes => test.undecodable());
SELECT layer_name, tensor_bytes(tensor_atom_id), tensor_float32_bytes(tensor_atom_id) FROM tensor_atom JOIN model USING (model_id)
WHERE model_name = 'odd' ORDER BY tensor_no;
SELECT tensor_bytes(tensor_atom_id), test.error(format('SELECT atomizer.tensor_float32_bytes(%s)', tensor_atom_id)) FROM tensor_atom WHERE layer_name = 't';
SELECT tensor_atom_id AS w FROM tensor_atom WHERE layer_name = 'w' \gset
-- Ranges as those of tensor_weights: they end with the tensor, and may begin just behind it.
SELECT tensor_bytes(:w, 3, 2), tensor_bytes(:w, 26, 100), tensor_bytes(:w, 28), tensor_bytes(:w, count => 1), tensor_bytes(:w, first => 27);
SELECT tensor_float32_bytes(:w, 5, 1), tensor_float32_bytes(:w, 6, 9), tensor_float32_bytes(:w, 7), tensor_float32_bytes(:w, count => 1), tensor_float32_bytes(:w, first => 6);
SELECT test.error(format('SELECT atomizer.%s(%s, %s)', f, :w, a)) FROM unnest(ARRAY['tensor_bytes', 'tensor_float32_bytes']) f,
    unnest(ARRAY['29', '-1', '0, -1', '0, NULL, NULL', 'NULL::bigint', 'NULL::bigint, 1']) a;
SELECT test.error('SELECT atomizer.tensor_bytes(NULL)');
SELECT test.error('SELECT atomizer.tensor_float32_bytes(987654321)');
-- More than a value holds.
BEGIN;
UPDATE tensor_atom SET weight_count = 400000000, byte_length = 1600000000 WHERE tensor_atom_id = :w;
SELECT test.error(format('SELECT atomizer.%s(%s)', f, :w)) FROM unnest(ARRAY['tensor_bytes', 'tensor_float32_bytes']) f;
SELECT tensor_float32_bytes(:w, 5, 1);
ROLLBACK;

-- Real tensors of segments and blocks: whole, and every range that begins or ends at, before or behind an end of a segment.
CALL ingest_model('silero', :'silero', granularity => 'tensor');
CALL ingest_model('smollm2', :'smollm2', granularity => 'tensor');
CALL ingest_model('minilm', :'minilm', granularity => 'tensor');
-- A way of its own to a tensor's weights: those of tensor_weights, one by one.
CREATE FUNCTION pg_temp.floats(weights real[]) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(string_agg(set_byte(set_byte(set_byte(set_byte(s, 0, get_byte(s, 3)), 1, get_byte(s, 2)), 2, get_byte(s, 1)), 3, get_byte(s, 0)), ''::bytea ORDER BY n), '')
    FROM (SELECT float4send(w) AS s, n FROM unnest(weights) WITH ORDINALITY u(w, n)) x $$;
CREATE TEMP TABLE tensor AS
    SELECT tensor_atom_id, layer_name, data_type, byte_length, weight_count, weight_data FROM tensor_atom JOIN model USING (model_id) JOIN (
        SELECT 'silero' AS model_name, * FROM extract_model_weights(model_path => :'silero')
        UNION ALL SELECT 'smollm2', * FROM extract_model_weights(model_path => :'smollm2')
        UNION ALL SELECT 'minilm', * FROM extract_model_weights(model_path => :'minilm')) e USING (model_name, layer_name, data_type)
    WHERE layer_name IN ('stft_conv.weight', 'blk.0.ffn_down.weight', 'blk.0.attn_norm.weight', 'token_embd.weight', 'encoder.layer.0.intermediate.dense.weight');
SELECT layer_name, data_type, byte_length, tensor_bytes(tensor_atom_id) = weight_data AS same FROM tensor ORDER BY tensor_atom_id;
SELECT layer_name, count(*) AS ranges, bool_and(tensor_bytes(tensor_atom_id, f, n) = substring(weight_data FROM f + 1 FOR n)) AS same
FROM tensor, unnest(ARRAY[0, 1, 262143, 262144, 262145, 262144 * 16 - 1, 262144 * 17, byte_length::int - 1, byte_length::int]) f,
     unnest(ARRAY[0, 1, 2, 262143, 262144, 262145, 524288, 262144 * 16 + 3]) n
WHERE f <= byte_length GROUP BY tensor_atom_id, layer_name ORDER BY tensor_atom_id;
SELECT layer_name, count(*) AS ranges, bool_and(tensor_float32_bytes(tensor_atom_id, f, n) = pg_temp.floats(tensor_weights(tensor_atom_id, f, n))) AS same
FROM tensor, unnest(ARRAY[0, 1, 31, 32, 65535, 65536, 131071, 131072, 419430, 419431, weight_count::int - 1, weight_count::int]) f, unnest(ARRAY[0, 1, 31, 33, 1000]) n
WHERE f <= weight_count GROUP BY tensor_atom_id, layer_name ORDER BY tensor_atom_id;
-- More than a batch of segments at once, from within a block to within another.
SELECT layer_name, sha256(tensor_float32_bytes(tensor_atom_id)) = sha256(dequantize_bytes(weight_data, data_type)) AS same,
       sha256(tensor_float32_bytes(tensor_atom_id, 17, weight_count - 34)) = sha256(substring(dequantize_bytes(weight_data, data_type) FROM 4 * 17 + 1 FOR (4 * (weight_count - 34))::int)) AS same_within
FROM tensor ORDER BY tensor_atom_id;

-- Only what holds a range is read: damage elsewhere is not seen.
SELECT tensor_atom_id AS t, content_hash AS hash FROM tensor JOIN tensor_atom USING (tensor_atom_id) WHERE tensor.layer_name = 'token_embd.weight' \gset
BEGIN;
DELETE FROM tensor_segment WHERE content_hash = :'hash' AND segment_no = 5;
SELECT octet_length(tensor_bytes(:t, 4 * 262144, 262144)) AS before_it, octet_length(tensor_bytes(:t, 6 * 262144, 262144)) AS behind_it;
SELECT regexp_replace(test.error(format('SELECT atomizer.%s(%s, 1, 3000000)', f, :t)), '[0-9a-f]{64}', 'HASH') FROM unnest(ARRAY['tensor_bytes', 'tensor_float32_bytes']) f;
ROLLBACK;
SELECT test.clean();
