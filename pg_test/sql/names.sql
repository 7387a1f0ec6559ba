-- Models and tensors by name, as literals and as drivers pass them; names that are near; choices in any case; calls that
-- Postgres would find ambiguous.
-- needs: tinycoder.gguf silero-vad-16k.safetensors
\getenv root ATOMIZER_ROOT
\set helpers :root '/pg_test/helpers.psql'
\i :helpers
SET search_path = atomizer, public;
SET client_min_messages = warning;
\set tiny :models '/tinycoder.gguf'
\set silero :models '/silero-vad-16k.safetensors'
SELECT test.clean();
CREATE ROLE regress_ann;
CREATE ROLE regress_both;
SELECT create_tenant(tenant => 'acme') AS acme, create_tenant('bolt') AS bolt \gset
SELECT add_tenant_member(tenant => 'acme', member_role => 'regress_ann'), add_tenant_member('acme', 'regress_both'), add_tenant_member('bolt', 'regress_both');
CALL ingest_model('tiny', :'tiny', tenant => 'acme', granularity => 'TENSOR');
CALL ingest_model('silero', :'silero', tenant => 'acme');
CALL ingest_model('tiny', :'silero', tenant => 'bolt');
SELECT register_model('org/tiny', tenant => 'acme'), register_model('Tiny-2', tenant => 'bolt'), register_model('seven', tenant => 'acme');
SELECT test.error($$SELECT atomizer.register_model('7')$$), test.error($$SELECT atomizer.update_model('seven', model_name => '7')$$);
-- From before such names were refused.
UPDATE model SET model_name = '7' WHERE model_name = 'seven';

-- The type.
SET ROLE regress_ann;
SELECT 'tiny'::regmodel, 'acme/tiny'::regmodel, 'org/tiny'::regmodel, 'acme/org/tiny'::regmodel, 'acme/7'::regmodel, '7'::regmodel, 777::regmodel, 2::smallint::regmodel;
SELECT 'tiny'::text::regmodel = 1 AS text, 'tiny'::varchar::regmodel = 1::bigint AS varchar, m.model_id = 'tiny'::regmodel AS is_it FROM model m ORDER BY 3;
SELECT r, pg_typeof(r), r::bigint FROM unnest('{1,silero}'::regmodel[]) r ORDER BY 1 DESC;
SELECT s AS statement, test.error(s) FROM unnest(ARRAY[
    $$SELECT 'tinny'::atomizer.regmodel$$, $$SELECT 'TINY'::atomizer.regmodel$$, $$SELECT 'Sil'::atomizer.regmodel$$, $$SELECT 'whisper'::atomizer.regmodel$$, $$SELECT ''::atomizer.regmodel$$,
    $$SELECT 'bolt/tiny'::atomizer.regmodel$$, $$SELECT 'Tiny-2'::atomizer.regmodel$$, $$SELECT '99999999999999999999'::atomizer.regmodel$$, $$SELECT '-1'::atomizer.regmodel$$,
    $$SELECT atomizer.drop_model('tinny')$$, $$SELECT atomizer.drop_model(777)$$, $$CALL atomizer.spatialize_model('tinny')$$, $$SELECT atomizer.verify_model(3)$$]) s;
SET ROLE regress_both;
SELECT s AS statement, test.error(s) FROM unnest(ARRAY[$$SELECT 'tiny'::atomizer.regmodel$$, $$SELECT atomizer.verify_model('tiny')$$, $$SELECT 'acme/tinny'::atomizer.regmodel$$]) s;
SELECT 'bolt/tiny'::regmodel, 'acme/tiny'::regmodel, 'silero'::regmodel;
RESET ROLE;
-- A tenant's name and a model's that look alike.
SELECT create_tenant('org') IS NOT NULL AS made, register_model('tiny', tenant => 'org') AS id;
SELECT test.error($$SELECT 'org/tiny'::atomizer.regmodel$$);
SELECT drop_model(7) AS dropped;
-- No transaction id, and in a READ ONLY transaction.
BEGIN READ ONLY;
SELECT tensor_id('acme/tiny', 'output.weight') > 0 AS found, pg_current_xact_id_if_assigned() IS NULL AS reads_only;
COMMIT;

-- Tensors: each function finds by names what it finds by number.
SET ROLE regress_ann;
SELECT tensor_id('tiny', 'blk.0.attn_q.weight') AS t \gset
SELECT tensor_weights('tiny', 'blk.0.attn_q.weight', 5, 3) = tensor_weights(:t, 5, 3) AS weights, tensor_weights('tiny', 'blk.0.attn_q.weight', count => 4) = tensor_weights(:t, first => 0, count => 4) AS named,
       tensor_weights_float8('tiny', 'blk.0.attn_q.weight', 5, 3) = tensor_weights_float8(:t, 5, 3) AS float8, tensor_weight('tiny', 'blk.0.attn_q.weight', 3, 1) = tensor_weight(:t, 3, 1) AS weight,
       tensor_bytes('tiny', 'blk.0.attn_q.weight', 4, 8) = tensor_bytes(:t, 4, 8) AS bytes, tensor_float32_bytes('tiny', 'blk.0.attn_q.weight', count => 8) = tensor_float32_bytes(:t, 0, 8) AS float32;
SELECT (SELECT array_agg(c) FROM tensor_coefficients('tiny', 'blk.0.attn_norm.weight') c)::text = (SELECT array_agg(c) FROM tensor_coefficients(tensor_id('tiny', 'blk.0.attn_norm.weight')) c)::text AS coefficients,
       (SELECT s FROM tensor_stats('tiny', 'blk.0.attn_q.weight') s)::text = (SELECT s FROM tensor_stats(:t) s)::text AS stats,
       (SELECT array_agg(h) FROM tensor_histogram('tiny', 'blk.0.attn_q.weight', 4) h)::text = (SELECT array_agg(h) FROM tensor_histogram(:t, 4) h)::text AS histogram,
       (SELECT e FROM quantization_error('tiny', 'blk.0.attn_q.weight', 'q4_0') e)::text = (SELECT e FROM quantization_error(:t, 'Q4_0') e)::text AS error,
       (SELECT array_agg(s) FROM svd_spectrum('tiny', 'blk.0.attn_q.weight') s)::text = (SELECT array_agg(s) FROM svd_spectrum(:t) s)::text AS spectrum,
       (SELECT m FROM tensor_spectral_measures('tiny', 'blk.0.attn_q.weight') m)::text = (SELECT m FROM tensor_spectral_measures(:t) m)::text AS measures,
       (SELECT l.rank FROM extract_lora('tiny', 'tiny', 'blk.0.attn_q.weight', rank => 2) l) = (SELECT l.rank FROM extract_lora(:t, :t, 2) l) AS lora;
CALL spatialize_model('tiny');
CALL spatialize_model(model => 'tiny', granularity => 'Row');
CALL compress_model('tiny', rank => 4, min_parameters => 10000);
SELECT (SELECT array_agg(n) FROM nearest_atoms('tiny', 'blk.0.attn_q.weight', 3) n)::text = (SELECT array_agg(n) FROM nearest_atoms(:t, 3) n)::text AS nearest,
       (SELECT array_agg(n) FROM similar_tensors('tiny', 'blk.0.attn_q.weight', k => 3) n)::text = (SELECT array_agg(n) FROM similar_tensors(:t, k => 3) n)::text AS tensors,
       (SELECT array_agg(n) FROM similar_rows('tiny', 'blk.0.attn_q.weight', 1, strategy => 'hilbert3d', metric => 'Euclidean') n)::text
           = (SELECT array_agg(n) FROM similar_rows(:t, 1, strategy => 'Hilbert3D'::spatial_index_strategy, metric => 'euclidean') n)::text AS rows,
       reconstruct_tensor('tiny', 'output.weight', 2) = reconstruct_tensor(tensor_id('tiny', 'output.weight'), 2) AS reconstructed;
SELECT count(*) > 0 AS has_tensors FROM list_tensors(model => 'tiny');
SELECT file_name, is_identical FROM verify_model('tiny');
SELECT count(*) AS measured FROM model_spectral_measures('tiny', min_parameters => 1000000);
SELECT s AS statement, test.error(s) FROM unnest(ARRAY[
    $$SELECT atomizer.tensor_weights('tiny', 'blk.0.attn_q')$$, $$SELECT atomizer.tensor_weights('tiny', 'BLK.0.ATTN_Q.WEIGHT')$$, $$SELECT * FROM atomizer.tensor_stats('tiny', 'lm_head')$$,
    $$SELECT atomizer.tensor_id('bolt/tiny', 'x')$$, $$SELECT atomizer.tensor_id(3, 'x')$$, $$SELECT atomizer.tensor_id('org/tiny', 'x')$$]) s;
SELECT tensor_id(NULL, 'x') IS NULL AS null_model, tensor_id('tiny', NULL) IS NULL AS null_tensor;
-- A set by names is inlined: the condition reaches the function, and nothing is kept between.
EXPLAIN (COSTS OFF) SELECT * FROM tensor_stats('tiny', 'output.weight') WHERE nan_count = 0;

-- As drivers pass them: no type, text, varchar, and the integers by their size.
PREPARE untyped AS SELECT cardinality(tensor_weights($1, $2, $3, $4));
EXECUTE untyped('tiny', 'output.weight', 0, 10);
PREPARE texts(text, text) AS SELECT cardinality(tensor_weights($1, $2, 0, 10));
EXECUTE texts('tiny', 'output.weight');
PREPARE varchars(varchar, varchar, smallint) AS SELECT count(*) FROM nearest_atoms($1, $2, k => $3);
EXECUTE varchars('tiny', 'output.weight', 3);
PREPARE smalls(smallint, smallint, smallint) AS SELECT cardinality(tensor_weights($1, $2, $3));
EXECUTE smalls(1, 0, 10);
PREPARE small_bins(smallint) AS SELECT count(*) FROM tensor_histogram('tiny', 'output.weight', $1);
EXECUTE small_bins(4);
PREPARE small_rows(smallint, smallint) AS SELECT count(*) FROM similar_rows('tiny', 'token_embd.weight', $1, $2);
EXECUTE small_rows(3, 5);
PREPARE integers(integer, integer) AS SELECT count(*) FROM similar_tensors($1, $2);
EXECUTE integers(1, 3);
PREPARE bigints(bigint) AS SELECT count(*) FROM verify_model($1);
EXECUTE bigints(1);
PREPARE small_model(smallint) AS SELECT count(*) FROM verify_model($1);
EXECUTE small_model(1);
PREPARE untyped_model AS SELECT count(*) FROM verify_model($1);
EXECUTE untyped_model('tiny');
DEALLOCATE ALL;

-- Literals that would be of several types.
SELECT s FROM svd_decompose('{3,0,0,2}', 2, 2, 2);
SELECT reconstruct_from_svd('{1,0}', '{2}', '{3,4}', 2, 2);
SELECT ST_AsText(project_to_3d('{1,2,3}'), 3) = ST_AsText(project_to_3d(ARRAY[1,2,3]::real[]), 3) AS array_text, ST_AsText(project_to_3d('\x0000803f0000004000004040'), 3) = ST_AsText(project_to_3d('{1,2,3}'), 3) AS bytes_text;
SELECT count(*) FROM nearest_atoms('POINT(1 2)');
SELECT count(*) FROM nearest_atoms('POINT Z (1 2 3)', 2, 'ROW');
SELECT count(*) FROM nearest_atoms('POINT(1 2)', granularity => 'row', k => 1);
-- Choices in any case, and those there are.
SELECT dequantize('\x003c00c0', 'f16'), octet_length(quantize(array_fill(0.5::real, ARRAY[32]), 'q8_0')), octet_length(dequantize_bytes('\x003c00c0', 'F16'::tensor_dtype)), dequantize('\x003c00c0', 'f16'::text);
SELECT count(*) >= 0 AS counted FROM atoms_in_box('BOX3D(-30 -30 -30,0 0 0)', 'hilbert3d');
SELECT test.error(s) FROM unnest(ARRAY[
    $$SELECT atomizer.create_ingestion_job(4, granularity => 'weights')$$, $$CALL atomizer.ingest_model('x', NULL, granularity => 'weights')$$, $$CALL atomizer.spatialize_model('tiny', 'layer')$$,
    $$SELECT atomizer.dequantize('\x', 'Q9')$$, $$SELECT atomizer.atoms_in_box('BOX3D(0 0 0,1 1 1)', 'KDTree')$$, $$SELECT atomizer.similar_tensors(1, metric => 'l1')$$, $$SELECT atomizer.project_to_3d('{1,2,3}', 'pca')$$,
    $$SELECT atomizer.list_tensors(model => 1, model_format => 'gguff')$$]) s;

-- What is taken for the bytes of a file.
SELECT test.error(s) FROM unnest(ARRAY[
    $$SELECT atomizer.list_tensors('/a/x.gguf')$$, $$SELECT atomizer.list_tensors('tiny')$$, $$SELECT atomizer.detect_model_format('/a/it''s.gguf')$$, $$SELECT atomizer.model_metadata('/a/x.gguf')$$, $$SELECT atomizer.extract_model_weights('/a/x.gguf')$$,
    $$SELECT atomizer.model_pickle_report('/a/x.pt')$$, $$SELECT atomizer.stream_atomic_weights_chunked('x.pt')$$, $$SELECT atomizer.list_tensors()$$, $$SELECT atomizer.detect_model_format()$$, $$SELECT atomizer.list_tensors('')$$]) s;
RESET ROLE;

-- Our own words instead of a constraint's.
SELECT test.error(s) FROM unnest(ARRAY[$$SELECT atomizer.create_tenant('')$$, $$SELECT atomizer.create_tenant(NULL)$$, $$SELECT atomizer.create_tenant(repeat('x', 501))$$, $$SELECT atomizer.create_tenant('x', -1)$$,
    $$SELECT atomizer.add_tenant_member('', 'postgres')$$, $$SELECT atomizer.register_model('')$$]) s;

-- Where a procedure cannot commit.
BEGIN;
CALL ingest_model('x', '/x');
ROLLBACK;
CREATE PROCEDURE test.with_set() LANGUAGE plpgsql SET work_mem = '1MB' AS $$ BEGIN CALL atomizer.compress_model('acme/tiny'); END $$;
CREATE FUNCTION test.calls() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CALL atomizer.spatialize_model('acme/tiny'); END $$;
CALL test.with_set();
SELECT test.calls();
SELECT 1\; CALL atomize_model_governed(1);
DO $$ BEGIN CALL atomizer.spatialize_model('acme/tiny'); EXCEPTION WHEN invalid_transaction_termination THEN RAISE WARNING '%', SQLERRM; END $$;
DO $$ BEGIN CALL atomizer.spatialize_model('acme/tiny'); END $$;
DROP PROCEDURE test.with_set;
DROP FUNCTION test.calls;

SELECT test.clean();
DROP ROLE regress_ann, regress_both;
