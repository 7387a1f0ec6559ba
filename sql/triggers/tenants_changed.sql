-- Sessions keep the tenants of the roles that asked: each change of these tables tells them to ask again. ALWAYS,
-- for a subscriber of logical replication and a restore change them, too; row by row, for such a subscriber
-- fires no others.
CREATE TRIGGER tenants_changed AFTER INSERT OR UPDATE OR DELETE ON atomizer.tenant
    FOR EACH ROW EXECUTE FUNCTION atomizer_internal.tenants_changed();
CREATE TRIGGER tenants_truncated AFTER TRUNCATE ON atomizer.tenant
    FOR EACH STATEMENT EXECUTE FUNCTION atomizer_internal.tenants_changed();
CREATE TRIGGER tenants_changed AFTER INSERT OR UPDATE OR DELETE ON atomizer.tenant_member
    FOR EACH ROW EXECUTE FUNCTION atomizer_internal.tenants_changed();
CREATE TRIGGER tenants_truncated AFTER TRUNCATE ON atomizer.tenant_member
    FOR EACH STATEMENT EXECUTE FUNCTION atomizer_internal.tenants_changed();
ALTER TABLE atomizer.tenant ENABLE ALWAYS TRIGGER tenants_changed, ENABLE ALWAYS TRIGGER tenants_truncated;
ALTER TABLE atomizer.tenant_member ENABLE ALWAYS TRIGGER tenants_changed, ENABLE ALWAYS TRIGGER tenants_truncated;
COMMENT ON TRIGGER tenants_changed ON atomizer.tenant IS 'Tells all sessions to look up their tenants again.';
COMMENT ON TRIGGER tenants_truncated ON atomizer.tenant IS 'Tells all sessions to look up their tenants again.';
COMMENT ON TRIGGER tenants_changed ON atomizer.tenant_member IS 'Tells all sessions to look up their tenants again.';
COMMENT ON TRIGGER tenants_truncated ON atomizer.tenant_member IS 'Tells all sessions to look up their tenants again.';
