CREATE FUNCTION atomizer_internal.tenants_changed() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'tenants_changed_wrapper';
COMMENT ON FUNCTION atomizer_internal.tenants_changed() IS 'Trigger: tells all sessions to look up their tenants again.';
