CREATE VIEW atomizer.tenant_storage WITH (security_barrier) AS
SELECT t.tenant_id, t.tenant_name, n.models,
       pg_catalog.pg_size_pretty(n.files_bytes) AS files, pg_catalog.pg_size_pretty(c.distinct_content_bytes) AS distinct_content,
       pg_catalog.pg_size_pretty(s.alone_bytes) AS alone, pg_catalog.pg_size_pretty(c.distinct_content_bytes - s.alone_bytes) AS shared,
       n.files_bytes, c.distinct_content_bytes, s.alone_bytes, c.distinct_content_bytes - s.alone_bytes AS shared_bytes,
       -- Contents share them between tenants: that they are there may tell of others.
       CASE WHEN pg_catalog.has_table_privilege('atomizer.svd_component', 'SELECT') THEN
           (SELECT coalesce(sum(length(d.u_matrix) + length(d.s_vector) + length(d.vt_matrix)), 0)::bigint
            FROM atomizer.svd_component d
            WHERE d.content_hash = ANY (ARRAY(SELECT x.content_hash FROM atomizer.tensor_atom x WHERE x.tenant_id = t.tenant_id)))
       END AS decompositions_bytes,
       CASE WHEN pg_catalog.has_table_privilege('atomizer.atom_embedding', 'SELECT') THEN
           (SELECT count(*) FROM atomizer.atom_embedding e
            WHERE e.content_hash = ANY (ARRAY(SELECT x.content_hash FROM atomizer.tensor_atom x WHERE x.tenant_id = t.tenant_id)))
       END AS points
FROM atomizer.tenant t,
     LATERAL (SELECT count(DISTINCT m.model_id) AS models, coalesce(sum(f.byte_length), 0)::bigint AS files_bytes
              FROM atomizer.model m LEFT JOIN atomizer.model_file f USING (model_id) WHERE m.tenant_id = t.tenant_id) n,
     LATERAL (SELECT coalesce(sum(d.byte_length), 0)::bigint AS distinct_content_bytes
              FROM (SELECT min(x.byte_length) AS byte_length FROM atomizer_internal.model_content x WHERE x.tenant_id = t.tenant_id
                    GROUP BY x.content_hash) d) c
     -- What other tenants hold is for those who may read the contents themselves.
     LEFT JOIN LATERAL (SELECT coalesce(sum(d.byte_length), 0)::bigint AS alone_bytes
              FROM (SELECT min(x.byte_length) FILTER (WHERE x.tenant_id = t.tenant_id) AS byte_length
                    FROM atomizer_internal.model_content x GROUP BY x.content_hash
                    HAVING bool_and(x.tenant_id = t.tenant_id)) d) s ON pg_catalog.has_table_privilege('atomizer.atom', 'SELECT')
WHERE atomizer_internal.acts_for(t.tenant_id);
COMMENT ON VIEW atomizer.tenant_storage IS
    'What each of your tenants holds: readable, then in bytes. Sizes are of contents before they are compressed.';
COMMENT ON COLUMN atomizer.tenant_storage.tenant_id IS 'The tenant.';
COMMENT ON COLUMN atomizer.tenant_storage.tenant_name IS 'Its name.';
COMMENT ON COLUMN atomizer.tenant_storage.models IS 'Number of its models, complete or not.';
COMMENT ON COLUMN atomizer.tenant_storage.files IS 'Size of their files.';
COMMENT ON COLUMN atomizer.tenant_storage.distinct_content IS 'Size of their distinct contents.';
COMMENT ON COLUMN atomizer.tenant_storage.alone IS 'Size of those that no other tenant has; null unless you may read atom, as administrators may.';
COMMENT ON COLUMN atomizer.tenant_storage.shared IS 'Size of those that others have too; null as alone.';
COMMENT ON COLUMN atomizer.tenant_storage.files_bytes IS 'files in bytes.';
COMMENT ON COLUMN atomizer.tenant_storage.distinct_content_bytes IS 'distinct_content in bytes.';
COMMENT ON COLUMN atomizer.tenant_storage.alone_bytes IS 'alone in bytes.';
COMMENT ON COLUMN atomizer.tenant_storage.shared_bytes IS 'shared in bytes.';
COMMENT ON COLUMN atomizer.tenant_storage.decompositions_bytes IS 'Size of the decompositions of their tensors; null unless you may read svd_component.';
COMMENT ON COLUMN atomizer.tenant_storage.points IS 'Number of points that their contents have in space; null unless you may read atom_embedding.';
GRANT SELECT ON atomizer.tenant_storage TO PUBLIC;
