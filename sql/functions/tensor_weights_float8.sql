COMMENT ON FUNCTION atomizer.tensor_weights_float8(bigint, bigint, bigint) IS
    'As tensor_weights(), in double precision: exact for F64, and for integers up to 2^53.';
GRANT EXECUTE ON FUNCTION atomizer.tensor_weights_float8(bigint, bigint, bigint) TO PUBLIC;
