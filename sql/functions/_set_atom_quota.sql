-- set_atom_quota() in C calls it as the owner, with the caller's name.
CREATE FUNCTION atomizer._set_atom_quota(role_name name, job bigint, quota bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_row atomizer.ingestion_job := atomizer._require_job(role_name, job);
BEGIN
    IF quota < found_row.total_atoms_processed THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('a quota of %s is below the %s atoms that ingestion job %s has processed',
                             quota, found_row.total_atoms_processed, job);
    END IF;
    UPDATE atomizer.ingestion_job j SET atom_quota = atomizer._allowed_quota(j.tenant_id, quota)
    WHERE j.ingestion_job_id = job;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION atomizer._set_atom_quota(name, bigint, bigint) IS 'Implements set_atom_quota().';
