CREATE VIEW atomizer.tenant_atom WITH (security_barrier) AS
SELECT t.tenant_id, t.content_hash, count(*) AS reference_count
FROM atomizer.tensor_atom t
WHERE atomizer_internal.acts_for(t.tenant_id)
GROUP BY t.tenant_id, t.content_hash;
COMMENT ON VIEW atomizer.tenant_atom IS
    'Which tensor contents a tenant holds, and how often. Derived, so that it cannot disagree with tensor_atom.';
COMMENT ON COLUMN atomizer.tenant_atom.tenant_id IS 'The tenant.';
COMMENT ON COLUMN atomizer.tenant_atom.content_hash IS 'The content.';
COMMENT ON COLUMN atomizer.tenant_atom.reference_count IS 'Tensors of this tenant that have it.';
GRANT SELECT ON atomizer.tenant_atom TO PUBLIC;
