-- Spectral measures: stored ones answer, conditions come before computing, a table can be made of them.
-- needs: minilm-l6-v2.safetensors
\getenv root ATOMIZER_ROOT
\set helpers :root '/pg_test/helpers.psql'
\i :helpers
SET search_path = atomizer, public;
\set ECHO none
SET client_min_messages = warning;
CREATE FUNCTION pg_temp.matrices(VARIADIC tensors text[]) RETURNS bytea LANGUAGE sql AS $$
    -- Each "name|rows|columns|what": random, zero, copies of one row, or with a NaN.
    SELECT test.safetensors('{' || string_agg(format('"%s":{"dtype":"F32","shape":[%s,%s],"data_offsets":[%s,%s]}', name, rows, cols, e - length(d), e), ',' ORDER BY n) || '}',
                            string_agg(d, ''::bytea ORDER BY n))
    FROM (SELECT x.*, sum(length(d)) OVER (ORDER BY n) AS e FROM (
              SELECT n, split_part(t, '|', 1) AS name, split_part(t, '|', 2)::int AS rows, split_part(t, '|', 3)::int AS cols,
                     (SELECT string_agg(CASE split_part(t, '|', 4) WHEN 'zero' THEN '\x00000000' WHEN 'nan' THEN '\x0000c07f'
                             ELSE substr(decode(md5(split_part(t, '|', 4) || CASE split_part(t, '|', 4) WHEN 'copies' THEN i % split_part(t, '|', 3)::int ELSE i END), 'hex'), 1, 3) || '\x3f' END, ''::bytea ORDER BY i)
                      FROM generate_series(0, split_part(t, '|', 2)::int * split_part(t, '|', 3)::int - 1) i) AS d
              FROM unnest(tensors) WITH ORDINALITY u(t, n)) x) y $$;
CALL ingest_model('small', model_bytes => pg_temp.matrices('blk.0.attn_q.weight|40|24|a', 'blk.0.ffn_up.weight|16|64|b', 'blk.1.attn_q.weight|40|24|a',
    'blk.1.ffn_up.weight|12|30|copies', 'zero|4|6|zero', 'broken|3|5|nan'), granularity => 'tensor');
SELECT model_id AS small FROM model WHERE model_name = 'small' \gset
SET client_min_messages = notice;
\set ECHO all

-- Conditions come before computing: the broken tensor is told of only where it is asked for.
SELECT layer_name, rows, cols FROM layer_spectrum WHERE layer_name LIKE 'blk.0.%' ORDER BY 1;
SELECT layer_name, rank_loss FROM layer_spectrum WHERE layer_type = 'Attention' ORDER BY 1;
SELECT layer_name, rank_loss FROM layer_spectrum WHERE model_id = :small AND layer_name ~ 'ffn' AND upper(layer_name) LIKE 'BLK%' ORDER BY 1;
SELECT layer_name FROM layer_spectrum WHERE layer_name = 'broken';
CREATE FUNCTION pg_temp.plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || query; END $$;
SELECT plan FROM pg_temp.plan($$SELECT * FROM layer_spectrum WHERE layer_name LIKE 'blk.0.%' AND layer_type = 'Attention' AND model_id = 1$$) plan WHERE plan ~ '~~|Function Scan';
-- What a matrix of zeros and one of equal rows have.
SELECT layer_name, rows, cols, spectral_norm, stable_rank, rank_loss, alpha, alpha_weighted, log_norm, log_spectral_norm, log_alpha_norm
FROM layer_spectrum WHERE layer_name = 'zero';
SELECT round(stable_rank::numeric, 6) AS stable_rank, rank_loss, tail FROM layer_spectrum WHERE layer_name = 'blk.1.ffn_up.weight';
-- Logarithms are of squares.
SELECT layer_name, abs(log_norm - 2 * log(frobenius_norm)) < 1e-9 AND abs(log_spectral_norm - 2 * log(spectral_norm)) < 1e-9
       AND abs(alpha_weighted - alpha * log_spectral_norm) < 1e-9 AS as_said,
       abs(log_alpha_norm - (SELECT log(sum((sigma ^ 2) ^ alpha)) FROM svd_spectrum(tensor_atom_id))) < 1e-6 AS of_all_values
FROM layer_spectrum WHERE layer_name LIKE 'blk.0%' ORDER BY 1;

-- Stored, they answer: each content once.
CALL analyze_model(:small, min_parameters => 1000);
SELECT count(*) FROM spectral_measure;
CALL analyze_model(:small);
CALL analyze_model(:small);
SELECT count(*) FROM spectral_measure;
UPDATE spectral_measure SET stable_rank = 4242 WHERE row_count = 40;
SELECT layer_name, stable_rank FROM layer_spectrum WHERE stable_rank > 4000 AND layer_name <> 'broken' ORDER BY 1;
SELECT layer_name, stable_rank FROM model_spectral_measures(:small, 500) WHERE stable_rank > 4000;
UPDATE spectral_measure SET stable_rank = (frobenius_norm / spectral_norm) ^ 2 WHERE row_count = 40;
-- A stored row is what would be computed.
CREATE TEMP TABLE kept AS SELECT * FROM layer_spectrum WHERE model_id = :small AND layer_name <> 'broken';
DELETE FROM spectral_measure;
CREATE TEMP TABLE computed AS SELECT * FROM layer_spectrum WHERE model_id = :small AND layer_name <> 'broken';
SELECT count(*) FROM kept;
SELECT k.layer_name, abs(k.stable_rank / nullif(c.stable_rank, 0) - 1) > 1e-12 AS differ FROM kept k JOIN computed c USING (tensor_atom_id)
WHERE to_jsonb(k) - 'stable_rank' <> to_jsonb(c) - 'stable_rank' OR abs(k.stable_rank - c.stable_rank) > 1e-9;
CREATE MATERIALIZED VIEW test_spectrum AS SELECT * FROM layer_spectrum WHERE layer_name LIKE 'blk%';
SELECT count(*) FROM test_spectrum;
DROP MATERIALIZED VIEW test_spectrum;

-- A model's means.
CALL analyze_model(:small);
SELECT m.model_name, m.layers, m.rank_loss, abs(m.alpha - k.alpha) < 1e-9 AND abs(m.log_norm - k.log_norm) < 1e-9 AND abs(m.alpha_weighted - k.alpha_weighted) < 1e-9
       AND abs(m.log_alpha_norm - k.log_alpha_norm) < 1e-9 AND abs(m.log_spectral_norm - k.log_spectral_norm) < 1e-9 AND abs(m.stable_rank - k.stable_rank) < 1e-9 AS are_means
FROM model_spectrum m, (SELECT avg(alpha) AS alpha, avg(log_norm) AS log_norm, avg(alpha_weighted) AS alpha_weighted, avg(log_alpha_norm) AS log_alpha_norm,
                               avg(log_spectral_norm) AS log_spectral_norm, avg(stable_rank) AS stable_rank FROM kept) k WHERE m.model_id = :small;
SELECT count(*) FROM model_spectrum WHERE model_name = 'no such model';

-- Errors.
CALL analyze_model(987654321);
CALL analyze_model(NULL);
BEGIN;
CALL analyze_model(:small);
ROLLBACK;

-- WeightWatcher's own figures of a real model's layer (weightwatcher 0.7.7; testdata/generate/svd.py prints them).
SET client_min_messages = warning;
\set minilm :models '/minilm-l6-v2.safetensors'
CALL ingest_model('minilm', :'minilm', granularity => 'tensor');
RESET client_min_messages;
SELECT layer_name, abs(s.alpha / w.alpha - 1) < 1e-6 AND abs(s.alpha_weighted / w.alpha_weighted - 1) < 1e-6 AND abs(s.log_norm / w.log_norm - 1) < 1e-6
       AND abs(s.log_spectral_norm / w.log_spectral_norm - 1) < 1e-6 AND abs(s.log_alpha_norm / w.log_alpha_norm - 1) < 1e-6 AND s.rank_loss = 0
       AND abs(s.power_law_xmin / w.xmin - 1) < 1e-6 AND s.tail = w.tail AS agree
FROM layer_spectrum s JOIN (VALUES
    ('encoder.layer.0.attention.self.query.weight', 2.4597221182382403, 3.872121078384426, 3.1282825283609474, 1.5742107816462647, 4.80940718887245, 5.298807253303764, 82),
    ('encoder.layer.3.intermediate.dense.weight', 3.410459789999958, 6.634818109948457, 3.393150651428177, 1.9454321465401412, 6.7711770906964235, 10.615147696249574, 65))
    w(layer_name, alpha, alpha_weighted, log_norm, log_spectral_norm, log_alpha_norm, xmin, tail) USING (layer_name) ORDER BY 1;

-- Tenants: one's own layers only, and the store they share tells nothing.
\set ECHO none
CREATE ROLE regress_ann;
CREATE ROLE regress_bob;
SELECT create_tenant('acme') AS acme, create_tenant('bolt') AS bolt \gset
\o /dev/null
SELECT add_tenant_member('acme', 'regress_ann'), add_tenant_member('bolt', 'regress_bob');
\o
\set ECHO all
SET ROLE regress_ann;
SET client_min_messages = warning;
CALL ingest_model('mine', model_bytes => pg_temp.matrices('w|40|24|a'), granularity => 'tensor');
SELECT layer_name FROM layer_spectrum ORDER BY 1;
SELECT model_name, layers FROM model_spectrum;
RESET client_min_messages;
CALL analyze_model(:small);
-- A function that tells what it sees, however cheap it says it is, sees none of another's.
CREATE FUNCTION pg_temp.tell(name text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN RAISE NOTICE 'seen: %', name; RETURN true; END $$;
SET client_min_messages = notice;
SELECT layer_name FROM layer_spectrum WHERE pg_temp.tell(layer_name);
SELECT model_name FROM model_spectrum WHERE pg_temp.tell(model_name);
SELECT model_id AS mine FROM model \gset
CALL analyze_model(:mine);
SELECT test.error('SELECT FROM atomizer.spectral_measure');
SET ROLE regress_bob;
SELECT count(*) FROM layer_spectrum;
SELECT count(*) FROM model_spectrum;
RESET ROLE;

-- Garbage goes with its content; one that is left is found.
SELECT drop_model(model_id) FROM model WHERE model_name <> 'mine' ORDER BY model_id;
SELECT atoms_removed > 0 AS removed FROM collect_garbage();
SELECT count(*) FROM spectral_measure;
SELECT * FROM check_integrity();
INSERT INTO spectral_measure SELECT sha256(''), data_type, row_count, 1, 1, 1, 1, 0 FROM spectral_measure;
SELECT invariant, regexp_replace(object, '[0-9a-f]{64}', 'HASH') AS object, problem FROM check_integrity();
\set ECHO none
\o /dev/null
SELECT test.clean();
DROP OWNED BY regress_ann;
DROP ROLE regress_ann;
DROP ROLE regress_bob;
