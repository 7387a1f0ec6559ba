COMMENT ON FUNCTION atomizer.tensor_weights(bigint, bigint, bigint) IS
    'count weights of a stored tensor as real[], from weight "from" (row-major, from 0); all of them by default. Types wider than real are rounded.';
GRANT EXECUTE ON FUNCTION atomizer.tensor_weights(bigint, bigint, bigint) TO PUBLIC;
