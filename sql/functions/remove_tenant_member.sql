CREATE FUNCTION atomizer.remove_tenant_member(tenant text, member_role name) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- That of a role which was dropped has no name, only the number that tenant_member shows.
    found_role oid := coalesce((SELECT r.oid FROM pg_roles r WHERE r.rolname = remove_tenant_member.member_role),
                               CASE WHEN member_role ~ '^[0-9]{1,9}$' THEN member_role::text::oid END);
BEGIN
    PERFORM atomizer_internal.check_writable('remove_tenant_member()');
    IF tenant IS NULL OR member_role IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed',
            MESSAGE = CASE WHEN tenant IS NULL THEN 'tenant' ELSE 'member_role' END || ' must not be null';
    END IF;
    DELETE FROM atomizer.tenant_member m USING atomizer.tenant t
    WHERE t.tenant_id = m.tenant_id AND t.tenant_name = remove_tenant_member.tenant AND m.member_role = found_role;
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION atomizer.remove_tenant_member(text, name) IS
    'Ends a role''s membership of a tenant; false if there was none. A role that was dropped is named by the number that tenant_member shows. For administrators.';
