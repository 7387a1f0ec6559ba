COMMENT ON FUNCTION atomizer_internal.check_writable(text) IS
    'Raises an error on a standby and in a READ ONLY transaction, where the named function cannot write.';
GRANT EXECUTE ON FUNCTION atomizer_internal.check_writable(text) TO PUBLIC;
