COMMENT ON FUNCTION atomizer_internal.stream_atomic_weights_chunked(bytea, text, bigint, bigint, oid, text, atomizer.regmodel, text, boolean) IS
    'Implements stream_atomic_weights_chunked().';
GRANT EXECUTE ON FUNCTION atomizer_internal.stream_atomic_weights_chunked(bytea, text, bigint, bigint, oid, text, atomizer.regmodel, text, boolean) TO PUBLIC;
