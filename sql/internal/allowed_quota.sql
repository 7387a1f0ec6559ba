-- The quota a job gets: what was asked for, if the tenant may have it.
CREATE FUNCTION atomizer_internal.allowed_quota(tenant bigint, wanted bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    most bigint := (SELECT t.atom_quota FROM atomizer.tenant t WHERE t.tenant_id = tenant);
BEGIN
    IF wanted > most THEN
        RAISE EXCEPTION USING ERRCODE = 'configuration_limit_exceeded',
            MESSAGE = format('a quota of %s atoms is above the tenant''s own of %s', wanted, most),
            HINT = 'An administrator can raise atom_quota in atomizer.tenant.';
    END IF;
    RETURN coalesce(wanted, most);
END $$;
COMMENT ON FUNCTION atomizer_internal.allowed_quota(bigint, bigint) IS
    'The quota of a job: the one requested, else the tenant''s; an error if it is above the tenant''s.';
