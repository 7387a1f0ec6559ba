CREATE FUNCTION atomizer.add_tenant_member(tenant text, member_role name) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_id bigint := (SELECT t.tenant_id FROM atomizer.tenant t WHERE t.tenant_name = add_tenant_member.tenant);
    found_role oid := (SELECT r.oid FROM pg_roles r WHERE r.rolname = add_tenant_member.member_role);
BEGIN
    PERFORM atomizer_internal.check_writable('add_tenant_member()');
    IF tenant IS NULL OR member_role IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed',
            MESSAGE = CASE WHEN tenant IS NULL THEN 'tenant' ELSE 'member_role' END || ' must not be null';
    END IF;
    IF found_id IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object',
            MESSAGE = format('tenant "%s" does not exist', tenant),
            HINT = 'Create it with create_tenant(…).';
    ELSIF found_role IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object',
            MESSAGE = format('role "%s" does not exist', member_role),
            HINT = format('CREATE ROLE %I creates it.', member_role);
    END IF;
    INSERT INTO atomizer.tenant_member VALUES (found_id, found_role) ON CONFLICT DO NOTHING;
END $$;
COMMENT ON FUNCTION atomizer.add_tenant_member(text, name) IS
    'Lets a role, and every role that has its privileges, act for a tenant. For administrators.';
