COMMENT ON FUNCTION atomizer._stream_atomic_weights_chunked(bytea, text, bigint, bigint, oid, text, bigint, text) IS
    'Implements stream_atomic_weights_chunked().';
GRANT EXECUTE ON FUNCTION atomizer._stream_atomic_weights_chunked(bytea, text, bigint, bigint, oid, text, bigint, text) TO PUBLIC;
