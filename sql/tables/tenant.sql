-- Who owns what. A database role acts for every tenant that it, or a role it belongs to, is a member of.

CREATE SEQUENCE atomizer.tenant_id_seq;
COMMENT ON SEQUENCE atomizer.tenant_id_seq IS 'Values of tenant.tenant_id.';

CREATE TABLE atomizer.tenant (
    tenant_id    bigint PRIMARY KEY DEFAULT nextval('atomizer.tenant_id_seq'),
    tenant_name  text NOT NULL UNIQUE CHECK (tenant_name <> ''),
    atom_quota   bigint CHECK (atom_quota >= 0),
    created_at   timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE atomizer.tenant IS 'A group of roles whose models nobody else can see.';
COMMENT ON COLUMN atomizer.tenant.tenant_id IS 'Identifier of the tenant.';
COMMENT ON COLUMN atomizer.tenant.tenant_name IS 'Name, unique in the database.';
COMMENT ON COLUMN atomizer.tenant.atom_quota IS
    'Default of atom_quota for the tenant''s new ingestion jobs; null is unlimited.';
COMMENT ON COLUMN atomizer.tenant.created_at IS 'When the tenant was created.';

-- A tenant sees its own rows.
ALTER TABLE atomizer.tenant ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON atomizer.tenant FOR SELECT
    USING (atomizer_internal.acts_for(tenant_id));
COMMENT ON POLICY own_rows ON atomizer.tenant IS 'Rows of the caller''s tenants.';
GRANT SELECT ON atomizer.tenant TO PUBLIC;

-- pg_dump keeps its rows and the place of its sequence.
SELECT pg_catalog.pg_extension_config_dump('atomizer.tenant_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('atomizer.tenant', '');
