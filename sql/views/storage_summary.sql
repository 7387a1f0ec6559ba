CREATE VIEW atomizer.storage_summary AS
SELECT n.models, n.tensor_atoms, a.distinct_tensors, a.distinct_weights, a.weight_references,
       pg_catalog.pg_size_pretty(n.files_bytes) AS files, pg_catalog.pg_size_pretty(a.distinct_content_bytes) AS distinct_content,
       pg_catalog.pg_size_pretty(n.stored_content_bytes) AS stored_content,
       pg_catalog.pg_size_pretty(n.stored_atoms_bytes) AS stored_atoms,
       pg_catalog.pg_size_pretty(r.tables_bytes) AS tables, pg_catalog.pg_size_pretty(r.indexes_bytes) AS indexes,
       pg_catalog.pg_size_pretty(r.toast_bytes) AS toast, pg_catalog.pg_size_pretty(r.free_bytes) AS free,
       pg_catalog.pg_size_pretty(l.exports_bytes) AS exports,
       pg_catalog.pg_size_pretty(r.tables_bytes + r.indexes_bytes + r.toast_bytes + l.exports_bytes) AS total,
       n.files_bytes, a.distinct_content_bytes, n.stored_content_bytes, n.stored_atoms_bytes,
       r.tables_bytes, r.indexes_bytes, r.toast_bytes, r.free_bytes, l.exported_objects, l.exports_bytes,
       r.tables_bytes + r.indexes_bytes + r.toast_bytes + l.exports_bytes AS total_bytes
FROM (SELECT (SELECT count(*) FROM atomizer.model WHERE is_complete) AS models,
             (SELECT count(*) FROM atomizer.tensor_atom) AS tensor_atoms,
             (SELECT coalesce(sum(f.byte_length), 0)::bigint FROM atomizer.model_file f) AS files_bytes,
             pg_catalog.pg_total_relation_size('atomizer.tensor_segment') AS stored_content_bytes,
             pg_catalog.pg_total_relation_size('atomizer.atom') AS stored_atoms_bytes) n,
     (SELECT count(*) FILTER (WHERE x.kind = 'tensor') AS distinct_tensors,
             count(*) FILTER (WHERE x.kind = 'weight') AS distinct_weights,
             coalesce(sum(x.reference_count) FILTER (WHERE x.kind = 'weight'), 0) AS weight_references,
             coalesce(sum(x.byte_length) FILTER (WHERE x.kind <> 'weight'), 0)::bigint AS distinct_content_bytes
      FROM atomizer.atom x) a,
     (SELECT coalesce(sum(x.bytes) FILTER (WHERE x.kind = 'table'), 0)::bigint AS tables_bytes,
             coalesce(sum(x.bytes) FILTER (WHERE x.kind = 'index'), 0)::bigint AS indexes_bytes,
             coalesce(sum(x.bytes) FILTER (WHERE x.kind = 'toast'), 0)::bigint AS toast_bytes,
             coalesce(sum(x.free_bytes), 0)::bigint AS free_bytes
      FROM atomizer.relation_storage x) r,
     -- The last page of each object says how long it is. lo_unlink() removes the comment with the object.
     (SELECT count(*) AS exported_objects,
             coalesce(sum(p.pageno * (current_setting('block_size')::bigint / 4) + length(p.data)), 0)::bigint AS exports_bytes
      FROM pg_catalog.pg_description d
      LEFT JOIN LATERAL (SELECT o.pageno, o.data FROM pg_catalog.pg_largeobject o WHERE o.loid = d.objoid
                         ORDER BY o.pageno DESC LIMIT 1) p ON true
      WHERE d.classoid = 'pg_catalog.pg_largeobject'::pg_catalog.regclass AND d.description = 'atomizer export') l;
COMMENT ON VIEW atomizer.storage_summary IS
    'Number of objects in the store, and what they take: readable, then in bytes. For administrators.';
COMMENT ON COLUMN atomizer.storage_summary.models IS 'Complete models.';
COMMENT ON COLUMN atomizer.storage_summary.tensor_atoms IS 'Named tensors of all models.';
COMMENT ON COLUMN atomizer.storage_summary.distinct_tensors IS 'Distinct tensor contents.';
COMMENT ON COLUMN atomizer.storage_summary.distinct_weights IS 'Weight atoms.';
COMMENT ON COLUMN atomizer.storage_summary.weight_references IS 'Weights that refer to them.';
COMMENT ON COLUMN atomizer.storage_summary.files IS 'Size of all models'' files.';
COMMENT ON COLUMN atomizer.storage_summary.distinct_content IS 'Size of their distinct contents.';
COMMENT ON COLUMN atomizer.storage_summary.stored_content IS 'Size of tensor_segment on disk, with its index.';
COMMENT ON COLUMN atomizer.storage_summary.stored_atoms IS 'Size of atom on disk, with its index.';
COMMENT ON COLUMN atomizer.storage_summary.tables IS 'Size of all tables on disk: relation_storage has each.';
COMMENT ON COLUMN atomizer.storage_summary.indexes IS 'Size of their indexes.';
COMMENT ON COLUMN atomizer.storage_summary.toast IS 'Size of what is kept out of line, with its indexes.';
COMMENT ON COLUMN atomizer.storage_summary.free IS 'What is free inside of them for new rows, as VACUUM found it.';
COMMENT ON COLUMN atomizer.storage_summary.exports IS 'Size of the large objects that exports made and nobody has removed.';
COMMENT ON COLUMN atomizer.storage_summary.total IS 'Tables, indexes, toast and exports.';
COMMENT ON COLUMN atomizer.storage_summary.files_bytes IS 'files in bytes.';
COMMENT ON COLUMN atomizer.storage_summary.distinct_content_bytes IS 'distinct_content in bytes.';
COMMENT ON COLUMN atomizer.storage_summary.stored_content_bytes IS 'stored_content in bytes.';
COMMENT ON COLUMN atomizer.storage_summary.stored_atoms_bytes IS 'stored_atoms in bytes.';
COMMENT ON COLUMN atomizer.storage_summary.tables_bytes IS 'tables in bytes.';
COMMENT ON COLUMN atomizer.storage_summary.indexes_bytes IS 'indexes in bytes.';
COMMENT ON COLUMN atomizer.storage_summary.toast_bytes IS 'toast in bytes.';
COMMENT ON COLUMN atomizer.storage_summary.free_bytes IS 'free in bytes.';
COMMENT ON COLUMN atomizer.storage_summary.exported_objects IS 'Number of the large objects of exports: those whose comment is "atomizer export".';
COMMENT ON COLUMN atomizer.storage_summary.exports_bytes IS 'exports in bytes.';
COMMENT ON COLUMN atomizer.storage_summary.total_bytes IS 'total in bytes.';
