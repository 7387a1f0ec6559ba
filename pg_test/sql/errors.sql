-- Every error tells its SQLSTATE, what is wrong with both values, and what to do next.
-- needs: tinycoder.gguf
-- serial
\getenv root ATOMIZER_ROOT
\set helpers :root '/pg_test/helpers.psql'
\i :helpers
SET search_path = atomizer, public;
SET client_min_messages = warning;
\set tiny :models '/tinycoder.gguf'
\pset format unaligned
\pset tuples_only on
\pset fieldsep ', '
CREATE FUNCTION pg_temp.read_error(file bytea) RETURNS text LANGUAGE sql AS $$
    SELECT test.error(format('SELECT atomizer.list_tensors(%L::bytea)', file)) $$;
CREATE FUNCTION pg_temp.header_error(header text, data bytea DEFAULT '\x00000000') RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.read_error(test.safetensors(header, data)) $$;

-- 22P03, malformed files: safetensors.
SELECT pg_temp.header_error('{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}');
SELECT pg_temp.header_error('{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}');
SELECT pg_temp.header_error('{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}');
SELECT pg_temp.header_error('{"w":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}');
SELECT pg_temp.header_error('{"w":{"dtype":"U8","shape":[3],"data_offsets":[1,4]}}');
SELECT pg_temp.header_error('{"w":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"v":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}');
SELECT pg_temp.header_error('{"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}');
SELECT pg_temp.header_error('{"w":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,4]}}');
SELECT pg_temp.header_error('{"":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}');
SELECT pg_temp.read_error(test.le(1000, 8) || '{}'::bytea);
-- GGUF.
SELECT pg_temp.read_error('GGUF'::bytea || test.le(3, 4) || test.le(1::bigint << 60, 8) || test.le(0, 8));
SELECT pg_temp.read_error('GGUF'::bytea || test.le(3, 4) || test.le(0, 8) || test.le(-1, 8));
SELECT pg_temp.read_error('GGUF'::bytea || test.le(3, 4) || test.le(0, 8) || test.le(1, 8) || test.le(-1, 8) || 'key and more'::bytea);
SELECT pg_temp.read_error('GGUF'::bytea || test.le(3, 4) || test.le(0, 8) || test.le(1, 8) || test.le(17, 8)
                          || 'general.alignment'::bytea || test.le(4, 4) || test.le(3, 4));
SELECT pg_temp.read_error('GGUF'::bytea || test.le(3, 4) || test.le(0, 8) || test.le(1, 8) || test.le(1, 8) || 'k'::bytea || test.le(99, 4) || test.le(0, 32));
SELECT pg_temp.read_error(test.gguf(0, 5, 16));
SELECT pg_temp.read_error(test.gguf(2, 31, 18));
SELECT pg_temp.read_error('GGUF'::bytea);
-- The content is another format than the one named.
SELECT test.error($$SELECT atomizer.list_tensors(test.weights_file(1), 'GGUF')$$);

-- 0A000, well formed but not supported.
SELECT pg_temp.read_error('');
SELECT pg_temp.read_error('PK and more');
SELECT pg_temp.read_error('GGUF'::bytea || test.le(1, 4) || test.le(0, 16));
SELECT pg_temp.read_error('GGUF'::bytea || test.le(4, 4) || test.le(0, 16));
SELECT pg_temp.read_error('GGUF\000\000\000\003'::bytea || test.le(0, 16));
SELECT pg_temp.read_error(test.gguf(4, 32, 32));
SELECT pg_temp.header_error('{"w":{"dtype":"F2","shape":[4],"data_offsets":[0,4]}}');
SELECT test.error('SELECT count(*) FROM atomizer.stream_atomic_weights_chunked(test.undecodable())');
CALL ingest_model('undecodable', model_bytes => test.undecodable(), granularity => 'weight');
\echo :LAST_ERROR_SQLSTATE

-- 54000, larger than a named cap.
SELECT pg_temp.read_error('GGUF'::bytea || test.le(3, 4) || test.le(0, 8) || test.le(1, 8) || test.le(1, 8) || 'k'::bytea
                          || test.le(9, 4) || decode(repeat('090000000100000000000000', 100), 'hex'));

-- 22023, arguments.
SELECT test.error('SELECT atomizer.detect_model_format()');
SELECT test.error($$SELECT atomizer.list_tensors(test.weights_file(1), 'Excel')$$);
SELECT test.error($$SELECT atomizer.create_ingestion_job(1, '/a', 1)$$);
SELECT test.error($$SELECT atomizer.create_ingestion_job(atomizer.register_model('n'), granularity => 'fine')$$);
SELECT test.error($$SELECT atomizer.create_ingestion_job(atomizer.register_model('n'), '/a', 1)$$);
SELECT test.error($$SELECT atomizer.create_ingestion_job(atomizer.register_model('n'), atom_chunk_size => 0)$$);
SELECT test.error($$SELECT atomizer.create_ingestion_job(atomizer.register_model('n'), atom_quota => -1)$$);
SELECT test.error($$SELECT atomizer.register_model('')$$);

-- Server files: 58P01, 42602, 42809.
SELECT test.error($$SELECT atomizer.list_tensors(model_path => '/nowhere/model.gguf')$$);
SELECT test.error($$SELECT atomizer.list_tensors(model_path => 'model.gguf')$$);
SELECT test.error($$SELECT atomizer.list_tensors(model_path => '/dev/zero')$$);
SELECT test.error($$SELECT atomizer.list_tensors(model_path => '/usr')$$);
SELECT test.error($$SELECT atomizer.list_tensors(model_lo => 1)$$);
-- A wrong path leaves nothing behind.
CALL ingest_model('wrong path', model_path => '/nowhere/model.gguf');
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM model WHERE model_name = 'wrong path';

-- 42704, nothing by this number or name.
SELECT test.error('SELECT atomizer.list_tensors(model => 777)');
SELECT test.error('SELECT atomizer.verify_model(777)');
SELECT test.error('SELECT atomizer.export_model_file(777)');
SELECT test.error('SELECT atomizer.drop_model(777)');
SELECT test.error('SELECT atomizer.create_ingestion_job(777)');
SELECT test.error('SELECT atomizer.cancel_ingestion_job(777)');
SELECT test.error('SELECT atomizer.reset_ingestion_job(777)');
SELECT test.error('SELECT atomizer.set_atom_quota(777, 1)');
SELECT test.error('SELECT atomizer.tensor_weights(777)');
SELECT test.error('SELECT atomizer.tensor_stats(777)');
SELECT test.error($$SELECT atomizer.register_model('n', 'no such tenant')$$);
SELECT test.error($$SELECT atomizer.add_tenant_member('no such tenant', 'postgres')$$);
SELECT test.error($$SELECT atomizer.add_tenant_member('default', 'no such role')$$);
CALL atomize_model_governed(777);
\echo :LAST_ERROR_SQLSTATE

-- 23505, a name that is taken.
CALL ingest_model('one', model_bytes => test.weights_file(1, 2, 3, 4));
SELECT test.error($$SELECT atomizer.register_model('one')$$);
CALL ingest_model('one', model_bytes => test.weights_file(1, 2, 3, 4));
\echo :LAST_ERROR_SQLSTATE
SELECT test.error($$SELECT atomizer.create_tenant('default')$$);

-- 53400, the quota.
SELECT create_ingestion_job(register_model('two'), atom_quota => 3) AS job \gset
CALL atomize_model_governed(:job, test.weights_file(1, 2, 3, 4));
\echo :LAST_ERROR_SQLSTATE
UPDATE tenant SET atom_quota = 100;
SELECT test.error(format('SELECT atomizer.set_atom_quota(%s, 101)', :job));
SELECT test.error($$SELECT atomizer.create_ingestion_job(atomizer.register_model('n'), atom_quota => 101)$$);
UPDATE tenant SET atom_quota = NULL;

-- 55000, not in this state.
SELECT test.error('SELECT atomizer.verify_model(model_id) FROM atomizer.model WHERE model_name = ''two''');
SELECT test.error('SELECT atomizer.export_model_file(model_id) FROM atomizer.model WHERE model_name = ''two''');
SELECT test.error('SELECT atomizer.list_tensors(model => model_id) FROM atomizer.model WHERE model_name = ''two''');
SELECT test.error('SELECT atomizer.create_ingestion_job(model_id) FROM atomizer.model WHERE model_name = ''two''');
SELECT test.error('SELECT atomizer.cancel_ingestion_job(ingestion_job_id) FROM atomizer.ingestion_job WHERE job_status = ''Complete''');
SELECT test.error('SELECT atomizer.reset_ingestion_job(ingestion_job_id) FROM atomizer.ingestion_job WHERE job_status = ''Complete''');
-- A job without a path or large object wants the bytes, and the same bytes each time.
CALL atomize_model_governed(:job);
\echo :LAST_ERROR_SQLSTATE
SELECT set_atom_quota(:job, 4);
CALL atomize_model_governed(:job, test.weights_file(1, 2, 3, 4, 5));
\echo :LAST_ERROR_SQLSTATE

-- 55P03, 55006: a job that a living worker holds.
SELECT atomizer_internal.claim_ingestion_job(:job) AS token \gset
SELECT test.lend(:job);
SELECT test.error(format('SELECT atomizer_internal.claim_ingestion_job(%s)', :job));
SELECT test.error('SELECT atomizer.drop_model(model_id) FROM atomizer.model WHERE model_name = ''two''');
SELECT test.error(format('SELECT atomizer.reset_ingestion_job(%s)', :job));
SELECT test.error(format('SELECT atomizer_internal.ingestion_step(%s, %L)', :job, gen_random_uuid()));
SELECT atomizer_internal.release_ingestion_job(:job, :'token', 'Pending');

-- Tensors: positions and ranges that are not there, histograms that cannot be.
SELECT tensor_atom_id AS w FROM tensor_atom JOIN model USING (model_id) WHERE model_name = 'one' \gset
SELECT test.error(format('SELECT atomizer.tensor_weight(%s, 4)', :w));
SELECT test.error(format('SELECT atomizer.tensor_weight(%s, 0, -1)', :w));
SELECT test.error(format('SELECT atomizer.tensor_weights(%s, 5)', :w));
SELECT test.error(format('SELECT atomizer.tensor_weights(%s, 0, -1)', :w));
SELECT test.error(format('SELECT atomizer.tensor_histogram(%s, 0)', :w));
SELECT test.error(format('SELECT atomizer.tensor_histogram(%s, 2000000)', :w));
SELECT test.error(format('SELECT atomizer.tensor_histogram(%s, 2, ''NaN'', 1)', :w));
SELECT test.error(format('SELECT atomizer.tensor_histogram(%s, 2, 3, 1)', :w));

-- Exports: a file number that is not there, a file that is (58P02), a relative path.
SELECT model_id AS one FROM model WHERE model_name = 'one' \gset
SELECT test.error(format('SELECT atomizer.export_model_file(%s, NULL, 1)', :one));
SELECT test.error(format('SELECT atomizer.export_model_file(%s, NULL, -1)', :one));
SELECT test.error(format('SELECT atomizer.export_model_file(%s, %L)', :one, :'tiny'));
SELECT test.error(format('SELECT atomizer.export_model_file(%s, ''out.bin'')', :one));
SELECT test.error(format('SELECT atomizer.export_model_file(%s, ''/nowhere/out.bin'')', :one));

-- Inside a transaction block procedures cannot commit, and say so before they begin.
BEGIN;
CALL ingest_model('in a block', model_bytes => test.weights_file(1));
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
BEGIN;
CALL atomize_model_governed(1);
ROLLBACK;
BEGIN;
CALL spatialize_model(1);
ROLLBACK;
SELECT count(*) FROM model WHERE model_name = 'in a block';

-- XX001, damage is found and named.
BEGIN;
UPDATE tensor_segment SET payload = set_byte(payload, 0, get_byte(payload, 0) # 1)
WHERE content_hash = (SELECT content_hash FROM tensor_atom WHERE tensor_atom_id = :w);
SELECT test.error(format('SELECT atomizer.tensor_weights(%s)', :w));
SELECT test.error(format('SELECT atomizer.export_model_file(%s)', :one));
SELECT invariant, regexp_replace(object, '[0-9a-f]{64}', 'HASH'), regexp_replace(problem, '[0-9a-f]{64}', 'HASH') FROM check_integrity();
DELETE FROM tensor_segment WHERE content_hash = (SELECT content_hash FROM tensor_atom WHERE tensor_atom_id = :w);
SELECT test.error(format('SELECT atomizer.tensor_weights(%s)', :w));
SELECT invariant, regexp_replace(object, '[0-9a-f]{64}', 'HASH'), regexp_replace(problem, '[0-9a-f]{64}', 'HASH') FROM check_integrity();
ROLLBACK;
SELECT count(*) FROM check_integrity();

-- No function answers a null with an internal error (XX000), whichever argument it is.
BEGIN;
CREATE FUNCTION pg_temp.value(type regtype) RETURNS text LANGUAGE sql AS $$
    SELECT format('%L::%s', CASE WHEN type::text ~ '\[\]$' THEN '{1}' WHEN type = 'boolean'::regtype THEN 'f' WHEN type = 'bytea'::regtype THEN '\x00000000'
        WHEN type = 'uuid'::regtype THEN '00000000-0000-0000-0000-000000000000' WHEN type = 'jsonb'::regtype THEN '{}' WHEN type = 'interval'::regtype THEN '1 s'
        WHEN type::text ~ '^geometry' THEN 'POINT Z (1 1 1)' WHEN type::text ~ '^box3d' THEN 'BOX3D(0 0 0,1 1 1)'
        WHEN type::text ~ 'timestamp' THEN 'now' ELSE coalesce((SELECT min(enumlabel)::text FROM pg_enum WHERE enumtypid = type), '1') END, type) $$;
CREATE TABLE pg_temp.calls AS
    SELECT p.oid::regprocedure AS f, i AS null_no, CASE p.prokind WHEN 'p' THEN 'CALL' ELSE 'SELECT' END || format(' %s.%I(%s)', p.pronamespace::regnamespace, p.proname, args) AS call
    FROM pg_proc p, generate_series(0, p.pronargs) i,
         LATERAL (SELECT string_agg(CASE WHEN i IN (0, n) THEN format('NULL::%s', t::regtype) ELSE pg_temp.value(t) END, ', ' ORDER BY n)
                  FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY u(t, n)) a(args)
    WHERE p.pronamespace = ANY ('{atomizer,atomizer_internal}'::regnamespace[]) AND p.prokind <> 'a' AND p.pronargs > 0 AND p.prorettype <> 'trigger'::regtype
      AND NOT p.proargtypes::oid[] && '{internal,cstring}'::regtype[]::oid[];
SELECT count(*) > 300 AS many FROM pg_temp.calls;
SELECT f, null_no, test.error(call) FROM pg_temp.calls WHERE test.error(call) ~ '^XX' ORDER BY f::text, null_no;
ROLLBACK;
