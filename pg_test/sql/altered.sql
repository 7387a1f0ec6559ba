-- Tables that are read and written from C, altered: their columns are found by name and type, so what was altered is
-- refused, or read and written right, and never misread.
\getenv root ATOMIZER_ROOT
\set helpers :root '/pg_test/helpers.psql'
\i :helpers
SET search_path = atomizer, public;
SET client_min_messages = warning;

-- A content of two segments.
SELECT test.safetensors('{"w":{"dtype":"U8","shape":[300000],"data_offsets":[0,300000]}}', decode(repeat('0102', 150000), 'hex')) AS two_segments \gset
CALL ingest_model('stored', model_bytes => :'two_segments');
SELECT tensor_atom_id AS tensor FROM tensor_atom \gset
SELECT format('SELECT atomizer.tensor_weights(%s, 299998)', :tensor) AS read_it \gset
:read_it;
SELECT segment_bytes(), segment_count = ceil(byte_length / segment_bytes()::numeric) AS as_counted FROM atom WHERE kind = 'tensor';

-- A new model, up to its chunk.
SELECT test.weights_file(7, 8, 9) AS file \gset
SELECT create_ingestion_job(register_model('new'), granularity => 'weight') AS job \gset
SELECT atomizer_internal.claim_ingestion_job(:job) AS token \gset
SELECT phase FROM atomizer_internal.ingestion_step(:job, :'token', :'file');
SELECT format('SELECT atomizer_internal.ingestion_step(%s, %L, %L)', :job, :'token', :'file') AS step \gset

-- Columns of one type with each other's names: the index tells.
BEGIN;
ALTER TABLE tensor_segment RENAME segment_no TO other;
ALTER TABLE tensor_segment RENAME part_no TO segment_no;
ALTER TABLE tensor_segment RENAME other TO part_no;
SELECT test.error(:'read_it');
ROLLBACK;
-- Another type.
BEGIN;
ALTER TABLE tensor_segment ALTER segment_no TYPE bigint;
SELECT test.error(:'read_it');
SELECT test.error(:'step');
ROLLBACK;
-- Another name.
BEGIN;
ALTER TABLE tensor_segment RENAME payload TO bytes;
SELECT test.error(:'read_it');
SELECT test.error(:'step');
ROLLBACK;
-- An index that is gone, or has other keys.
BEGIN;
ALTER TABLE tensor_segment DROP CONSTRAINT tensor_segment_pkey;
SELECT test.error(:'read_it');
ALTER TABLE tensor_segment ADD PRIMARY KEY (segment_no, content_hash, part_no);
SELECT test.error(:'read_it');
ROLLBACK;
-- A column more: it can be read past, but there is nothing to write to it.
BEGIN;
ALTER TABLE tensor_segment ADD note text;
:read_it;
SELECT test.error(:'step');
ROLLBACK;
BEGIN;
ALTER TABLE atom ALTER modality TYPE varchar(20);
SELECT phase FROM atomizer_internal.ingestion_step(:job, :'token', :'file');
SELECT test.error(:'step');
ROLLBACK;
-- Indexes whose entries have to be computed.
BEGIN;
CREATE INDEX computed ON tensor_segment (length(payload));
:read_it;
SELECT test.error(:'step') LIKE '55000: index "computed" of table atomizer.tensor_segment has an expression%' AS refused;
DROP INDEX computed;
CREATE INDEX computed ON tensor_segment (part_no) WHERE part_no > 0;
SELECT test.error(:'step') LIKE '55000: index "computed" of table atomizer.tensor_segment has an expression%' AS refused;
DROP INDEX computed;
ALTER TABLE tensor_segment ADD CONSTRAINT computed EXCLUDE (content_hash WITH =, segment_no WITH =, part_no WITH =);
SELECT test.error(:'step') LIKE '55000: index "computed" of table atomizer.tensor_segment has an expression%' AS refused;
ROLLBACK;
-- What is not a table.
BEGIN;
ALTER TABLE tensor_segment RENAME TO elsewhere;
SELECT test.error(:'read_it');
CREATE VIEW tensor_segment AS SELECT * FROM elsewhere;
SELECT test.error(:'read_it');
ROLLBACK;

-- In another order, after a dump or an upgrade say, they are the same columns.
BEGIN;
ALTER TABLE tensor_segment ADD other bytea;
UPDATE tensor_segment SET other = payload;
ALTER TABLE tensor_segment DROP payload;
ALTER TABLE tensor_segment RENAME other TO payload;
:read_it;
SELECT phase FROM atomizer_internal.ingestion_step(:job, :'token', :'file');
-- Two of one type with each other's names: each gets its own value.
ALTER TABLE atom RENAME byte_length TO other;
ALTER TABLE atom RENAME reference_count TO byte_length;
ALTER TABLE atom RENAME other TO reference_count;
SELECT phase FROM atomizer_internal.ingestion_step(:job, :'token', :'file');
SELECT byte_length, reference_count FROM atom WHERE kind = 'weight' AND atomic_value = float4send(8);
SELECT tensor_weights(tensor_atom_id) FROM tensor_atom JOIN model USING (model_id) WHERE model_name = 'new';
ROLLBACK;

-- And all is as it was.
:read_it;
SELECT phase FROM atomizer_internal.ingestion_step(:job, :'token', :'file');
SELECT phase FROM atomizer_internal.ingestion_step(:job, :'token', :'file');
SELECT byte_length, reference_count FROM atom WHERE kind = 'weight' AND atomic_value = float4send(8);
SELECT * FROM check_integrity();
SELECT test.clean();
