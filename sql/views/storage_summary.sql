CREATE VIEW atomizer.storage_summary AS
SELECT (SELECT count(*) FROM atomizer.model WHERE is_complete) AS models,
       (SELECT count(*) FROM atomizer.tensor_atom) AS tensor_atoms,
       count(*) FILTER (WHERE a.kind = 'tensor') AS distinct_tensors,
       count(*) FILTER (WHERE a.kind = 'weight') AS distinct_weights,
       coalesce(sum(a.reference_count) FILTER (WHERE a.kind = 'weight'), 0) AS weight_references,
       pg_catalog.pg_size_pretty((SELECT coalesce(sum(f.byte_length), 0) FROM atomizer.model_file f)) AS files,
       pg_catalog.pg_size_pretty(coalesce(sum(a.byte_length) FILTER (WHERE a.kind <> 'weight'), 0)) AS distinct_content,
       pg_catalog.pg_size_pretty(pg_catalog.pg_total_relation_size('atomizer.tensor_segment')) AS stored_content,
       pg_catalog.pg_size_pretty(pg_catalog.pg_total_relation_size('atomizer.atom')) AS stored_atoms
FROM atomizer.atom a;
COMMENT ON VIEW atomizer.storage_summary IS 'Number of objects in the store, and their size. For administrators.';
COMMENT ON COLUMN atomizer.storage_summary.models IS 'Complete models.';
COMMENT ON COLUMN atomizer.storage_summary.tensor_atoms IS 'Named tensors of all models.';
COMMENT ON COLUMN atomizer.storage_summary.distinct_tensors IS 'Distinct tensor contents.';
COMMENT ON COLUMN atomizer.storage_summary.distinct_weights IS 'Weight atoms.';
COMMENT ON COLUMN atomizer.storage_summary.weight_references IS 'Weights that refer to them.';
COMMENT ON COLUMN atomizer.storage_summary.files IS 'Size of all models'' files.';
COMMENT ON COLUMN atomizer.storage_summary.distinct_content IS 'Size of their distinct contents.';
COMMENT ON COLUMN atomizer.storage_summary.stored_content IS 'Size of tensor_segment on disk, with its index.';
COMMENT ON COLUMN atomizer.storage_summary.stored_atoms IS 'Size of atom on disk, with its index.';
