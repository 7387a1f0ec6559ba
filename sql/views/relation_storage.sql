CREATE VIEW atomizer.relation_storage AS
SELECT r.table_name, c.relname AS relation_name, r.kind, pg_catalog.pg_size_pretty(s.bytes) AS size,
       pg_catalog.pg_size_pretty(f.free_bytes) AS free, s.bytes, f.free_bytes,
       CASE WHEN r.kind = 'table' THEN pg_catalog.pg_stat_get_dead_tuples(c.oid) END AS dead_rows
FROM (SELECT t.relname AS table_name, t.oid, 'table' AS kind
      FROM pg_catalog.pg_class t WHERE t.relnamespace = 'atomizer'::pg_catalog.regnamespace AND t.relkind = 'r'
      UNION ALL
      SELECT t.relname AS table_name, i.indexrelid AS oid, CASE WHEN i.indrelid = t.oid THEN 'index' ELSE 'toast' END AS kind
      FROM pg_catalog.pg_class t JOIN pg_catalog.pg_index i ON i.indrelid IN (t.oid, t.reltoastrelid)
      WHERE t.relnamespace = 'atomizer'::pg_catalog.regnamespace AND t.relkind = 'r'
      UNION ALL
      SELECT t.relname AS table_name, t.reltoastrelid AS oid, 'toast' AS kind
      FROM pg_catalog.pg_class t
      WHERE t.relnamespace = 'atomizer'::pg_catalog.regnamespace AND t.relkind = 'r' AND t.reltoastrelid <> 0) r
JOIN pg_catalog.pg_class c ON c.oid = r.oid,
     LATERAL (SELECT pg_catalog.pg_relation_size(c.oid) + pg_catalog.pg_relation_size(c.oid, 'fsm')
                     + pg_catalog.pg_relation_size(c.oid, 'vm') AS bytes) s,
     LATERAL (SELECT atomizer_internal.free_bytes(c.oid) AS free_bytes) f;
COMMENT ON VIEW atomizer.relation_storage IS
    'Every table of atomizer, its indexes and what is kept out of line, with its size on disk and what is free inside. For administrators.';
COMMENT ON COLUMN atomizer.relation_storage.table_name IS 'The table.';
COMMENT ON COLUMN atomizer.relation_storage.relation_name IS 'The table, index or toast table.';
COMMENT ON COLUMN atomizer.relation_storage.kind IS 'table, index, or toast: values kept out of line, and their index.';
COMMENT ON COLUMN atomizer.relation_storage.size IS 'bytes, readable.';
COMMENT ON COLUMN atomizer.relation_storage.free IS 'free_bytes, readable.';
COMMENT ON COLUMN atomizer.relation_storage.bytes IS 'Size on disk, with the maps of free space and visibility.';
COMMENT ON COLUMN atomizer.relation_storage.free_bytes IS 'What is free for new rows, as the last VACUUM found it and later ones used it.';
COMMENT ON COLUMN atomizer.relation_storage.dead_rows IS 'Rows of a table that VACUUM will free: an estimate of the statistics.';
