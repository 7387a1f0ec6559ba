-- What the store takes: every table and index, exports, what is free inside; per model and per tenant.
-- needs: silero-vad-16k.safetensors
\getenv root ATOMIZER_ROOT
\set helpers :root '/pg_test/helpers.psql'
\i :helpers
SET search_path = atomizer, public;
SET client_min_messages = warning;
\set file :models '/silero-vad-16k.safetensors'
CALL ingest_model('silero', :'file', granularity => 'tensor');
SELECT model_id AS silero FROM model \gset

-- Every table, index and toast table of the schema, once, and nothing but their sizes.
SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'atomizer'::regnamespace AND c.relkind IN ('r', 'i')
    AND (SELECT count(*) FROM relation_storage r WHERE r.relation_name = c.relname) <> 1;
SELECT r.table_name, sum(r.bytes), pg_total_relation_size(('atomizer.' || r.table_name)::regclass) AS total FROM relation_storage r
GROUP BY 1 HAVING sum(r.bytes) <> pg_total_relation_size(('atomizer.' || r.table_name)::regclass);
SELECT kind, count(*) > 0 AS any, bool_and(size = pg_size_pretty(bytes) AND free = pg_size_pretty(free_bytes)) AS twins, bool_and(free_bytes BETWEEN 0 AND bytes) AS fits,
       bool_and(dead_rows IS NULL) AS no_dead_rows FROM relation_storage GROUP BY 1 ORDER BY 1;
SELECT total_bytes = (SELECT sum(bytes) FROM relation_storage) AS is_sum, tables_bytes + indexes_bytes + toast_bytes + exports_bytes = total_bytes AS adds_up,
       (files, distinct_content, stored_content, stored_atoms) = (pg_size_pretty(files_bytes), pg_size_pretty(distinct_content_bytes), pg_size_pretty(stored_content_bytes), pg_size_pretty(stored_atoms_bytes))
       AND (tables, indexes, toast, free, exports, total) = (pg_size_pretty(tables_bytes), pg_size_pretty(indexes_bytes), pg_size_pretty(toast_bytes), pg_size_pretty(free_bytes),
                                                              pg_size_pretty(exports_bytes), pg_size_pretty(total_bytes)) AS twins,
       pg_typeof(total_bytes), pg_typeof(free_bytes), files_bytes = (SELECT sum(byte_length) FROM model_file) AS files_add_up FROM storage_summary;
SELECT atomizer_internal.free_bytes('atomizer.model'::regclass::oid) IS NOT NULL AS of_a_table, atomizer_internal.free_bytes(0) AS of_nothing, atomizer_internal.free_bytes('atomizer.storage_summary'::regclass::oid) AS of_a_view;

-- Large objects of exports, until somebody removes them. Their comment, which everybody reads, names nothing.
SELECT exported_objects, exports_bytes FROM storage_summary;
SELECT export_model_file(:silero) AS copy, lo_from_bytea(0, '\x0102') AS other \gset
SELECT obj_description(:copy, 'pg_largeobject');
SELECT exported_objects, exports_bytes = files_bytes AS whole, total_bytes - exports_bytes = (SELECT sum(bytes) FROM relation_storage) AS counted FROM storage_summary;
SELECT lo_unlink(:copy), lo_unlink(:other);
SELECT exported_objects, exports_bytes, exports FROM storage_summary;

-- Dropping leaves dead rows, VACUUM frees their space, VACUUM FULL gives it back. Nobody else does meanwhile.
ALTER TABLE tensor_segment SET (autovacuum_enabled = false);
SELECT drop_model(:silero) > 0 AS dropped;
SELECT atoms_removed > 0 AS removed, bytes_removed AS gone FROM collect_garbage() \gset
-- The tests before this one have left their own free space.
VACUUM FULL tensor_segment;
CALL ingest_model('silero', :'file', granularity => 'tensor');
-- Something behind it in the file: free pages at its end would be cut off.
CALL ingest_model('behind', model_bytes => test.weights_file(1, 2, 3), granularity => 'tensor');
SELECT drop_model(model_id) > 0 AS dropped FROM model WHERE model_name = 'silero';
SELECT atoms_removed > 0 AS removed FROM collect_garbage();
SELECT free_bytes < 100000 AS none_is_free_yet FROM relation_storage WHERE relation_name = 'tensor_segment';
VACUUM tensor_segment;
SELECT free_bytes > 0.9 * :gone AS is_free, bytes > :gone AS file_is_as_large FROM relation_storage WHERE relation_name = 'tensor_segment';
CALL ingest_model('silero', :'file', granularity => 'tensor');
SELECT free_bytes < 0.1 * :gone AS is_used_again FROM relation_storage WHERE relation_name = 'tensor_segment';
SELECT drop_model(model_id) > 0 AS dropped FROM model WHERE model_name = 'silero';
SELECT atoms_removed > 0 AS removed FROM collect_garbage();
ALTER TABLE tensor_segment RESET (autovacuum_enabled);
VACUUM FULL tensor_segment;
SELECT free_bytes < 100000 AND bytes < 100000 AS is_given_back FROM relation_storage WHERE relation_name = 'tensor_segment';
SELECT test.clean();

-- Models: what is theirs alone and what they share. Tenants: the same, of which they learn nothing about others.
CREATE ROLE regress_ann;
CREATE ROLE regress_bob;
SELECT create_tenant('acme') AS acme, create_tenant('bolt') AS bolt \gset
SELECT add_tenant_member('acme', 'regress_ann'), add_tenant_member('bolt', 'regress_bob');
SET ROLE regress_ann;
\set two '{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"b":{"dtype":"F32","shape":[2],"data_offsets":[16,24]}}'
\set one '{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"c":{"dtype":"F32","shape":[4],"data_offsets":[16,32]}}'
CALL ingest_model('two', model_bytes => test.safetensors(:'two', test.f32(1, 2, 3, 4, 5, 6)), granularity => 'tensor');
CALL ingest_model('one', model_bytes => test.safetensors(:'one', test.f32(1, 2, 3, 4, 1, 2, 3, 4)), granularity => 'tensor');
SELECT model_name, is_complete, files_bytes, distinct_content_bytes, alone_bytes, shared_bytes, shared FROM model_storage ORDER BY 1;
SELECT tenant_name, models, files_bytes, distinct_content_bytes, distinct_content, alone_bytes, shared_bytes, alone FROM tenant_storage;
CREATE TEMP TABLE before AS SELECT to_jsonb(m) AS m FROM model_storage m UNION ALL SELECT to_jsonb(t) FROM tenant_storage t;
SET ROLE regress_bob;
CALL ingest_model('two', model_bytes => test.safetensors(:'two', test.f32(1, 2, 3, 4, 5, 6)), granularity => 'tensor');
SELECT model_name, files_bytes, distinct_content_bytes, alone_bytes, shared_bytes FROM model_storage;
SELECT tenant_name, models, alone_bytes FROM tenant_storage;
SET ROLE regress_ann;
SELECT m FROM (SELECT to_jsonb(m) AS m FROM model_storage m UNION ALL SELECT to_jsonb(t) FROM tenant_storage t) now EXCEPT SELECT m FROM before;
SELECT test.error('SELECT FROM atomizer.storage_summary');
SELECT test.error('SELECT FROM atomizer.relation_storage');
RESET ROLE;
SELECT tenant_name, models, distinct_content_bytes, alone_bytes, shared_bytes, distinct_content_bytes = alone_bytes + shared_bytes AS adds_up
FROM tenant_storage WHERE models > 0 ORDER BY 1;
-- Points and decompositions are the contents', whoever made them: administrators see them.
SELECT model_id AS two FROM model WHERE model_name = 'two' AND tenant_id = :acme \gset
CALL spatialize_model(:two);
SELECT t.tenant_name, m.model_name, m.points, m.decompositions_bytes FROM model_storage m JOIN tenant t USING (tenant_id) WHERE model_name = 'two' ORDER BY 1;
SELECT tenant_name, points, decompositions_bytes FROM tenant_storage WHERE models > 0 ORDER BY 1;
SET ROLE regress_ann;
SELECT model_name, points, decompositions_bytes FROM model_storage ORDER BY 1;
RESET ROLE;
SELECT test.clean();
DROP TABLE before;
DROP OWNED BY regress_ann, regress_bob;
DROP ROLE regress_ann;
DROP ROLE regress_bob;
