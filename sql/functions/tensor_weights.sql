COMMENT ON FUNCTION atomizer.tensor_weights(bigint, bigint, bigint) IS
    'count weights of a stored tensor from "from" on (row-major, from 0), as real; rounded where the type is wider.';
GRANT EXECUTE ON FUNCTION atomizer.tensor_weights(bigint, bigint, bigint) TO PUBLIC;
