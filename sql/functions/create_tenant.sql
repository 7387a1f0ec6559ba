CREATE FUNCTION atomizer.create_tenant(tenant_name text, atom_quota bigint DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    new_id bigint;
BEGIN
    IF tenant_name IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'tenant_name must not be null';
    END IF;
    INSERT INTO atomizer.tenant (tenant_name, atom_quota)
    VALUES (create_tenant.tenant_name, create_tenant.atom_quota)
    ON CONFLICT ON CONSTRAINT tenant_tenant_name_key DO NOTHING RETURNING tenant_id INTO new_id;
    IF new_id IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'unique_violation',
            MESSAGE = format('tenant "%s" exists already', tenant_name),
            HINT = 'add_tenant_member(…) lets a role act for it.';
    END IF;
    RETURN new_id;
END $$;
COMMENT ON FUNCTION atomizer.create_tenant(text, bigint) IS
    'Creates a tenant and returns its number; atom_quota is the most weights that each of its ingestion jobs may process (null: unlimited). For administrators.';
