COMMENT ON FUNCTION atomizer.tensor_bytes(bigint, bigint, bigint) IS
    'count bytes of a stored tensor from byte first on (from 0), as they are in its file; all of them by default. Only the segments that hold them are read.';
GRANT EXECUTE ON FUNCTION atomizer.tensor_bytes(bigint, bigint, bigint) TO PUBLIC;
