CREATE TABLE atomizer.tenant_member (
    tenant_id    bigint NOT NULL REFERENCES atomizer.tenant ON DELETE CASCADE,
    member_role  regrole NOT NULL,
    PRIMARY KEY (tenant_id, member_role)
);
COMMENT ON TABLE atomizer.tenant_member IS 'Database roles that act for a tenant.';
COMMENT ON COLUMN atomizer.tenant_member.tenant_id IS 'The tenant.';
COMMENT ON COLUMN atomizer.tenant_member.member_role IS
    'A role, whatever its name becomes; whoever has its privileges acts for the tenant. A number: the role was dropped.';

-- A tenant sees its own rows.
ALTER TABLE atomizer.tenant_member ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON atomizer.tenant_member FOR SELECT
    USING (atomizer_internal.acts_for(tenant_id));
COMMENT ON POLICY own_rows ON atomizer.tenant_member IS 'Rows of the caller''s tenants.';
GRANT SELECT ON atomizer.tenant_member TO PUBLIC;

-- pg_dump keeps its rows, with the names that roles have then. Not those of roles that were dropped: their numbers may
-- be other roles' where the dump is restored.
SELECT pg_catalog.pg_extension_config_dump('atomizer.tenant_member',
    'WHERE EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = member_role)');
