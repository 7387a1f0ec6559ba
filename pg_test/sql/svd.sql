-- Singular values: matrices that are given, stored tensors, whole models, and adapters.
\getenv root ATOMIZER_ROOT
\set helpers :root '/pg_test/helpers.psql'
\i :helpers
SET search_path = atomizer, public;
SET client_min_messages = notice;
CREATE FUNCTION pg_temp.rounded(a real[], digits int DEFAULT 4) RETURNS numeric[] LANGUAGE sql AS $$
    SELECT array_agg(round(x::numeric, digits) + 0 ORDER BY n) FROM unnest(a) WITH ORDINALITY u(x, n) $$;
CREATE FUNCTION pg_temp.f32s(bytes bytea) RETURNS real[] LANGUAGE sql AS $$ SELECT atomizer.dequantize(bytes, 'F32') $$;
-- Norm of a difference over that of the first.
CREATE FUNCTION pg_temp.distance(a real[], b real[]) RETURNS float8 LANGUAGE sql AS $$
    SELECT sqrt(sum((x - y)::float8 ^ 2) / sum(x::float8 ^ 2)) FROM unnest(a, b) u(x, y) $$;

-- A matrix that is given.
SELECT pg_temp.rounded(u) AS u, pg_temp.rounded(s) AS s, pg_temp.rounded(vt) AS vt, round(explained_variance::numeric, 6) AS explained_variance,
       round(relative_error::numeric, 6) AS relative_error FROM svd_decompose(ARRAY[3, 0, 0, -2, 0, 0]::real[], 3, 2, 2);
SELECT pg_temp.rounded(u) AS u, pg_temp.rounded(s) AS s, pg_temp.rounded(vt) AS vt, round(explained_variance::numeric, 6) AS explained_variance,
       round(relative_error::numeric, 6) AS relative_error FROM svd_decompose(ARRAY[3, 0, 0, -2, 0, 0]::real[], 3, 2, 1);
SELECT pg_temp.rounded(pg_temp.f32s(u)) AS u, pg_temp.rounded(pg_temp.f32s(s)) AS s, pg_temp.rounded(pg_temp.f32s(vt)) AS vt, round(explained_variance::numeric, 6) AS explained_variance,
       round(relative_error::numeric, 6) AS relative_error FROM svd_decompose(test.f32(3, 0, 0, -2, 0, 0), 3, 2, 1);
-- Wide, of a lower rank, one row, one column, zero, and a rank above all there are.
SELECT name, cardinality(u) AS u, pg_temp.rounded(s) AS s, cardinality(vt) AS vt, round(explained_variance::numeric, 6) AS explained_variance,
       round(relative_error::numeric, 6) AS relative_error, pg_temp.rounded(reconstruct_from_svd(u, s, vt, rows, cols), 3) AS again
FROM (VALUES ('wide', ARRAY[1, 2, 3, 4, 5, 7], 2, 3), ('rank 1', ARRAY[1, 2, 2, 4, 3, 6], 3, 2), ('row', ARRAY[3, 4], 1, 2),
             ('column', ARRAY[3, 4], 2, 1), ('zero', ARRAY[0, 0, 0, 0], 2, 2), ('one', ARRAY[-5], 1, 1)) m(name, matrix, rows, cols),
     LATERAL svd_decompose(matrix::real[], rows, cols, 9);
SELECT pg_temp.rounded(pg_temp.f32s(reconstruct_from_svd(u, s, vt, 2, 3)), 3) FROM svd_decompose(test.f32(1, 2, 3, 4, 5, 7), 2, 3, 2);
SELECT reconstruct_from_svd('{}'::real[], '{}', '{}', 1, 2), reconstruct_from_svd(''::bytea, '', '', 1, 1);

-- What cannot be decomposed. NULL gives none.
SELECT count(*) FROM svd_decompose(NULL::real[], 1, 1, 1);
SELECT count(*) FROM svd_decompose(NULL::bytea, 1, 1, 1);
SELECT reconstruct_from_svd(NULL::real[], '{1}', '{1}', 1, 1);
SELECT s AS statement, test.error('SELECT atomizer.' || s) FROM unnest(ARRAY[
    'svd_decompose(ARRAY[1, 2, 3]::real[], 2, 2, 1)', 'svd_decompose(ARRAY[1]::real[], 1, 1, 0)', 'svd_decompose(ARRAY[1]::real[], 1, 1, -1)',
    'svd_decompose(ARRAY[1]::real[], -1, 1, 1)', 'svd_decompose(ARRAY[1]::real[], 1, -1, 1)', 'svd_decompose(''{}''::real[], 0, 0, 1)',
    'svd_decompose(ARRAY[1, NULL]::real[], 1, 2, 1)', 'svd_decompose(ARRAY[1, 2, ''NaN'', 4]::real[], 2, 2, 1)',
    'svd_decompose(ARRAY[1, 2, 3, ''-Infinity'']::real[], 2, 2, 1)', 'svd_decompose(ARRAY[1]::real[], 2000000000, 2000000000, 1)',
    'svd_decompose(''\x000000''::bytea, 1, 1, 1)', 'svd_decompose(''\x0000c07f''::bytea, 1, 1, 1)', 'svd_decompose(test.f32(1, 2), 1, 1, 1)',
    'svd_decompose(ARRAY[3e38, 3e38]::real[], 1, 2, 1)',
    'reconstruct_from_svd(ARRAY[1, 2]::real[], ARRAY[1]::real[], ARRAY[1]::real[], 1, 1)',
    'reconstruct_from_svd(ARRAY[1]::real[], ARRAY[1]::real[], ARRAY[1, 2]::real[], 1, 1)',
    'reconstruct_from_svd(ARRAY[1]::real[], ARRAY[1]::real[], ARRAY[1]::real[], 2000000000, 2000000000)',
    'reconstruct_from_svd(ARRAY[3e38]::real[], ARRAY[10]::real[], ARRAY[1]::real[], 1, 1)',
    'reconstruct_from_svd(ARRAY[''Infinity'']::real[], ARRAY[10]::real[], ARRAY[1]::real[], 1, 1)',
    'reconstruct_from_svd(test.f32(1), ''\x00'', test.f32(1), 1, 1)']) s;

-- A model: a matrix of 1024 x 1024, all of whose rows are among 64; a copy of it in another shape; a convolution; and what is not a matrix.
CREATE FUNCTION pg_temp.model(tensors text[], VARIADIC data bytea[]) RETURNS bytea LANGUAGE sql AS $$
    SELECT test.safetensors('{' || string_agg(format('"%s":{%s,"data_offsets":[%s,%s]}', split_part(t, '|', 1), split_part(t, '|', 2), e - length(d), e), ',' ORDER BY n) || '}',
                            string_agg(d, ''::bytea ORDER BY n))
    FROM (SELECT t, d, n, sum(length(d)) OVER (ORDER BY n) AS e FROM unnest(tensors, data) WITH ORDINALITY u(t, d, n)) x $$;
SELECT string_agg(regexp_replace(md5(i::text), '(......)..', '\13f', 'g'), '' ORDER BY i) AS block FROM generate_series(1, 16384) i \gset
SELECT repeat(:'block', 16) AS big, left(:'block', 2 * 4 * 288) AS conv \gset
\set ECHO none
SET client_min_messages = warning;
CALL ingest_model('big', model_bytes => pg_temp.model(ARRAY['big.weight|"dtype":"F32","shape":[1024,1024]', 'again.weight|"dtype":"F32","shape":[512,2048]',
    'conv.weight|"dtype":"F32","shape":[16,2,3,3]', 'vector|"dtype":"F32","shape":[4]', 'integers|"dtype":"I8","shape":[2,2]', 'nan|"dtype":"F32","shape":[4,4]',
    'blocks|"dtype":"F4","shape":[2,4]', 'scalar|"dtype":"F32","shape":[]', 'empty|"dtype":"F32","shape":[0,3]', 'zero.weight|"dtype":"F32","shape":[6,8]'],
    decode(:'big', 'hex'), decode(:'big', 'hex'), decode(:'conv', 'hex'), test.f32(1, 2, 3, 4), '\x01020304', test.f32(1, 'NaN', 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16),
    '\x00000000', test.f32(1), '', decode(repeat('00', 192), 'hex')), granularity => 'tensor');
SET client_min_messages = notice;
\set ECHO all
SELECT model_id AS model FROM model WHERE model_name = 'big' \gset
CREATE FUNCTION pg_temp.tensor(name text, model text DEFAULT 'big') RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT tensor_atom_id FROM atomizer.tensor_atom JOIN atomizer.model m USING (model_id) WHERE layer_name = name AND model_name = model $$;
SELECT pg_temp.tensor('big.weight') AS big, pg_temp.tensor('conv.weight') AS conv, pg_temp.tensor('zero.weight') AS zero \gset
SELECT test.error(format('SELECT atomizer.reconstruct_tensor(%s)', :big));
-- Progress depends on the machine's speed.
SET client_min_messages = warning;
CALL compress_model(:model);
SET client_min_messages = notice;
-- As in the original's example, a sixteenth of the rank: 131136 numbers instead of 1048576, by what the table holds.
SELECT layer_name, rank, length(u_matrix) AS u, length(s_vector) AS s, length(vt_matrix) AS vt,
       (length(u_matrix) + length(s_vector) + length(vt_matrix)) / 4 AS numbers,
       round(100.0 * (1 - (length(u_matrix) + length(s_vector) + length(vt_matrix))::numeric / byte_length), 2) AS saved, round(compression_ratio::numeric, 3) AS ratio,
       round(explained_variance::numeric, 5) AS explained_variance, relative_error < 1e-5 AS is_close
FROM svd_component JOIN tensor_atom USING (content_hash, data_type, row_count) ORDER BY layer_name;
SELECT count(*) FROM svd_component;
-- Again it finds everything there; smaller ones on demand; what would not shrink stays.
CALL compress_model(:model);
SET client_min_messages = warning;
CALL compress_model(:model, rank => 4, min_parameters => 0);
CALL compress_model(:model, target_energy => 0.9, min_parameters => 1);
CALL compress_model(:model, target_energy => 1, min_parameters => 1000000);
SET client_min_messages = notice;
CALL compress_model(:model, rank => 4, min_parameters => 0);
CALL compress_model(:model, target_energy => 0.9, min_parameters => 1);
CALL compress_model(:model, target_energy => 1, min_parameters => 1000000);
SELECT layer_name, rank, round(compression_ratio::numeric, 2) AS ratio, explained_variance >= 0.9 AS enough
FROM svd_component JOIN tensor_atom USING (content_hash, data_type, row_count) ORDER BY 1, 2;
CALL compress_model(:model, rank => 0);
CALL compress_model(:model, target_energy => 0);
CALL compress_model(:model, target_energy => 'NaN');
CALL compress_model(:model, rank => 1, target_energy => 0.5);
CALL compress_model(987654321);
CALL compress_model(NULL);

-- Back again: whole, at fewer singular values, the copy in another shape.
SELECT pg_temp.distance(tensor_weights(:big), reconstruct_tensor(:big)) < 1e-5 AS is_close;
SELECT pg_temp.distance(reconstruct_tensor(:big), reconstruct_tensor(pg_temp.tensor('again.weight'))) < 1e-5 AS is_close;
SELECT cardinality(reconstruct_tensor(:conv)), reconstruct_tensor(:conv, 4) = reconstruct_tensor(:conv) AS same,
       pg_temp.distance(reconstruct_tensor(:conv, 1), c.w) < 1e-4 AS same_as_rank_1
FROM (SELECT reconstruct_from_svd(u, s, vt, 16, 18) AS w FROM svd_decompose(tensor_weights(:conv), 16, 18, 1)) c;
SELECT test.error(format('SELECT atomizer.reconstruct_tensor(%s, 0)', :big));
SELECT test.error(format('SELECT atomizer.reconstruct_tensor(%s, 17)', :conv));
SELECT reconstruct_tensor(NULL);

-- Spectra and what they tell.
SELECT i, round(sigma::numeric, 3) AS sigma, round(cumulative_energy::numeric, 4) AS energy FROM svd_spectrum(:conv) WHERE i <= 3 OR i = 16;
SELECT count(*), bool_and(sigma = 0 AND cumulative_energy = 1) FROM svd_spectrum(:zero);
SELECT * FROM svd_spectrum(pg_temp.tensor('integers')) LIMIT 0;
SELECT i, round(sigma::numeric, 4) AS sigma, cumulative_energy FROM svd_spectrum(pg_temp.tensor('vector'));
SELECT t AS tensor, test.error(format('SELECT atomizer.svd_spectrum(%s)', pg_temp.tensor(t))) FROM unnest('{nan,blocks,scalar,empty}'::text[]) t;
SELECT rows, cols, round(spectral_norm::numeric, 2) AS norm, round(frobenius_norm::numeric, 2) AS frobenius, round(stable_rank::numeric, 3) AS stable,
       round(effective_rank::numeric, 2) AS effective, round(alpha::numeric, 2) AS alpha, tail FROM tensor_spectral_measures(:conv);
SELECT * FROM tensor_spectral_measures(:zero);
SELECT count(*) FROM unnest('{vector,integers,nan,blocks,scalar,empty}'::text[]) t, tensor_spectral_measures(pg_temp.tensor(t));
-- Progress depends on the machine's speed.
SET client_min_messages = warning;
SELECT layer_name, rows, cols, round(stable_rank::numeric, 2) AS stable_rank FROM model_spectral_measures(:model);
SELECT layer_name FROM model_spectral_measures(:model, 1000000);
SELECT layer_name, layer_type, rows, cols, round(stable_rank::numeric, 2) AS stable_rank, alpha IS NOT NULL AS has_alpha FROM layer_spectrum WHERE model_id = :model ORDER BY tensor_atom_id;
SET client_min_messages = notice;

-- The same bytes read in another way are another matrix, with a decomposition and points of its own.
SET client_min_messages = warning;
SELECT string_agg(regexp_replace(md5(i::text), '(..)..', '\13c', 'g'), '' ORDER BY i) AS bytes FROM generate_series(1, 200) i \gset
CALL ingest_model('ways', model_bytes => pg_temp.model(ARRAY['tall|"dtype":"F32","shape":[40,20]', 'wide|"dtype":"F32","shape":[20,40]', 'deep|"dtype":"F32","shape":[20,2,20]',
    'half|"dtype":"F16","shape":[40,40]', 'brain|"dtype":"BF16","shape":[40,40]'], decode(:'bytes', 'hex'), decode(:'bytes', 'hex'), decode(:'bytes', 'hex'), decode(:'bytes', 'hex'), decode(:'bytes', 'hex')));
SELECT model_id AS ways FROM model WHERE model_name = 'ways' \gset
SELECT count(DISTINCT content_hash) AS contents FROM tensor_atom WHERE model_id = :ways;
CALL compress_model(:ways, rank => 5, min_parameters => 1);
CALL spatialize_model(:ways);
CALL spatialize_model(:ways, 'row');
SELECT layer_name, cardinality(r) = weight_count AS whole, abs(pg_temp.distance(w, r) - c.relative_error) < 1e-4 AS its_error,
       (SELECT count(*) FROM atom_points p WHERE p.tensor_atom_id = t.tensor_atom_id AND row_no >= 0) AS points, weight_count / row_width AS rows,
       (SELECT bool_and(p.spatial_key = project_to_3d(w[1 + p.row_no * row_width : (p.row_no + 1) * row_width])) FROM atom_points p WHERE p.tensor_atom_id = t.tensor_atom_id AND row_no >= 0) AS in_place
FROM tensor_atom t JOIN svd_component c USING (content_hash, data_type, row_count), LATERAL (SELECT tensor_weights(t.tensor_atom_id) AS w, reconstruct_tensor(t.tensor_atom_id) AS r) x
WHERE model_id = :ways ORDER BY tensor_no;
SELECT drop_model(:ways);
SELECT count(*) > 0 AS collected FROM collect_garbage();
SET client_min_messages = notice;

-- Adapters: a tuned model whose matrix differs by a matrix of rank 1.
CREATE FUNCTION pg_temp.small(scale real, bias real) RETURNS bytea LANGUAGE sql AS $$
    SELECT pg_temp.model(ARRAY['a.0.weight|"dtype":"F32","shape":[2,3]', 'a.0.bias|"dtype":"F32","shape":[2]', 'a.1.weight|"dtype":"F32","shape":[2,2]'],
        test.f32(VARIADIC ARRAY[1 + 2 * scale, 2 + 4 * scale, 3 + 6 * scale, 4 - scale, 5 - 2 * scale, 6 - 3 * scale]::real[]), test.f32(bias, 0), test.f32(1, 0, 0, 1)) $$;
SET client_min_messages = warning;
CALL ingest_model('base', model_bytes => pg_temp.small(0, 0));
CALL ingest_model('tuned', model_bytes => pg_temp.small(0.5, 1));
SET client_min_messages = notice;
SELECT pg_temp.rounded(lora_a) AS a, pg_temp.rounded(lora_b) AS b, rank, round(explained_variance::numeric, 6) AS explained_variance, round(relative_error::numeric, 4) AS relative_error
FROM extract_lora(pg_temp.tensor('a.0.weight', 'base'), pg_temp.tensor('a.0.weight', 'tuned'), 1);
SELECT rank FROM extract_lora(pg_temp.tensor('a.0.weight', 'base'), pg_temp.tensor('a.0.weight', 'tuned'));
SELECT count(*) FROM extract_lora(NULL, 1);
SELECT test.error(format('SELECT atomizer.extract_lora(%s, %s, 1)', pg_temp.tensor('a.0.weight', 'base'), pg_temp.tensor('a.1.weight', 'tuned')));
SELECT test.error(format('SELECT atomizer.extract_lora(%s, %1$s, 0)', pg_temp.tensor('a.0.weight', 'base')));
SELECT model_id AS base FROM model WHERE model_name = 'base' \gset
SELECT model_id AS tuned FROM model WHERE model_name = 'tuned' \gset
SELECT adapter_model AS lo, adapter_config AS config, modules, equal_tensors, other_tensors FROM extract_lora_model(:base, :tuned, 1) \gset
SELECT :modules AS modules, :equal_tensors AS equal, :other_tensors AS others, :'config'::jsonb - 'target_modules' AS config, :'config'::jsonb->'target_modules' AS modules;
SELECT layer_name, shape, pg_temp.rounded(pg_temp.f32s(weight_data)) AS weights FROM extract_model_weights(lo_get(:lo)) ORDER BY 1;
SELECT lo_unlink(:lo);
SELECT test.error(format('SELECT atomizer.extract_lora_model(%s, %1$s)', :base));
SELECT test.error(format('SELECT atomizer.extract_lora_model(%s, %s, -3)', :base, :tuned));
SELECT test.error(format('SELECT atomizer.extract_lora_model(%s, %s, path => ''not/absolute'')', :base, :tuned));
SELECT test.error(format('SELECT atomizer.extract_lora_model(%s, %s, path => ''/no/such/directory'')', :base, :tuned));

-- A tenant reaches nothing of another's, learns not even that it is there, and writes no server files.
CREATE ROLE regress_eve;
SELECT create_tenant('eve') \gset
SELECT add_tenant_member('eve', 'regress_eve');
GRANT USAGE ON SCHEMA test TO regress_eve;
SET ROLE regress_eve;
SET search_path = atomizer, public;
SET client_min_messages = warning;
CALL ingest_model('mine', model_bytes => pg_temp.small(0, 0));
SET client_min_messages = notice;
SELECT pg_temp.tensor('a.0.weight', 'mine') AS mine, (SELECT model_id FROM model) AS my_model \gset
SELECT s AS statement, replace(theirs, :'big', 'N') AS error, replace(theirs, :'big', 'N') = replace(test.error('SELECT atomizer.' || replace(s, '%', '987654321')), '987654321', 'N') AS same
FROM unnest(ARRAY['svd_spectrum(%)', 'reconstruct_tensor(%)', 'tensor_spectral_measures(%)', format('extract_lora(%%, %s)', :mine), format('extract_lora(%s, %%)', :mine)]) s,
    LATERAL (SELECT test.error('SELECT atomizer.' || replace(s, '%', :'big')) AS theirs) e;
SELECT s AS statement, replace(theirs, ' ' || :'model' || ' ', ' N ') AS error, replace(theirs, ' ' || :'model' || ' ', ' N ') = replace(test.error('SELECT ' || replace(s, '%', '987654321')), '987654321', 'N') AS same
FROM unnest(ARRAY['model_spectral_measures(%)', 'atomizer_internal.compress_step(%, 1, NULL, 0, 0)', format('extract_lora_model(%%, %s)', :my_model), format('extract_lora_model(%s, %%)', :my_model)]) s,
    LATERAL (SELECT test.error('SELECT ' || replace(s, '%', :'model')) AS theirs) e;
CALL compress_model(:model);
SELECT count(*) FROM layer_spectrum WHERE model_id = :model;
SELECT layer_name FROM layer_spectrum ORDER BY 1;
SELECT test.error(format('SELECT atomizer.extract_lora_model(%s, %1$s, path => ''/tmp'')', :my_model));
-- Their own they can compress.
CALL compress_model(:my_model, 1, min_parameters => 0);
SELECT pg_temp.rounded(reconstruct_tensor(:mine), 2);
RESET ROLE;

-- A transaction block is refused where it commits; decompositions go with the last tensor of their content.
BEGIN;
CALL compress_model(:model, 1);
ROLLBACK;
SELECT count(DISTINCT content_hash) FROM svd_component;
SELECT drop_model(model_id) FROM model WHERE model_name = 'mine';
SELECT atoms_removed > 0 AS any FROM collect_garbage();
SELECT count(DISTINCT content_hash) FROM svd_component;
SELECT drop_model(model_id) FROM model ORDER BY 1;
SELECT atoms_removed > 0 AS any FROM collect_garbage();
SELECT count(*) FROM svd_component;
INSERT INTO svd_component VALUES (sha256(''), 'F32', 1, 1, '', '', '', 1, 1, 0);
SELECT regexp_replace(object, '[0-9a-f]{64}', 'HASH') AS object, problem FROM check_integrity();
DELETE FROM svd_component;
SELECT * FROM check_integrity();
DROP OWNED BY regress_eve;
SET client_min_messages = warning;
SELECT test.clean();
DROP ROLE regress_eve;
