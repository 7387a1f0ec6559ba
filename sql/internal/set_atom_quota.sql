-- set_atom_quota() in C calls it as the owner, with the caller.
CREATE FUNCTION atomizer_internal.set_atom_quota(caller oid, job bigint, quota bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_row atomizer.ingestion_job := atomizer_internal.require_job(caller, job);
BEGIN
    IF quota < 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('atom_quota must not be negative, but is %s', quota),
            HINT = 'null takes the tenant''s own quota.';
    ELSIF quota < found_row.total_atoms_processed THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('a quota of %s is below the %s atoms that ingestion job %s has processed',
                             quota, found_row.total_atoms_processed, job);
    END IF;
    UPDATE atomizer.ingestion_job j SET atom_quota = atomizer_internal.allowed_quota(j.tenant_id, quota)
    WHERE j.ingestion_job_id = job;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION atomizer_internal.set_atom_quota(oid, bigint, bigint) IS 'Implements set_atom_quota().';
