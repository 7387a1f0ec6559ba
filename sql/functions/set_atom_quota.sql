COMMENT ON FUNCTION atomizer.set_atom_quota(bigint, bigint) IS
    'Changes the quota of a job, up to its tenant''s own; null is the tenant''s.';
GRANT EXECUTE ON FUNCTION atomizer.set_atom_quota(bigint, bigint) TO PUBLIC;
