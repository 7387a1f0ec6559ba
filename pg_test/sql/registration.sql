-- What users say of a model: ingest_model continues a registered one, update_model changes what was said.
\getenv root ATOMIZER_ROOT
\set helpers :root '/pg_test/helpers.psql'
\i :helpers
SET search_path = atomizer, public;
SET client_min_messages = warning;
\pset format unaligned
\pset tuples_only on
\pset fieldsep ', '
SELECT test.weights_file(1, 2) AS file, test.weights_file(3) AS other \gset
CREATE FUNCTION pg_temp.known(name text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(', ', model_id, model_type, provider, properties, is_complete) FROM model WHERE model_name = name $$;

-- A registered model is continued: what was said then is kept, what is said now is added.
SELECT register_model('x', model_type => 'LLM', properties => '{"license": "MIT"}') AS x \gset
CALL ingest_model('x', model_bytes => :'file', provider => 'me');
SELECT pg_temp.known('x');
-- A complete one is not.
SELECT test.error(format('CALL ingest_model(%L, model_bytes => %L)', 'x', :'file'));
-- All at once.
CALL ingest_model('y', model_bytes => :'file', model_type => 'encoder', provider => 'you', properties => '{"a": [1]}');
SELECT pg_temp.known('y');
-- Contradictions are refused, and leave the registration as it was.
SELECT register_model('z', model_type => 'LLM', provider => 'me', properties => '{"a": 1}') AS z \gset
SELECT test.error(format('CALL ingest_model(%L, model_bytes => %L, %s)', 'z', :'file', argument))
FROM (VALUES ('model_type => ''encoder'''), ('provider => ''you'''), ('properties => ''{"a": 2}''')) v(argument);
SELECT pg_temp.known('z'), (SELECT count(*) FROM ingestion_job WHERE model_id = :z);
-- The same again is none, and a job of other settings is started over with what was said.
CALL ingest_model('z', model_bytes => :'file', provider => 'me', properties => '{"a": 1}', atom_quota => 1);
SELECT lo_from_bytea(0, :'other') AS lo \gset
CALL ingest_model('z', model_lo => :lo, granularity => 'tensor', provider => 'me', unlink => true);
SELECT pg_temp.known('z');
-- Null is not false.
SELECT test.error(format('CALL ingest_model(%L, model_bytes => %L, unlink => NULL)', 'n', :'file'));

-- update_model: what is left out stays, an empty text removes, properties are replaced as a whole.
SELECT update_model(:x, 'renamed');
SELECT pg_temp.known('renamed'), pg_temp.known('x');
SELECT update_model(:x, provider => 'them', properties => '{"b": 2}');
SELECT pg_temp.known('renamed');
SELECT update_model(:x, model_type => '', provider => '', properties => '{}');
SELECT pg_temp.known('renamed');
SELECT test.error(format('SELECT update_model(%s, %s)', :x, argument))
FROM (VALUES ('model_name => ''y'''), ('model_name => '''''), ('repeat(''n'', 501)')) v(argument);
SELECT test.error('SELECT update_model(99, provider => ''p'')');
-- Properties are looked into by key.
SELECT test.error(format('SELECT update_model(%s, properties => %L)', :x, p)) FROM unnest(ARRAY['5', '[1]', 'null', 'true', '"a"']) p;
SELECT test.error($$SELECT register_model('y', properties => '7')$$);
SELECT test.error($$CALL ingest_model('y', '/no/such/file', properties => '[]')$$);
SELECT test.error('SELECT update_model(NULL, provider => ''p'')');
-- Its own name is no other's, and its weights are where they were.
SELECT update_model(:x, 'renamed');
SELECT file_no, is_identical FROM verify_model(:x);
SELECT * FROM check_integrity();
