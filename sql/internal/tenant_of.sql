CREATE FUNCTION atomizer_internal.tenant_of(caller oid, wanted text) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_ids bigint[];
BEGIN
    IF wanted IS NOT NULL THEN
        SELECT array_agg(t.tenant_id) INTO found_ids FROM atomizer.tenant t
        WHERE t.tenant_name = wanted AND atomizer_internal.may_act_for(caller, t.tenant_id);
        IF found_ids IS NULL THEN
            RAISE EXCEPTION USING ERRCODE = 'undefined_object',
                MESSAGE = format('tenant "%s" does not exist, or role "%s" does not act for it', wanted, pg_get_userbyid(caller)),
                HINT = 'An administrator can call create_tenant(…) and add_tenant_member(…).';
        END IF;
        RETURN found_ids[1];
    END IF;
    SELECT array_agg(DISTINCT m.tenant_id) INTO found_ids FROM atomizer.tenant_member m
    WHERE pg_has_role(caller, m.member_role, 'USAGE')
      AND NOT (SELECT s.rolsuper FROM pg_roles s WHERE s.oid = caller);
    IF cardinality(found_ids) = 1 THEN
        RETURN found_ids[1];
    ELSIF cardinality(found_ids) > 1 THEN
        RAISE EXCEPTION USING ERRCODE = 'ambiguous_parameter',
            MESSAGE = format('role "%s" acts for %s tenants', pg_get_userbyid(caller), cardinality(found_ids)),
            HINT = 'Name one: tenant => ''…''.';
    ELSIF NOT (SELECT s.rolsuper FROM pg_roles s WHERE s.oid = caller) THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = format('role "%s" acts for no tenant', pg_get_userbyid(caller)),
            HINT = format('An administrator can call add_tenant_member(''…'', ''%s'').', pg_get_userbyid(caller));
    END IF;
    INSERT INTO atomizer.tenant (tenant_name) VALUES ('default') ON CONFLICT (tenant_name) DO NOTHING;
    RETURN (SELECT t.tenant_id FROM atomizer.tenant t WHERE t.tenant_name = 'default');
END $$;
COMMENT ON FUNCTION atomizer_internal.tenant_of(oid, text) IS
    'The tenant a role means: the one it names, else its only one; superusers use ''default'', created when first needed.';
