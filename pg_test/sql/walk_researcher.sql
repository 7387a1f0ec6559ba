-- A newcomer's walk: a researcher looks into the weights of models.
-- needs: tinycoder.gguf minilm-bf16.safetensors minilm-f16.safetensors
-- serial
\getenv root ATOMIZER_ROOT
\set helpers :root '/pg_test/helpers.psql'
\i :helpers
SET client_min_messages = warning;
SET search_path = atomizer, public;
SET extra_float_digits = 0;
\set tiny :models '/tinycoder.gguf'
\set bf16 :models '/minilm-bf16.safetensors'
\set f16 :models '/minilm-f16.safetensors'
CALL ingest_model('tiny', :'tiny', granularity => 'weight');
CALL ingest_model('bf16', :'bf16');
CALL ingest_model('f16', :'f16');
SELECT model_id AS tiny_id FROM model WHERE model_name = 'tiny' \gset

-- What is in it.
SELECT layer_type, count(*), sum(weight_count) AS weights FROM tensor_atom JOIN model USING (model_id) WHERE model_name = 'bf16' GROUP BY 1 ORDER BY 3 DESC, 1;
SELECT metadata ->> 'general.architecture' AS architecture FROM model WHERE model_name = 'tiny';
SELECT tensor_atom_id AS t, shape FROM tensor_atom JOIN model USING (model_id)
WHERE model_name = 'bf16' AND layer_name = 'encoder.layer.0.attention.self.query.weight' \gset
SELECT tensor_atom_id AS u FROM tensor_atom JOIN model USING (model_id)
WHERE model_name = 'f16' AND layer_name = 'encoder.layer.0.attention.self.query.weight' \gset

-- Weights as an array, one by one, and as rows: the same.
SELECT cardinality(tensor_weights(:t)) AS weights, tensor_weights(:t, 384, 3) = ARRAY[tensor_weight(:t, 0, 1), tensor_weight(:t, 1, 1), tensor_weight(:t, 2, 1)] AS same;
SELECT count(*), bool_and(c.weight = w) AS same FROM (SELECT * FROM tensor_coefficients(:t) LIMIT 1000) c
JOIN unnest(tensor_weights(:t, 0, 1000)) WITH ORDINALITY AS u(w, n) ON n = weight_index + 1;
SELECT s.weight_count, s.nan_count, abs(s.mean - a.mean) < 1e-6 AS mean, abs(s.stddev - a.stddev) < 1e-6 AS stddev, s.min = a.min AS min, s.max = a.max AS max
FROM tensor_stats(:t) s, (SELECT avg(w) AS mean, stddev_pop(w) AS stddev, min(w), max(w) FROM unnest(tensor_weights(:t)) w) a;
SELECT count(*) AS bins, sum(weight_count) AS weights FROM tensor_histogram(:t, bins => 10);
-- Two precisions of one model: close, and not equal.
SELECT max(abs(a - b)) < 0.01 AS close, bool_or(a <> b) AS differ FROM unnest(tensor_weights(:t), tensor_weights(:u)) AS w(a, b);
-- How often a value occurs.
SELECT reference_count > 0 AS found, reference_count = (SELECT count(*) FROM tensor_atom ta, tensor_coefficients(ta.tensor_atom_id) c
        WHERE ta.model_id = :tiny_id AND c.weight = 0 AND c.atomic_value = '\x00000000'::bytea) AS counted
FROM atom WHERE kind = 'weight' AND content_hash = sha256(float4send(0));

-- What is near: every row is nearest to itself, and the twin of a tensor is the other precision's.
CALL spatialize_model(:tiny_id, granularity => 'row');
SELECT model_id AS bf16_id FROM model WHERE model_name = 'bf16' \gset
SELECT model_id AS f16_id FROM model WHERE model_name = 'f16' \gset
CALL spatialize_model(:bf16_id);
CALL spatialize_model(:f16_id);
SELECT tensor_atom_id AS emb FROM tensor_atom WHERE model_id = :tiny_id AND layer_name = 'token_embd.weight' \gset
SELECT count(*), count(*) FILTER (WHERE distance < 1e-6) > 0 AS equal_rows, bool_and(distance >= before) AS in_order
FROM (SELECT distance, coalesce(lag(distance) OVER (), 0) AS before FROM similar_rows(:emb, 100, k => 5, within_tensor => :emb)) n;
SELECT m.model_name, n.layer_name, n.distance < 0.01 AS near FROM similar_tensors(:t, k => 1) n JOIN model m USING (model_id);

-- Matrices: a spectrum, a decomposition whose error falls, and what a smaller type would cost.
SELECT count(*) AS values, bool_and(sigma <= before) AS falling
FROM (SELECT sigma, coalesce(lag(sigma) OVER (), 'infinity') AS before FROM svd_spectrum(:t)) s;
SELECT count(*) AS layers, bool_and(stable_rank BETWEEN 1 AND 16) AS ranks FROM model_spectral_measures(:tiny_id, 1000);
SELECT quantization_type, weight_count, rmse > 0 AS loses, snr_db > before AS better
FROM (SELECT q AS quantization_type, e.*, coalesce(lag(e.snr_db) OVER (ORDER BY n), 0) AS before
      FROM unnest(ARRAY['Q4_0', 'Q5_0', 'Q8_0']) WITH ORDINALITY AS u(q, n), quantization_error(:t, q) e) q;
SELECT max(abs(w - d)) < 0.02 AS close FROM (SELECT tensor_weights(:t, 0, 64) AS v) x, unnest(v, dequantize(quantize(v, 'Q8_0'), 'Q8_0')) AS p(w, d);

-- The spectra of a model, stored, and of the layers that are asked for.
CALL analyze_model('tiny');
SELECT layer_name, alpha > 0 AS alpha, log_norm IS NOT NULL AS log_norm, rank_loss >= 0 AS rank_loss FROM layer_spectrum WHERE layer_name LIKE 'blk.0.attn%' AND model_id = :tiny_id ORDER BY 1;
SELECT model_name, layers > 0 AS layers FROM model_spectrum WHERE model_name = 'tiny';
-- Bytes for numpy, by names, and a part of them.
SELECT octet_length(tensor_float32_bytes('bf16', 'encoder.layer.0.attention.self.query.weight')) AS float32, octet_length(tensor_bytes('bf16', 'encoder.layer.0.attention.self.query.weight', 384, 384)) AS bf16;
SELECT count(*) AS tensors FROM list_tensors(model => 'bf16', layers => 'encoder.layer.0.%');

-- A result is a table like any other.
CREATE TABLE stats AS SELECT layer_name, s.* FROM tensor_atom, tensor_stats(tensor_atom_id) s WHERE model_id = :bf16_id;
SELECT count(*), sum(weight_count) FROM stats;
CREATE MATERIALIZED VIEW spectrum AS SELECT * FROM layer_spectrum WHERE model_id = :tiny_id;
SELECT count(*) > 0 AS layers FROM spectrum;
DROP TABLE stats;
DROP MATERIALIZED VIEW spectrum;
SELECT test.clean();
