COMMENT ON FUNCTION atomizer_internal.check_commit(text) IS
    'Raises an error where the named procedure cannot commit, and names the way out. Procedures call it before their first COMMIT.';
GRANT EXECUTE ON FUNCTION atomizer_internal.check_commit(text) TO PUBLIC;
