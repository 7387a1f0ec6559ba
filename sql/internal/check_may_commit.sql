COMMENT ON FUNCTION atomizer_internal.check_may_commit(text) IS
    'Raises an error inside a transaction block, where the named procedure could not commit.';
GRANT EXECUTE ON FUNCTION atomizer_internal.check_may_commit(text) TO PUBLIC;
