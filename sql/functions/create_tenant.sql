CREATE FUNCTION atomizer.create_tenant(tenant text, atom_quota bigint DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    new_id bigint;
BEGIN
    PERFORM atomizer_internal.check_writable('create_tenant()');
    IF tenant IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'tenant must not be null';
    ELSIF tenant = '' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'a tenant needs a name',
            HINT = 'For example: create_tenant(''research'').';
    ELSIF length(tenant) > 500 THEN
        RAISE EXCEPTION USING ERRCODE = 'string_data_right_truncation',
            MESSAGE = format('the name of a tenant has %s characters (at most 500)', length(tenant));
    ELSIF atom_quota < 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('atom_quota must not be negative, but is %s', atom_quota),
            HINT = 'Leave it out for no limit.';
    END IF;
    INSERT INTO atomizer.tenant (tenant_name, atom_quota)
    VALUES (create_tenant.tenant, create_tenant.atom_quota)
    ON CONFLICT ON CONSTRAINT tenant_tenant_name_key DO NOTHING RETURNING tenant_id INTO new_id;
    IF new_id IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'unique_violation',
            MESSAGE = format('tenant "%s" exists already', tenant),
            HINT = 'add_tenant_member(…) lets a role act for it.';
    END IF;
    RETURN new_id;
END $$;
COMMENT ON FUNCTION atomizer.create_tenant(text, bigint) IS
    'Creates a tenant and returns its number; atom_quota is the most weights that each of its ingestion jobs may process (null: unlimited). For administrators.';
