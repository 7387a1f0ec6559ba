-- Functions on stored tensors give what plain SQL over the view gives.
-- needs: silero-vad-16k.safetensors tinycoder.gguf
\getenv root ATOMIZER_ROOT
\set helpers :root '/pg_test/helpers.psql'
\i :helpers
SET search_path = atomizer, public;
SET client_min_messages = warning;
SET extra_float_digits = 1;
\set silero :models '/silero-vad-16k.safetensors'
\set tiny :models '/tinycoder.gguf'

-- A tensor of three axes with every special value.
CALL ingest_model('odd', model_bytes => test.safetensors(
    '{"w":{"dtype":"F32","shape":[2,2,3],"data_offsets":[0,48]},"none":{"dtype":"F32","shape":[0],"data_offsets":[48,48]},"nan":{"dtype":"F32","shape":[2],"data_offsets":[48,56]},"i":{"dtype":"I64","shape":[3],"data_offsets":[56,80]},"d":{"dtype":"F64","shape":[],"data_offsets":[80,88]}}',
    test.f32(0, 1, 2, '-0', -1.5, 'NaN', 'Infinity', 3, 4, '-Infinity', 1e-45, 3.4028235e38, 'NaN', 'Infinity')
    || test.le(-1, 8) || test.le(9007199254740993, 8) || test.le(9223372036854775807, 8) || test.le(4614256656552045848, 8)));
SELECT tensor_atom_id AS w FROM tensor_atom WHERE layer_name = 'w' \gset
SELECT weight_index, position_x, position_y, position_z, weight, tensor_weight(:w, position_x, position_y, position_z) IS NOT DISTINCT FROM weight AS at_position
FROM tensor_atom_coefficient WHERE tensor_atom_id = :w ORDER BY weight_index;
SELECT tensor_weights(:w), tensor_weights(:w, 4), tensor_weights(:w, 4, 2), tensor_weights(:w, 12), tensor_weights(:w, 10, 100);
SELECT * FROM tensor_stats(:w);
SELECT layer_name, s.* FROM tensor_atom, tensor_stats(tensor_atom_id) s WHERE layer_name <> 'w' ORDER BY tensor_no;
SELECT * FROM tensor_histogram(:w, 2);
SELECT * FROM tensor_histogram(:w, 4, -2, 2);
SELECT * FROM tensor_histogram(:w, 3, 1, 1);
SELECT layer_name, h.* FROM tensor_atom, tensor_histogram(tensor_atom_id, 2) h WHERE layer_name <> 'w' ORDER BY tensor_no, bin;
-- Wide types: rounded as real, exact as double precision up to 2^53, exact in the atom.
SELECT layer_name, tensor_weights(tensor_atom_id), tensor_weights_float8(tensor_atom_id) FROM tensor_atom WHERE layer_name IN ('i', 'd') ORDER BY 1;
SELECT layer_name, weight, atomic_value, content_hash = sha256(atomic_value) AS key_is_right
FROM tensor_atom_coefficient WHERE layer_name IN ('i', 'd') ORDER BY 1, weight_index;

-- Real tensors: against the view, weight for weight.
CALL ingest_model('silero', :'silero');
SELECT t.layer_name, count(*) AS weights,
       tensor_weights(t.tensor_atom_id) = array_agg(c.weight ORDER BY weight_index) AS same_weights,
       tensor_weights_float8(t.tensor_atom_id) = array_agg(c.weight::float8 ORDER BY weight_index) AS same_float8,
       bool_and(c.content_hash = sha256(float4send(weight)) AND atomic_value = float4send(weight)) AS keys_are_right,
       bool_and(c.weight_index = (c.position_z * coalesce(shape[cardinality(shape) - 1], 1) + c.position_y) * shape[cardinality(shape)] + c.position_x) AS row_major
FROM tensor_atom t JOIN model m USING (model_id) JOIN tensor_atom_coefficient c USING (tensor_atom_id)
WHERE m.model_name = 'silero' GROUP BY t.tensor_atom_id ORDER BY t.tensor_no;
CREATE TEMP TABLE w AS SELECT t.tensor_atom_id, t.layer_name, t.sparsity, c.weight_index, c.weight::float8 AS weight FROM tensor_atom t
    JOIN model m USING (model_id) JOIN tensor_atom_coefficient c USING (tensor_atom_id) WHERE m.model_name = 'silero';
-- What can be exact is exact, and the mean and the deviation agree to 1e-9.
SELECT layer_name, s.weight_count = n AND s.min = least AND s.max = most AND s.nan_count = 0 AND s.inf_count = 0 AS exact,
       s.sparsity = zeros / n::float8 AND s.sparsity = w.sparsity AS same_sparsity,
       abs(s.mean::numeric - w.mean) <= 1e-9 * greatest(abs(most), abs(least))::numeric AS same_mean, abs(s.stddev::numeric - w.stddev) <= 1e-9 * greatest(abs(most), abs(least))::numeric AS same_stddev
FROM (SELECT tensor_atom_id, layer_name, sparsity, count(*) AS n, min(weight) AS least, max(weight) AS most, count(*) FILTER (WHERE weight = 0) AS zeros,
             avg(weight::numeric) AS mean, coalesce(stddev_pop(weight::numeric), 0) AS stddev FROM w GROUP BY 1, 2, 3) w, tensor_stats(tensor_atom_id) s
ORDER BY tensor_atom_id;
-- Every bin: width_bucket counts the same, with the greatest value in the last bin.
CREATE TEMP TABLE bins AS
    SELECT tensor_atom_id, h.* FROM tensor_atom t JOIN model m USING (model_id), tensor_histogram(tensor_atom_id, 10) h WHERE model_name = 'silero' AND t.weight_count > 1;
SELECT layer_name, count(*) AS bins, sum(h.weight_count) AS weights, bool_and(h.weight_count = coalesce(n, 0)) AS same
FROM bins h JOIN tensor_atom USING (tensor_atom_id) LEFT JOIN (
    SELECT tensor_atom_id, least(width_bucket(weight, low, high, 10), 10) AS bin, count(*) AS n
    FROM w JOIN (SELECT tensor_atom_id, min(bin_low) AS low, max(bin_high) AS high FROM bins GROUP BY 1) b USING (tensor_atom_id) GROUP BY 1, 2) x USING (tensor_atom_id, bin)
GROUP BY tensor_atom_id, layer_name ORDER BY tensor_atom_id;
SELECT sum(h.weight_count), min(bin_low), max(bin_high) FROM tensor_atom, tensor_histogram(tensor_atom_id, 7, -0.5, 0.5) h WHERE layer_name = 'conv2.weight';
SELECT count(*) FROM w WHERE layer_name = 'conv2.weight' AND weight BETWEEN -0.5 AND 0.5;
-- Ranges: from the middle of one segment to the middle of another.
SELECT bool_and(tensor_weights(tensor_atom_id, f, n) = (SELECT array_agg(weight::real ORDER BY weight_index) FROM w WHERE w.tensor_atom_id = t.tensor_atom_id AND weight_index >= f AND weight_index < f + n)) AS same
FROM tensor_atom t, (VALUES (0, 1), (65535, 2), (65536, 512), (60000, 6048)) v(f, n) WHERE layer_name = 'stft_conv.weight';
-- The view over a tensor, a layer, the model.
SELECT count(*), sum(c.weight::float8::numeric) = (SELECT sum(weight::numeric) FROM w) AS same FROM tensor_atom_coefficient c JOIN model USING (model_id) WHERE model_name = 'silero';
SELECT layer_name, count(*) FROM tensor_atom_coefficient WHERE layer_name LIKE 'conv_.bias' GROUP BY 1 ORDER BY 1;
-- F16: the values of a GGUF in its stored precision, exactly.
CALL ingest_model('tiny', :'tiny');
SELECT count(*), count(DISTINCT weight), bool_and(content_hash = sha256(float4send(weight))) AS keys_are_right FROM tensor_atom_coefficient c
WHERE tensor_atom_id = (SELECT tensor_atom_id FROM tensor_atom WHERE layer_name = 'blk.0.ffn_up.weight');
SELECT tensor_weight(tensor_atom_id, 3, 2), (tensor_weights(tensor_atom_id))[2 * 16 + 3 + 1] FROM tensor_atom WHERE layer_name = 'blk.0.ffn_up.weight';
