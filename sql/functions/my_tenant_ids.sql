COMMENT ON FUNCTION atomizer.my_tenant_ids() IS 'Tenants that the caller acts for; all tenants for a superuser.';
GRANT EXECUTE ON FUNCTION atomizer.my_tenant_ids() TO PUBLIC;
