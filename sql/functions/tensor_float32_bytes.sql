COMMENT ON FUNCTION atomizer.tensor_float32_bytes(bigint, bigint, bigint) IS
    'count weights of a stored tensor from weight first on (row-major, from 0), as little-endian 32-bit floats one behind the other, which numpy.frombuffer reads; all of them by default. Wider types are rounded.';
GRANT EXECUTE ON FUNCTION atomizer.tensor_float32_bytes(bigint, bigint, bigint) TO PUBLIC;
