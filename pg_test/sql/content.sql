-- A content is stored once, under its own hash: nobody else's mistake or ill will comes between a user and his model.
\getenv root ATOMIZER_ROOT
\set helpers :root '/pg_test/helpers.psql'
\i :helpers
SET search_path = atomizer, public;
SET client_min_messages = warning;

-- The source changes between plan and chunk. Whatever that worker is told, the bytes that another one brings are right.
SELECT test.weights_file(11, 12) AS good, test.weights_file(13, 14) AS bad \gset
SELECT create_ingestion_job(register_model('changed')) AS job \gset
SELECT atomizer_internal.claim_ingestion_job(:job) AS token \gset
SELECT phase FROM atomizer_internal.ingestion_step(:job, :'token', :'good');
SELECT test.error(format('SELECT atomizer_internal.ingestion_step(%s, %L, %L)', :job, :'token', :'bad')) <> '' AS tried;
SELECT job_status = 'Complete' OR is_complete AS taken_for_good FROM ingestion_job JOIN model USING (model_id);
CALL ingest_model('right', model_bytes => :'good');
SELECT is_identical FROM model, verify_model(model_id) WHERE model_name = 'right';
-- And with the right bytes, from the beginning, so does this one.
SELECT atomizer_internal.release_ingestion_job(:job, :'token', 'Failed');
SELECT reset_ingestion_job(:job);
CALL atomize_model_governed(:job, :'good');
SELECT is_identical FROM model, verify_model(model_id) WHERE model_name = 'changed';
SELECT * FROM check_integrity();
SELECT sum(drop_model(model_id)) FROM model;
-- With a snapshot of its own it would not see a reference that came later.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT test.error('SELECT * FROM atomizer.collect_garbage()');
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT test.error('SELECT * FROM atomizer.collect_garbage()');
ROLLBACK;
SELECT atoms_removed FROM collect_garbage();

-- The same with a content of three segments, of which the first one is stored wrong and the ingestion then given up.
SELECT test.safetensors('{"w":{"dtype":"U8","shape":[600000],"data_offsets":[0,600000]}}', decode(repeat('0102', 300000), 'hex')) AS good,
       test.safetensors('{"w":{"dtype":"U8","shape":[600000],"data_offsets":[0,600000]}}', decode(repeat('0304', 300000), 'hex')) AS bad \gset
SELECT create_ingestion_job(register_model('changed'), atom_chunk_size => 1) AS job \gset
SELECT atomizer_internal.claim_ingestion_job(:job) AS token \gset
SELECT phase FROM atomizer_internal.ingestion_step(:job, :'token', :'good');
SELECT phase FROM atomizer_internal.ingestion_step(:job, :'token', :'good');
SELECT test.error(format('SELECT atomizer_internal.ingestion_step(%s, %L, %L)', :job, :'token', :'bad')) <> '' AS tried;
CALL ingest_model('right', model_bytes => :'good', granularity => 'weight');
SELECT is_identical FROM model, verify_model(model_id) WHERE model_name = 'right';
SELECT atomic_value, reference_count FROM atom WHERE kind = 'weight' ORDER BY 1;
SELECT atomizer_internal.release_ingestion_job(:job, :'token', 'Failed');
SELECT * FROM check_integrity();
SELECT sum(drop_model(model_id)) FROM model;
SELECT atoms_removed FROM collect_garbage();

-- Content of a blob and of a tensor may be the same bytes: they share segments, and the last of both takes them away.
SELECT test.weights_file(1, 2) AS file, octet_length(test.weights_file(1, 2)) - 8 AS header \gset
SELECT test.safetensors(format('{"t":{"dtype":"U8","shape":[%s],"data_offsets":[0,%s]}}', :header, :header),
                        substr(:'file'::bytea, 1, :header)) AS header_as_tensor \gset
CALL ingest_model('tensor', model_bytes => :'header_as_tensor');
SELECT register_model('blob') AS blob \gset
SELECT create_ingestion_job(:blob) AS job \gset
SELECT atomizer_internal.claim_ingestion_job(:job) AS token \gset
SELECT phase FROM atomizer_internal.ingestion_step(:job, :'token', :'file');
SELECT drop_model(model_id) FROM model WHERE model_name = 'tensor';
SELECT atoms_removed FROM collect_garbage();
SELECT phase FROM atomizer_internal.ingestion_step(:job, :'token', :'file');
SELECT phase FROM atomizer_internal.ingestion_step(:job, :'token', :'file');
SELECT job_status FROM ingestion_job;
SELECT * FROM check_integrity();
