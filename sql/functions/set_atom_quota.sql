COMMENT ON FUNCTION atomizer.set_atom_quota(bigint, bigint) IS
    'Sets the number of weights a job may process, at most its tenant''s quota; null sets it to the tenant''s quota.';
GRANT EXECUTE ON FUNCTION atomizer.set_atom_quota(bigint, bigint) TO PUBLIC;
