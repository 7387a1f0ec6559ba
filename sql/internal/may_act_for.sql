CREATE FUNCTION atomizer_internal.may_act_for(caller oid, tenant bigint) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = caller AND r.rolsuper)
        OR EXISTS (SELECT FROM atomizer.tenant_member m
                   WHERE m.tenant_id = tenant AND pg_catalog.pg_has_role(caller, m.member_role, 'USAGE'));
END;
COMMENT ON FUNCTION atomizer_internal.may_act_for(oid, bigint) IS
    'Whether a role acts for a tenant: as its member, with a member''s privileges, or as a superuser.';
