CREATE VIEW atomizer.model_storage WITH (security_barrier) AS
SELECT m.tenant_id, m.model_id, m.model_name, m.is_complete,
       pg_catalog.pg_size_pretty(f.files_bytes) AS files, pg_catalog.pg_size_pretty(c.distinct_content_bytes) AS distinct_content,
       pg_catalog.pg_size_pretty(c.alone_bytes) AS alone, pg_catalog.pg_size_pretty(c.distinct_content_bytes - c.alone_bytes) AS shared,
       f.files_bytes, c.distinct_content_bytes, c.alone_bytes, c.distinct_content_bytes - c.alone_bytes AS shared_bytes,
       -- Contents share them between tenants: that they are there may tell of others.
       CASE WHEN pg_catalog.has_table_privilege('atomizer.svd_component', 'SELECT') THEN
           (SELECT coalesce(sum(length(s.u_matrix) + length(s.s_vector) + length(s.vt_matrix)), 0)::bigint
            FROM atomizer.svd_component s
            WHERE s.content_hash = ANY (ARRAY(SELECT x.content_hash FROM atomizer.tensor_atom x WHERE x.model_id = m.model_id)))
       END AS decompositions_bytes,
       CASE WHEN pg_catalog.has_table_privilege('atomizer.atom_embedding', 'SELECT') THEN
           (SELECT count(*) FROM atomizer.atom_embedding e
            WHERE e.content_hash = ANY (ARRAY(SELECT x.content_hash FROM atomizer.tensor_atom x WHERE x.model_id = m.model_id)))
       END AS points
FROM atomizer.model m,
     LATERAL (SELECT coalesce(sum(x.byte_length), 0)::bigint AS files_bytes FROM atomizer.model_file x
              WHERE x.model_id = m.model_id) f,
     LATERAL (SELECT coalesce(sum(d.byte_length), 0)::bigint AS distinct_content_bytes,
                     coalesce(sum(d.byte_length) FILTER (WHERE d.is_alone), 0)::bigint AS alone_bytes
              FROM (SELECT x.content_hash, min(x.byte_length) AS byte_length,
                           -- Of the same tenant only: nobody learns what others hold.
                           NOT EXISTS (SELECT FROM atomizer.tensor_atom o WHERE o.content_hash = x.content_hash
                                       AND o.tenant_id = m.tenant_id AND o.model_id <> m.model_id)
                           AND NOT EXISTS (SELECT FROM atomizer.model_file o JOIN atomizer.model y USING (model_id)
                                           WHERE o.blob_hash = x.content_hash
                                             AND y.tenant_id = m.tenant_id AND o.model_id <> m.model_id) AS is_alone
                    FROM atomizer_internal.model_content x WHERE x.model_id = m.model_id GROUP BY x.content_hash) d) c
WHERE atomizer_internal.acts_for(m.tenant_id);
COMMENT ON VIEW atomizer.model_storage IS
    'What each of your models holds: readable, then in bytes. Sizes are of contents before they are compressed; alone and shared compare the models of one tenant.';
COMMENT ON COLUMN atomizer.model_storage.tenant_id IS 'The tenant that owns it.';
COMMENT ON COLUMN atomizer.model_storage.model_id IS 'The model.';
COMMENT ON COLUMN atomizer.model_storage.model_name IS 'Its name.';
COMMENT ON COLUMN atomizer.model_storage.is_complete IS 'Whether all of it is stored.';
COMMENT ON COLUMN atomizer.model_storage.files IS 'Size of its files.';
COMMENT ON COLUMN atomizer.model_storage.distinct_content IS 'Size of its distinct contents.';
COMMENT ON COLUMN atomizer.model_storage.alone IS 'Size of those that no other model of the tenant has: dropping the model and collect_garbage() free at most these.';
COMMENT ON COLUMN atomizer.model_storage.shared IS 'Size of those that others of the tenant have too.';
COMMENT ON COLUMN atomizer.model_storage.files_bytes IS 'files in bytes.';
COMMENT ON COLUMN atomizer.model_storage.distinct_content_bytes IS 'distinct_content in bytes.';
COMMENT ON COLUMN atomizer.model_storage.alone_bytes IS 'alone in bytes.';
COMMENT ON COLUMN atomizer.model_storage.shared_bytes IS 'shared in bytes.';
COMMENT ON COLUMN atomizer.model_storage.decompositions_bytes IS 'Size of the decompositions of its tensors, which compress_model() stores beside the weights; null unless you may read svd_component, as administrators may.';
COMMENT ON COLUMN atomizer.model_storage.points IS 'Number of points that its contents have in space, tensors and rows; null unless you may read atom_embedding.';
GRANT SELECT ON atomizer.model_storage TO PUBLIC;
