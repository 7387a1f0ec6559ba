-- Tenants and their members. Only administrators may call the functions that change them.

CREATE FUNCTION atomizer._may_act_for(role_name name, tenant bigint) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = role_name AND r.rolsuper)
        OR EXISTS (SELECT FROM atomizer.tenant_member m
                   JOIN pg_catalog.pg_roles r ON r.rolname = m.member_role
                   WHERE m.tenant_id = tenant AND pg_catalog.pg_has_role(role_name, r.oid, 'USAGE'));
END;
COMMENT ON FUNCTION atomizer._may_act_for(name, bigint) IS 'Whether a role acts for a tenant: superusers act for all.';

CREATE FUNCTION atomizer._tenant_of(role_name name, wanted text) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_ids bigint[];
BEGIN
    IF wanted IS NOT NULL THEN
        SELECT array_agg(t.tenant_id) INTO found_ids FROM atomizer.tenant t
        WHERE t.tenant_name = wanted AND atomizer._may_act_for(role_name, t.tenant_id);
        IF found_ids IS NULL THEN
            RAISE EXCEPTION USING ERRCODE = 'undefined_object',
                MESSAGE = format('tenant "%s" does not exist, or role "%s" does not act for it', wanted, role_name),
                HINT = 'An administrator can call create_tenant(…) and add_tenant_member(…).';
        END IF;
        RETURN found_ids[1];
    END IF;
    SELECT array_agg(DISTINCT m.tenant_id) INTO found_ids FROM atomizer.tenant_member m
    JOIN pg_roles r ON r.rolname = m.member_role
    WHERE pg_has_role(role_name, r.oid, 'USAGE')
      AND NOT (SELECT s.rolsuper FROM pg_roles s WHERE s.rolname = role_name);
    IF cardinality(found_ids) = 1 THEN
        RETURN found_ids[1];
    ELSIF cardinality(found_ids) > 1 THEN
        RAISE EXCEPTION USING ERRCODE = 'ambiguous_parameter',
            MESSAGE = format('role "%s" acts for %s tenants', role_name, cardinality(found_ids)),
            HINT = 'Name one: tenant => ''…''.';
    ELSIF NOT (SELECT s.rolsuper FROM pg_roles s WHERE s.rolname = role_name) THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = format('role "%s" acts for no tenant', role_name),
            HINT = format('An administrator can call add_tenant_member(''…'', ''%s'').', role_name);
    END IF;
    INSERT INTO atomizer.tenant (tenant_name) VALUES ('default') ON CONFLICT (tenant_name) DO NOTHING;
    RETURN (SELECT t.tenant_id FROM atomizer.tenant t WHERE t.tenant_name = 'default');
END $$;
COMMENT ON FUNCTION atomizer._tenant_of(name, text) IS
    'The tenant a role means: the one it names, else its only one; superusers use ''default'', made when first needed.';

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
    'Makes a tenant; atom_quota is the most weights each of its ingestion jobs may process (null: no limit). For administrators.';

CREATE FUNCTION atomizer.add_tenant_member(tenant_name text, member_role name) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_id bigint := (SELECT t.tenant_id FROM atomizer.tenant t WHERE t.tenant_name = add_tenant_member.tenant_name);
BEGIN
    IF tenant_name IS NULL OR member_role IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed',
            MESSAGE = CASE WHEN tenant_name IS NULL THEN 'tenant_name' ELSE 'member_role' END || ' must not be null';
    END IF;
    IF found_id IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object',
            MESSAGE = format('tenant "%s" does not exist', tenant_name),
            HINT = 'Make it with create_tenant(…).';
    ELSIF NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = member_role) THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object',
            MESSAGE = format('role "%s" does not exist', member_role),
            HINT = format('CREATE ROLE %I makes it.', member_role);
    END IF;
    INSERT INTO atomizer.tenant_member VALUES (found_id, member_role) ON CONFLICT DO NOTHING;
END $$;
COMMENT ON FUNCTION atomizer.add_tenant_member(text, name) IS
    'Lets a role, and all who have its privileges, act for a tenant. For administrators.';

CREATE FUNCTION atomizer.remove_tenant_member(tenant_name text, member_role name) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF tenant_name IS NULL OR member_role IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed',
            MESSAGE = CASE WHEN tenant_name IS NULL THEN 'tenant_name' ELSE 'member_role' END || ' must not be null';
    END IF;
    DELETE FROM atomizer.tenant_member m USING atomizer.tenant t
    WHERE t.tenant_id = m.tenant_id AND t.tenant_name = remove_tenant_member.tenant_name AND m.member_role = remove_tenant_member.member_role;
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION atomizer.remove_tenant_member(text, name) IS
    'Ends a role''s membership of a tenant; false when there was none. For administrators.';
