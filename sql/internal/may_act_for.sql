CREATE FUNCTION atomizer_internal.may_act_for(role_name name, tenant bigint) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = role_name AND r.rolsuper)
        OR EXISTS (SELECT FROM atomizer.tenant_member m
                   JOIN pg_catalog.pg_roles r ON r.rolname = m.member_role
                   WHERE m.tenant_id = tenant AND pg_catalog.pg_has_role(role_name, r.oid, 'USAGE'));
END;
COMMENT ON FUNCTION atomizer_internal.may_act_for(name, bigint) IS
    'Whether a role acts for a tenant: as its member, with a member''s privileges, or as a superuser.';
