COMMENT ON FUNCTION atomizer.my_tenant_ids() IS 'The tenants the caller acts for.';
GRANT EXECUTE ON FUNCTION atomizer.my_tenant_ids() TO PUBLIC;
