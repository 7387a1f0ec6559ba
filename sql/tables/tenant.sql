-- Who owns what. A database role acts for every tenant it, or a role it belongs to, is a member of.

CREATE SEQUENCE atomizer.tenant_id_seq;
COMMENT ON SEQUENCE atomizer.tenant_id_seq IS 'Numbers of tenants.';

CREATE TABLE atomizer.tenant (
    tenant_id    bigint PRIMARY KEY DEFAULT nextval('atomizer.tenant_id_seq'),
    tenant_name  text NOT NULL UNIQUE CHECK (tenant_name <> ''),
    atom_quota   bigint CHECK (atom_quota >= 0),
    created_at   timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE atomizer.tenant IS 'A group of users whose models are hidden from everybody else.';
COMMENT ON COLUMN atomizer.tenant.tenant_id IS 'Number of the tenant.';
COMMENT ON COLUMN atomizer.tenant.tenant_name IS 'Name, unique in the database.';
COMMENT ON COLUMN atomizer.tenant.atom_quota IS
    'Default of atom_quota for the tenant''s new ingestion jobs; null is unlimited.';
COMMENT ON COLUMN atomizer.tenant.created_at IS 'When the tenant was made.';

CREATE TABLE atomizer.tenant_member (
    tenant_id    bigint NOT NULL REFERENCES atomizer.tenant ON DELETE CASCADE,
    member_role  name NOT NULL,
    PRIMARY KEY (tenant_id, member_role)
);
COMMENT ON TABLE atomizer.tenant_member IS 'Database roles that act for a tenant.';
COMMENT ON COLUMN atomizer.tenant_member.tenant_id IS 'The tenant.';
COMMENT ON COLUMN atomizer.tenant_member.member_role IS
    'A role; whoever has its privileges acts for the tenant.';
